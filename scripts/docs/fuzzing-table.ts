// The table of docs/reliability.md, "Fuzzing": made from a saved run of test/fuzz/run.ts and nothing else.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { markdownTable } from './markdown-table.ts';

export const FUZZING_RESULT: string = join(import.meta.dirname, '../../bench/results/fuzzing.json');

/** One part of a run. */
export interface PartResult {
  readonly date: string;
  readonly seed: number;
  readonly machine: {
    readonly cpu: string;
    readonly cores: number;
    readonly node: string;
    readonly loadBefore: number;
  };
  readonly seconds: number;
  /** Name of a target, and its number of cases. */
  readonly cases: readonly (readonly [name: string, cases: number])[];
  readonly failures: number;
}

/** A run; without the parts that were left out. */
export interface FuzzingResult {
  readonly parsers?: PartResult;
  /** Messages to a relay that runs. */
  readonly live?: PartResult;
}

/** Markdown: totals and the machine, then a row per target. */
export function fuzzingTable({ parsers, live }: FuzzingResult): string {
  const totals = [totalOf('parser cases', parsers), totalOf('messages to a running relay', live)];
  const rows = [...(parsers?.cases ?? []), ...(live?.cases ?? [])]
    .filter(([, cases]) => cases > 0)
    .map(([name, cases]) => [name, cases.toLocaleString('en')]);
  return `\n${totals.join('')}\n${markdownTable(['Target', 'Cases'], rows)}\n`;
}

function totalOf(what: string, part: PartResult | undefined): string {
  if (!part) return '';
  const { date, seed, machine, seconds, cases, failures } = part;
  const { cpu, cores, node, loadBefore } = machine;
  const total = cases.reduce((sum, [, count]) => sum + count, 0);
  const rate = Math.round(total / Math.max(1, seconds));
  return `- ${numberText(total)} ${what} in ${numberText(seconds)} s (${numberText(rate)}/s), ${failures} failed: ${date}, seed ${seed},
  ${cpu}, ${cores} cores, Node ${node}, load average before it ${loadBefore.toFixed(1)}
`;
}

function numberText(value: number): string {
  return value.toLocaleString('en');
}

/** The table of the saved run. */
export function savedFuzzingTable(): string {
  return fuzzingTable(JSON.parse(readFileSync(FUZZING_RESULT, 'utf8')) as FuzzingResult);
}
