// `npm run fuzz -- --minutes N [--seed S] [--only NAME] [--save]`: every parser of untrusted bytes in one thread per core for
// a third of the time, then whole exchanges with a relay that runs. Saved cases come first. A failure is printed with the
// command that repeats it, and saved. NAME is `parsers`, `live` or a target; with `--input HEX` a target gets that input alone.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { FUZZING_RESULT, type FuzzingResult, fuzzingTable, type PartResult } from '../../scripts/docs/fuzzing-table.ts';
import { machineOf } from '../reliability/machine.ts';
import { checkCase, type Failure } from './engine/campaign.ts';
import { saveCase, savedCases } from './engine/saved.ts';
import { fromHex } from './engine/target.ts';
import { runThreads } from './engine/threads.ts';
import { LIVE_TARGETS, runLive } from './live/run.ts';
import { TARGETS } from './targets/all.ts';

const MINUTES_DEFAULT = 2;
const SHOWN_MAX_CHARACTERS = 4000;

/** Names of --only beside those of targets. */
const PARTS = ['parsers', 'live'] as const;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: `${MINUTES_DEFAULT}` },
      seed: { type: 'string' },
      only: { type: 'string' },
      input: { type: 'string' },
      save: { type: 'boolean', default: false },
    },
  });
  const { only, input } = values;
  const seed = Number(values.seed ?? globalThis.crypto.getRandomValues(new Uint32Array(1))[0]);
  const ms = Number(values.minutes) * 60_000;
  const names = [...PARTS, ...[...TARGETS, ...LIVE_TARGETS].map(({ name }) => name)];
  if (!Number.isSafeInteger(seed) || !(ms > 0) || (only !== undefined && !names.includes(only))) {
    throw new Error(`expected --minutes N, --seed S as numbers and --only NAME as one of:\n${names.join('\n')}`);
  }
  if (input !== undefined) return report(await repeated(only, fromHex(input)), seed);
  const failures = await checkSaved();
  const machine = machineOf();
  const date = new Date().toISOString().slice(0, 10);
  const result: Partial<Record<(typeof PARTS)[number], PartResult>> = {};
  const keep = (
    part: (typeof PARTS)[number],
    cases: PartResult['cases'],
    found: readonly Failure[],
    took: number,
  ): void => {
    failures.push(...found);
    result[part] = { date, seed, machine, seconds: Math.round(took / 1000), cases, failures: found.length };
  };
  const target = PARTS.some((part) => part === only) ? undefined : only;
  if (only === undefined || only === 'parsers' || TARGETS.some(({ name }) => name === only)) {
    const { counts, failures: found, ms: took } = await runThreads(machine.cores, seed, target, only ? ms : ms / 3);
    keep('parsers', [...counts], found, took);
  }
  if (only === undefined || only === 'live' || LIVE_TARGETS.some(({ name }) => name === only)) {
    const limits = { maxMs: only ? ms : (ms * 2) / 3, messages: Number.POSITIVE_INFINITY };
    const {
      messages,
      failures: found,
      ms: took,
    } = await runLive({ seed, ...limits, only: target, saved: savedCases() });
    keep('live', [...messages], found, took);
  }
  console.log(fuzzingTable(result));
  if (values.save && target === undefined) save(result);
  report(failures, seed);
}

/** Saves the parts that have run. */
function save(result: FuzzingResult): void {
  const before = existsSync(FUZZING_RESULT) ? (JSON.parse(readFileSync(FUZZING_RESULT, 'utf8')) as FuzzingResult) : {};
  writeFileSync(FUZZING_RESULT, `${JSON.stringify({ ...before, ...result }, null, 2)}\n`);
}

/** Saved cases of parsers; those of live targets run with a relay. */
async function checkSaved(): Promise<Failure[]> {
  const failures: Failure[] = [];
  for (const { target: name, input } of savedCases()) failures.push(...(await repeated(name, input)));
  return failures;
}

async function repeated(name: string | undefined, input: Uint8Array): Promise<Failure[]> {
  const target = TARGETS.find((one) => one.name === name);
  const failure = target && (await checkCase(target, new Uint8Array(input)));
  return failure ? [failure] : [];
}

/** Prints and saves what failed, and ends the process. */
function report(failures: readonly Failure[], seed: number): void {
  for (const { target, message, input } of failures) {
    const hex = Buffer.from(input).toString('hex');
    const path = input.length > 0 ? saveCase({ target, input }, message) : 'nothing';
    console.error(`FAILED ${target}, seed ${seed}\n${message}\ninput: ${hex.slice(0, SHOWN_MAX_CHARACTERS)}`);
    const isParser = TARGETS.some(({ name }) => name === target);
    const which = isParser && hex.length < SHOWN_MAX_CHARACTERS ? `--input ${hex}` : `--seed ${seed}`;
    console.error(`saved as: ${path}\nrepeat: npm run fuzz -- --only '${target}' ${which}\n`);
  }
  console.log(`${failures.length} failed; seed ${seed}, thread n with seed + n`);
  process.exit(failures.length === 0 ? 0 : 1);
}

await main();
