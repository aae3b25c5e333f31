// The table of docs/operations.md, "Scaling": made from a saved run of bench/scaling.ts and nothing else.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export const SCALING_RESULT: string = join(import.meta.dirname, '../../bench/results/scaling.json');

interface Rate {
  readonly perSecond: number;
  readonly medianMs: number;
}

/** One concurrency, with and without relays. */
export interface ScalingRow {
  readonly relays: number;
  readonly concurrency: number;
  readonly api: Rate;
  readonly relay: Rate;
}

/** A run. */
export interface ScalingResult {
  readonly date: string;
  readonly thinkMs: number;
  readonly machine: {
    readonly cpu: string;
    readonly cores: number;
    readonly node: string;
    readonly loadBefore: number;
  };
  readonly rows: readonly ScalingRow[];
}

/** Above this load average the machine had other work. */
const QUIET_LOAD = 0.5;

/** Markdown: the machine, then a row per measurement. */
export function scalingTable({ date, thinkMs, machine, rows }: ScalingResult): string {
  const { cpu, cores, node, loadBefore } = machine;
  const lines = rows.map(({ relays, concurrency, api, relay }) => {
    const share = ((100 * relay.perSecond) / api.perSecond).toFixed(1);
    const extra = (relay.medianMs - api.medianMs).toFixed(1);
    return `| ${relays} | ${concurrency} | ${relay.perSecond} | ${api.perSecond} | ${share} % | ${extra} ms |\n`;
  });
  const busy =
    loadBefore > QUIET_LOAD
      ? '\n\n**The machine had other work during this run: a quiet one gives higher figures.**'
      : '';
  return `
Measured ${date} on ${cpu}, ${cores} cores, Node ${node}, load average before it ${loadBefore.toFixed(1)}; the API responds after
${thinkMs} ms.${busy}

| Relays | Concurrency | Req/s relay | Req/s API alone | Relay % | Extra latency (median) |
|---|---|---|---|---|---|
${lines.join('')}
`;
}

/** The table of the saved run. */
export function savedScalingTable(): string {
  return scalingTable(JSON.parse(readFileSync(SCALING_RESULT, 'utf8')) as ScalingResult);
}
