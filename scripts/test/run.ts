// `npm test`: 1 provides the system's programs and builds, with the packages of the runtimes being installed meanwhile,
// 2 runs every test, 3 prints how many conformance cases hold in each runtime, and the counts as the last line, exactly
// "N passed, N failed, N skipped". Arguments go to the runner: `npm test -- packages/protocol`.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { conformanceLine, type TestResult } from './conformance-line.ts';
import { provideTools } from './provide.ts';
import { TOOLS, type ToolName } from './tools.ts';

const root = join(import.meta.dirname, '../..');

/** What is used of the runner's JSON report. */
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
  /** How many conformance cases hold in each runtime that ran. */
  readonly conformance: string | undefined;
}

const runnerArgs = process.argv.slice(2);
// Not where only some tests are asked for: those that need them install them.
const installing = runnerArgs.length === 0 ? startInstalling() : undefined;
const toolPaths = provideTools((Object.keys(TOOLS) as ToolName[]).filter((name) => !/buildah|debootstrap/.test(name)));
const folder = mkdtempSync(join(tmpdir(), 'mte-relay-test-'));
let counts: Counts | undefined;
try {
  const built = run('npm', ['run', '--silent', 'build']) === 0;
  if (!built) console.error('The build failed: no test ran.');
  // When it failed, the tests that need it try again and say what is wrong.
  if (installing && installing.exitCode === null) await once(installing, 'exit');
  counts = built ? runTests(join(folder, 'report.json')) : undefined;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = counts && counts.failed === 0 && counts.passed > 0 ? 0 : 1;
if (counts?.conformance) console.log(counts.conformance);
const { passed, failed, skipped } = counts ?? { passed: 0, failed: 0, skipped: 0 };
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);

function startInstalling(): ChildProcess {
  return spawn(process.execPath, [join(import.meta.dirname, 'side-packages.ts')], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
}

function runTests(reportPath: string): Counts | undefined {
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${reportPath}`];
  const status = run('vitest', ['run', '--project=!expo', ...reporters, ...runnerArgs]);
  if (!existsSync(reportPath)) {
    console.error(`The runner ended with ${status} and left no report.`);
    return undefined;
  }
  const report = JSON.parse(readFileSync(reportPath, 'utf8')) as Report;
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
