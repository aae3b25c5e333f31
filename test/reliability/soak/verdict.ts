// Whether a process ends a soak campaign as it began: the bounds, and the figures that they are held against.
import type { SoakRow } from '../../../scripts/docs/reliability-tables.ts';
import type { Sample } from './sample.ts';

/** Samples of one process: before any work, after each piece of it, and when what was kept for reuse has been closed. */
export interface Samples {
  readonly before: Sample;
  readonly during: readonly Sample[];
  readonly after: Sample;
}

/** Connections and timers that are kept for a while may be one or two more. */
const HANDLES_MORE_MAX = 2;
/** Growth over the last two thirds that is not a leak: compiled code, caches, MB. */
const GROWTH_MAX_MB = { heapMb: 3, buffersMb: 3, rssMb: 64 } as const;
/** Until then resident memory rises with the heap's first sizes: what is left of it at the end decides alone. */
const WARM_AFTER_MINUTES = 5;

/** A row per figure. @param minutes from the first to the last of the samples during the work */
export function rowsOf({ before, during, after }: Samples, minutes: number): SoakRow[] {
  const settledAt = Math.floor(during.length / 3);
  const settled = during[settledAt] as Sample;
  const rows: SoakRow[] = [];
  for (const key of ['heapMb', 'buffersMb', 'rssMb'] as const) {
    const values = during.slice(settledAt).map((sample) => sample[key]);
    const perMinute = slopeOf(values) / (minutes / (during.length - 1));
    const warmsUp = key === 'rssMb' && minutes < WARM_AFTER_MINUTES;
    const growth = warmsUp ? 0 : slopeOf(values) * (values.length - 1);
    const most = settled[key] + GROWTH_MAX_MB[key];
    const held = growth <= GROWTH_MAX_MB[key] && after[key] <= most;
    rows.push({ what: key, before: before[key], settled: settled[key], after: after[key], perMinute, most, held });
  }
  for (const key of ['sockets', 'timers', 'otherHandles', 'fileDescriptors'] as const) {
    const most = before[key] + HANDLES_MORE_MAX;
    const held = after[key] <= most;
    const common = { before: before[key], settled: settled[key], after: after[key] };
    rows.push({ what: key, ...common, perMinute: undefined, most, held });
  }
  return rows;
}

/** Of the straight line through the values (least squares), per value. */
export function slopeOf(values: readonly number[]): number {
  const meanX = (values.length - 1) / 2;
  const meanY = values.reduce((sum, value) => sum + value, 0) / values.length;
  let [products, squares] = [0, 0];
  for (const [x, y] of values.entries()) {
    products += (x - meanX) * (y - meanY);
    squares += (x - meanX) ** 2;
  }
  return squares === 0 ? 0 : products / squares;
}
