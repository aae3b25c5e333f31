// The table of docs/reliability.md, "Fuzzing": made from a saved run of test/fuzz/run.ts and nothing else.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { markdownTable } from './markdown-table.ts';

export const FUZZING_RESULT: string = join(import.meta.dirname, '../../bench/results/fuzzing.json');

interface Cases {
  readonly seconds: number;
  /** Name of a target, and its number of cases. */
  readonly cases: readonly (readonly [name: string, cases: number])[];
}

/** A run. */
export interface FuzzingResult {
  readonly date: string;
  readonly seed: number;
  readonly machine: {
    readonly cpu: string;
    readonly cores: number;
    readonly node: string;
    readonly loadBefore: number;
  };
  readonly parsers: Cases;
  /** Messages to a relay that runs. */
  readonly live: Cases;
  readonly failures: number;
}

/** Markdown: the machine, then a row per target. */
export function fuzzingTable({ date, seed, machine, parsers, live, failures }: FuzzingResult): string {
  const { cpu, cores, node, loadBefore } = machine;
  const totals = [totalOf('parser cases', parsers), totalOf('messages to a running relay', live)];
  const rows = [...parsers.cases, ...live.cases]
    .filter(([, cases]) => cases > 0)
    .map(([name, cases]) => [name, cases.toLocaleString('en')]);
  return `
Measured ${date} on ${cpu}, ${cores} cores, Node ${node}, load average before it ${loadBefore.toFixed(1)}, seed ${seed}:
${totals.join(', ')}; ${failures} failed.

${markdownTable(['Target', 'Cases'], rows)}
`;
}

function totalOf(what: string, { seconds, cases }: Cases): string {
  const total = cases.reduce((sum, [, count]) => sum + count, 0);
  return `${total.toLocaleString('en')} ${what} in ${seconds} s (${Math.round(total / Math.max(1, seconds)).toLocaleString('en')}/s)`;
}

/** The table of the saved run. */
export function savedFuzzingTable(): string {
  return fuzzingTable(JSON.parse(readFileSync(FUZZING_RESULT, 'utf8')) as FuzzingResult);
}
