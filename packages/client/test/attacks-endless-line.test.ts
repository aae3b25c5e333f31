// An event stream whose one line comes in ever more pieces costs what it is long, not its square.
import { expect, test } from 'vitest';
import { EventStreamReader } from '../src/realtime/event-stream.ts';

test('32 MB of one line in pieces of 1 kB are one event', () => {
  const sizes: number[] = [];
  const reader = new EventStreamReader('', ({ data }) => sizes.push(data.length));
  const piece = 'x'.repeat(1_000);
  const beganMs = performance.now();
  reader.push('data:');
  for (let pieces = 0; pieces < 32_000; pieces += 1) reader.push(piece);
  reader.push('\n\n');
  expect(sizes).toEqual([32_000_000]);
  expect(performance.now() - beganMs).toBeLessThan(10_000); // takes milliseconds; a search from the start each time takes minutes
});
