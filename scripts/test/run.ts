// `npm test`: 1 provides what the tests need from outside and builds, 2 runs the tests, 3 prints how many conformance cases
// hold in each runtime, how long each step took, and the counts as the last line, exactly "N passed, N failed, N skipped".
// Arguments go to the runner: `npm test -- packages/protocol` installs only what the tests of that folder need.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { IMAGE_TOOLS, TOOLS, type ToolName } from '@mte-relay/testing/tools';
import { conformanceLine, type TestResult } from './conformance-line.ts';
import { needsSidePackages, testFiles, toolsOf } from './needs.ts';
import { provideTools } from './provide.ts';

const root = join(import.meta.dirname, '../..');

/** The used part of the runner's JSON report. */
interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: ReadonlyArray<{
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly TestResult[];
  }>;
}

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** How many conformance cases pass in each runtime that ran. */
  readonly conformance: string | undefined;
}

const RUNNER_ARGS = ['--project=!expo', ...process.argv.slice(2)];
/** Seconds of each step. */
const took = { installing: 0, building: 0, testing: 0 };
let toolPaths: Readonly<Record<string, string>> = {};

const counts = await testAll().catch((error: Error) => console.error(error.message));
process.exitCode = counts && counts.failed === 0 && counts.passed > 0 ? 0 : 1;
if (counts?.conformance) console.log(counts.conformance);
console.log(
  Object.entries(took)
    .map(([what, seconds]) => `${what} ${seconds.toFixed(1)} s`)
    .join(', '),
);
const { passed, failed, skipped } = counts ?? { passed: 0, failed: 0, skipped: 0 };
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);

async function testAll(): Promise<Counts> {
  const files = await testFiles(RUNNER_ARGS);
  if (files.length === 0) throw new Error(`No test file is named by ${RUNNER_ARGS.slice(1).join(' ')}`);
  const installing = (await needsSidePackages(files).catch(() => true)) ? startInstalling() : undefined;
  toolPaths = await during('installing', async () => provideTools(await toolsOrAll(files)));
  const built = await during('building', () => run('npm', ['run', '--silent', 'build']) === 0);
  // When it failed, the tests that need it try again and name the fault.
  if (installing?.exitCode === null) await during('installing', () => once(installing, 'exit'));
  if (!built) throw new Error('The build failed: no test ran.');
  return await during('testing', runTests);
}

async function during<T>(what: keyof typeof took, work: () => T | Promise<T>): Promise<T> {
  const beganMs = performance.now();
  try {
    return await work();
  } finally {
    took[what] += (performance.now() - beganMs) / 1_000;
  }
}

/** Every program where an import cannot be followed: that file fails when it runs, and the others run as usual. */
async function toolsOrAll(files: readonly string[]): Promise<readonly ToolName[]> {
  const all = (Object.keys(TOOLS) as ToolName[]).filter((name) => !IMAGE_TOOLS.includes(name));
  return await toolsOf(files).catch(() => all);
}

function startInstalling(): ChildProcess {
  return spawn(process.execPath, [join(import.meta.dirname, 'side-packages.ts')], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
}

function runTests(): Counts {
  const folder = mkdtempSync(join(tmpdir(), 'mte-relay-test-'));
  try {
    const reportPath = join(folder, 'report.json');
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${reportPath}`];
    const status = run('vitest', ['run', ...reporters, ...RUNNER_ARGS]);
    if (!existsSync(reportPath)) throw new Error(`The runner ended with ${status} and left no report.`);
    return countsOf(JSON.parse(readFileSync(reportPath, 'utf8')) as Report, status);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function countsOf(report: Report, status: number): Counts {
  const skipped = report.numPendingTests + report.numTodoTests;
  const failed = report.numFailedTests + filesFailedAsAWhole(report);
  // An error outside every test fails the run without failing a test; it has to show in the counts.
  return {
    passed: report.numPassedTests,
    failed: status !== 0 && failed === 0 ? 1 : failed,
    skipped,
    conformance: conformanceLine(report.testResults.flatMap((file) => file.assertionResults)),
  };
}

/** Files that failed although none of their tests did: they did not load, or a hook failed. */
function filesFailedAsAWhole(report: Report): number {
  return report.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((result) => result.status === 'failed'),
  ).length;
}

function run(command: string, args: readonly string[]): number {
  const path = [join(root, 'node_modules', '.bin'), process.env['PATH'] ?? ''].join(delimiter);
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...toolPaths, PATH: path },
  });
  if (error) console.error(error.message);
  return status ?? 1;
}
