// Runs the conformance cases in a runtime and makes a test of each, by the list that this process has: a case that the
// runtime left out fails. `npm test` counts them by the name of the runtime.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { relayTo } from '@mte-relay/testing/relay';
import { describe, expect, test } from 'vitest';
import { type RequestSeen, startCaseBackend } from '../../../conformance/fetch/backend.ts';
import { FETCH_CASES } from '../../../conformance/fetch/cases.ts';
import type { FetchCase } from '../../../conformance/fetch/format.ts';
import { differences } from '../../../conformance/fetch/judge.ts';
import { providerSets, vectors } from '../../../conformance/providers.ts';
import {
  type CaseReport,
  caseUrl,
  fetchCasesFor,
  type RunConfiguration,
} from '../../../conformance/run/conformance.ts';
import type { Providers } from '../../../conformance/run/fixed-suite.ts';
import { vectorCases } from '../../../conformance/run/vectors.ts';
import type { RuntimeFacts } from '../../../conformance/runtimes.ts';

export const ROOT = join(import.meta.dirname, '../../..');
const RUN_TIMEOUT_MS = 240_000;

/** The outcomes of a runtime, with the requests that the backend saw, by the name of the case. */
export interface RuntimeRun {
  readonly relayUrl: string;
  readonly reports: readonly CaseReport[];
  readonly seen: (index: number) => readonly RequestSeen[];
}

/** Called at the top of a test file, so that every case is a test. @param run runs every case. */
export async function conformanceIn({ name, has }: RuntimeFacts, run: () => Promise<RuntimeRun>): Promise<void> {
  const { relayUrl, reports, seen } = await run();
  const byName = new Map(reports.map((report) => [report.name, report]));
  const vectorNames = vectorCases(vectors, providerSets[0] as Providers).map((one) => one.name);
  const calls = fetchCasesFor(has);
  const reportOf = (caseName: string): CaseReport => {
    const report = byName.get(caseName);
    if (!report) throw new Error(`${name} did not run this case`);
    return report;
  };

  describe(`conformance in ${name}`, () => {
    test.each(vectorNames)('vector: %s', (caseName) => {
      expect(reportOf(caseName).error).toBeUndefined();
    });

    test.each(calls.map((call) => ({ name: call.fetchCase.name, ...call })))(
      'fetch: $name',
      async ({ fetchCase, index }) => {
        const { outcome = {} } = reportOf(fetchCase.name);
        expect(await differences(fetchCase, caseUrl(relayUrl, index), outcome, seen(index))).toEqual([]);
      },
    );

    test('no case is left out but for what the runtime lacks', () => {
      expect(byName.size).toBe(vectorNames.length + calls.length);
      const lacking = (fetchCase: FetchCase): boolean => (fetchCase.needs ?? []).some((need) => !has.includes(need));
      expect(FETCH_CASES.filter(lacking).length).toBe(FETCH_CASES.length - calls.length);
    });
  });
}

/**
 * Runs the cases against a real relay in front of the cases' backend.
 * @param origin of the page that calls, where there is one.
 */
export async function overSockets(
  { has }: RuntimeFacts,
  run: (configuration: RunConfiguration) => Promise<CaseReport[]>,
  origin = 'http://localhost:1',
): Promise<RuntimeRun> {
  const backend = await startCaseBackend(FETCH_CASES);
  const relay = relayTo(backend.url, {
    CORS_ORIGINS: origin,
    CORS_METHODS: 'GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS',
  });
  try {
    const relayUrl = `http://localhost:${await relay.listen(0)}`;
    const reports = await run({ relayUrl, pin: relay.pin, has });
    const seen = FETCH_CASES.map((_, index) => backend.take(index));
    return { relayUrl, reports, seen: (index) => seen[index] ?? [] };
  } finally {
    await relay.close();
    backend.close();
  }
}

/** For runtimes with sockets and files: the file that a command runs. */
export async function byCommand(
  runtime: RuntimeFacts,
  command: string,
  args: readonly string[],
  provider: 'node' | 'webcrypto',
): Promise<RuntimeRun> {
  const entry = 'test/runtimes/entry/server-side.ts';
  return await overSockets(runtime, async (configuration) =>
    reportsIn(await outputOf(command, [...args, entry, provider, JSON.stringify(configuration)])),
  );
}

/** The reports among the lines that a runtime printed. */
export function reportsIn(output: string): CaseReport[] {
  return output
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as CaseReport);
}

interface Surroundings {
  /** From the root. */
  readonly folder?: string;
  /** Besides PATH and HOME. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** The output of a command. Throws with its error output when it fails. */
export async function outputOf(
  command: string,
  args: readonly string[],
  { folder = '.', environment = {} }: Surroundings = {},
): Promise<string> {
  const child = spawn(command, args, {
    cwd: join(ROOT, folder),
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: RUN_TIMEOUT_MS,
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], NO_COLOR: '1', ...environment },
  });
  const printed: Buffer[] = [];
  const complaints: Buffer[] = [];
  child.stdout.on('data', (bytes: Buffer) => printed.push(bytes));
  child.stderr.on('data', (bytes: Buffer) => complaints.push(bytes));
  await once(child, 'close');
  if (child.exitCode !== 0) {
    const end = child.exitCode ?? child.signalCode;
    throw new Error(`${command} ended with ${end}:\n${Buffer.concat(complaints)}\n${Buffer.concat(printed)}`);
  }
  return Buffer.concat(printed).toString();
}
