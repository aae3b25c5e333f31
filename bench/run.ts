// `npm run bench`: sealed relay, nginx and @fastify/http-proxy side by side in one run on one machine.
// Order: programs → subjects start → warm-up → interleaved rounds → report → everything ends.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { busySecondsOfCore, cpuSecondsOfTree, endAll, type Started } from './load/processes.ts';
import { type Cores, type Subject, startSubjects } from './load/subjects.ts';
import { chooseCores, describeMachine, requirePrograms } from './machine.ts';
import { type Options, parseOptions, USAGE } from './options.ts';
import { reportJson, reportText } from './report.ts';
import { type Sample, summarise } from './samples.ts';

/** The whole run may take this much longer than its plan before it is given up. */
const OVERRUN_MAX_MS = 60_000;
/** Long enough for every connection to have been used. */
const NATIVE_WARMUP_SECONDS = 1;
const INTERRUPTED_EXIT_CODE = 130;

async function main(): Promise<void> {
  const options = readOptions();
  requirePrograms();
  const cores = chooseCores();
  const machine = describeMachine();
  const directory = mkdtempSync(join(os.tmpdir(), 'mte-relay-bench-'));
  chmodSync(directory, 0o755); // nginx, which runs as nobody when this runs as root, has a directory below it
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  const overrun = setTimeout(() => giveUp('the bench takes too long', 1), plannedMs(options) + OVERRUN_MAX_MS);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => giveUp(`ended by ${signal}`, INTERRUPTED_EXIT_CODE));
  }
  try {
    const summaries = summarise(options.subjects, await measureAll(options, cores, directory));
    const text = reportText(machine, options, cores, summaries);
    console.log(text);
    if (options.save) save(text);
    console.log(reportJson(machine, options, cores, summaries));
    if (summaries.some(({ failureCount }) => failureCount > 0)) process.exitCode = 1;
  } finally {
    clearTimeout(overrun);
    await endAll();
  }
}

function readOptions(): Options {
  try {
    return parseOptions(process.argv.slice(2));
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`);
    process.exit(2);
  }
}

async function measureAll(options: Options, cores: Cores, directory: string): Promise<Sample[]> {
  const { upstream, subjects } = await startSubjects(options.subjects, cores, directory);
  for (const subject of subjects) {
    const seconds = subject.isNode ? options.warmupSeconds : NATIVE_WARMUP_SECONDS;
    progress(`warming ${subject.name} up for ${seconds} s`);
    const { load } = await measure(subject, upstream, options, cores, 0, seconds);
    if (load.failureCount > 0) throw new Error(`${subject.name} fails while warming up: ${load.failures.join('; ')}`);
  }
  const samples: Sample[] = [];
  for (let round = 1; round <= options.rounds; round += 1) {
    for (const subject of subjects) {
      const sample = await measure(subject, upstream, options, cores, round, measuredSeconds(subject.isNode, options));
      const rate = sample.load.requests / sample.load.durationSeconds;
      progress(`round ${round} of ${options.rounds}: ${subject.name} ${rate.toFixed(0)} requests/s`);
      samples.push(sample);
    }
  }
  return samples;
}

async function measure(
  subject: Subject,
  upstream: Started,
  { connections }: Options,
  cores: Cores,
  round: number,
  seconds: number,
): Promise<Sample> {
  const subjectBefore = cpuSecondsOfTree(subject.process.pid);
  const upstreamBefore = cpuSecondsOfTree(upstream.pid);
  const busyBefore = busySecondsOfCore(cores.subject);
  const load = await subject.load(subject.port, connections, seconds);
  return {
    subject: subject.name,
    round,
    load,
    subjectCpuSeconds: cpuSecondsOfTree(subject.process.pid) - subjectBefore,
    upstreamCpuSeconds: cpuSecondsOfTree(upstream.pid) - upstreamBefore,
    subjectCoreBusySeconds: busySecondsOfCore(cores.subject) - busyBefore,
  };
}

function measuredSeconds(isNode: boolean, { seconds }: Options): number {
  return isNode ? seconds : Math.ceil(seconds / 2);
}

function plannedMs({ rounds, seconds, warmupSeconds, subjects }: Options): number {
  return (rounds * seconds + warmupSeconds) * subjects.length * 1000;
}

function progress(text: string): void {
  console.error(text);
}

function save(text: string): void {
  const directory = join(import.meta.dirname, 'results');
  mkdirSync(directory, { recursive: true });
  const file = join(directory, `${new Date().toISOString().slice(0, 10)}.txt`);
  writeFileSync(file, `${text}\n`);
  progress(`wrote ${file}`);
}

let givenUp = false;

function giveUp(reason: string, exitCode: number): void {
  if (givenUp) return;
  givenUp = true;
  console.error(reason);
  void endAll().finally(() => process.exit(exitCode));
}

main().catch((error: Error) => {
  if (givenUp) return; // it failed because everything under it was ended
  console.error(`bench failed: ${error.message}`);
  process.exit(1);
});
