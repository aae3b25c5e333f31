// The figures of a soak campaign as text.
import type { SoakFigures, SoakRow } from '../../../scripts/docs/reliability-tables.ts';

export function reportOf({ minutes, done, failures, relay, client, sessions }: SoakFigures): string {
  const total = Object.values(done).reduce((sum, count) => sum + count, 0);
  return [
    `soak: ${minutes.toFixed(1)} minutes, ${total} pieces of work`,
    ...Object.entries(done).map(([kind, count]) => `  ${String(count).padStart(8)}  ${kind}`),
    ...failures.map((failure) => `! ${failure}`),
    ...linesOf('relay', relay),
    ...linesOf('client', client),
    `sessions at the relay: before ${sessions.before}, paired since ${sessions.paired}, of these used ${sessions.used}, after ${sessions.after}`,
  ].join('\n');
}

function linesOf(name: string, rows: readonly SoakRow[]): string[] {
  const head = `${name.padEnd(18)}${['before', 'settled', 'after', 'at most', 'per minute'].map((cell) => cell.padStart(11)).join('')}`;
  return [
    head,
    ...rows.map(({ what, before, settled, after, most, perMinute, held }) => {
      const cells = [before, settled, after, most, perMinute].map((value) => shown(value).padStart(11));
      return `${held ? ' ' : '!'} ${what.padEnd(16)}${cells.join('')}`;
    }),
  ];
}

function shown(value: number | undefined): string {
  if (value === undefined) return '';
  return Number.isInteger(value) ? String(value) : value.toFixed(2);
}
