// All cases in one runtime, in order: the vectors with its own provider, then the calls of the fetch cases with its own
// client. Nothing here needs a test framework or Node; what came of the calls is judged elsewhere (fetch/judge.ts).
import type { RelayClient, RelayClientOptions } from '@mte-relay/client';
import { FETCH_CASES } from '../fetch/cases.ts';
import type { FetchCase, Need, Outcome } from '../fetch/format.ts';
import { runFetchCase } from '../fetch/run.ts';
import { runCases } from './case.ts';
import type { Providers } from './fixed-suite.ts';
import { type Vectors, vectorCases } from './vectors.ts';

/** The configuration of a runtime. */
export interface RunConfiguration {
  readonly relayUrl: string;
  readonly pin: string;
  /** The features it has of those that fetch cases need. */
  readonly has: readonly Need[];
}

/** The outcome of one case: a vector's error, or the result of a call. */
export interface CaseReport {
  readonly name: string;
  readonly error?: string;
  readonly outcome?: Outcome;
}

/** The differences between runtimes. */
export interface Runtime {
  readonly vectors: Vectors;
  readonly providers: Providers;
  readonly createRelayClient: (url: string, options: RelayClientOptions) => RelayClient;
}

/** The fetch cases that a runtime can run, each with its place in the list of all. */
export function fetchCasesFor(has: readonly Need[]): { readonly fetchCase: FetchCase; readonly index: number }[] {
  return FETCH_CASES.map((fetchCase, index) => ({ fetchCase, index })).filter(({ fetchCase }) =>
    (fetchCase.needs ?? []).every((need) => has.includes(need)),
  );
}

/** Where the calls of a case begin. */
export function caseUrl(relayUrl: string, index: number): string {
  return `${relayUrl}/case/${index}`;
}

/** Runs everything; `report` receives each case as it ends. */
export async function runConformance(
  { relayUrl, pin, has }: RunConfiguration,
  { vectors, providers, createRelayClient }: Runtime,
  report: (report: CaseReport) => void,
): Promise<void> {
  await runCases(vectorCases(vectors, providers), report);
  const client = createRelayClient(relayUrl, { pins: [pin] });
  for (const { fetchCase, index } of fetchCasesFor(has)) {
    const outcome = await runFetchCase(client.fetch, caseUrl(relayUrl, index), fetchCase);
    report({ name: fetchCase.name, outcome });
  }
  client.close();
}
