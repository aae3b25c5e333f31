// The short form of the soak campaign (`npm run soak`), and the figures that it is decided by.
import { expect, test } from 'vitest';
import { isClean, runSoak } from './campaign.ts';
import { reportOf } from './report.ts';
import type { Sample } from './sample.ts';
import { rowsOf, slopeOf } from './verdict.ts';
import { WEIGHTS } from './work.ts';

const SECONDS = 15;
/** The SDK's and the relay's idle connections have closed by then. */
const REST_MS = 9_000;
const STEADY: Sample = {
  heapMb: 20,
  buffersMb: 1,
  rssMb: 90,
  sockets: 1,
  timers: 0,
  otherHandles: 2,
  fileDescriptors: 25,
};

/** Figures that are out of bounds when a sample during the work, and one at the end, is that. */
function leaks(at: (i: number) => Partial<Sample>, after: Partial<Sample> = {}): string[] {
  const during = Array.from({ length: 12 }, (_, i) => ({ ...STEADY, ...at(i) }));
  const rows = rowsOf({ before: STEADY, during, after: { ...STEADY, ...after } }, 1);
  return rows.filter(({ held }) => !held).map(({ what }) => what);
}

test('relay and client end a mix of everything as they began', async () => {
  const figures = await runSoak({ seconds: SECONDS, restMs: REST_MS, seed: 'short', say: () => undefined });
  expect(isClean(figures, REST_MS), reportOf(figures)).toBe(true);
  expect(Object.keys(figures.done).sort()).toEqual(Object.keys(WEIGHTS).sort());
});

test('memory that rises while the work lasts is a leak, and memory that first settles is not', () => {
  expect(leaks((i) => ({ heapMb: 20 + i * 0.5, buffersMb: 1 + i }))).toEqual(['heapMb', 'buffersMb']);
  expect(leaks((i) => ({ heapMb: i < 4 ? 10 + i * 3 : 22, rssMb: i < 4 ? 60 : 90 }))).toEqual([]);
});

test('what is left at the end is a leak, and what is in use meanwhile is not', () => {
  expect(leaks(() => ({ sockets: 40, timers: 9 }))).toEqual([]);
  const left = { sockets: 4, timers: 3, otherHandles: 5, fileDescriptors: 28 };
  expect(leaks(() => ({}), left)).toEqual(['sockets', 'timers', 'otherHandles', 'fileDescriptors']);
});

test('a slope is that of the straight line through all values', () => {
  expect(slopeOf([1, 3, 5, 7])).toBe(2);
  expect(slopeOf([1, 3, 1, 3, 1])).toBe(0);
  expect(slopeOf([5])).toBe(0);
});
