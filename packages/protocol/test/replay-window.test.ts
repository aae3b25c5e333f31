// Each message number is accepted once: the ring of bits against a naive twin that remembers every number.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { IN_FLIGHT_MAX, REPLAY_WINDOW } from '../src/constants.ts';
import { type Claim, ReplayWindow } from '../src/replay-window.ts';

class NaiveWindow {
  readonly #claimed = new Set<number>();
  #top = -1;

  claim(n: number): Claim {
    if (n <= this.#top - REPLAY_WINDOW) return 'stale';
    if (this.#claimed.has(n)) return 'seen';
    this.#claimed.add(n);
    this.#top = Math.max(this.#top, n);
    return 'fresh';
  }
}

function expectTwins(numbers: Iterable<number>): void {
  const window = new ReplayWindow();
  const naive = new NaiveWindow();
  for (const n of numbers) expect(window.claim(n), `claim(${n}), top ${window.top}`).toBe(naive.claim(n));
}

describe('replay window', () => {
  test('it decides as the naive twin for numbers around a moving top', () => {
    // Steps relative to the top: mostly near, at times a whole window or far beyond.
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.integer({ min: -40, max: 40 }) },
      { weight: 3, arbitrary: fc.integer({ min: -1100, max: 1100 }) },
      { weight: 2, arbitrary: fc.constantFrom(-1025, -1024, -1023, -1, 0, 1, 31, 32, 33, 1023, 1024, 1025, 1056) },
      { weight: 1, arbitrary: fc.integer({ min: 0, max: 2 ** 40 }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        let top = 0;
        const numbers: number[] = [];
        for (const by of steps) {
          const n = Math.max(0, top + by);
          numbers.push(n);
          top = Math.max(top, n);
        }
        expectTwins(numbers);
      }),
      { numRuns: 300 },
    );
  });

  test('it decides as the naive twin when everything comes in order, backwards, and twice', () => {
    const forwards = Array.from({ length: 3000 }, (_, n) => n);
    expectTwins(forwards);
    expectTwins([...forwards, ...forwards]);
    expectTwins([...forwards].reverse());
    expectTwins(forwards.map((n) => (n * 389) % 3000));
  });

  test('the last W numbers stay claimable and everything older is stale', () => {
    for (const top of [1024, 1025, 5000, 2 ** 32 + 17, 2 ** 53 - 1]) {
      const window = new ReplayWindow();
      expect(window.claim(top)).toBe('fresh');
      expect(window.top).toBe(top);
      expect(window.claim(top - REPLAY_WINDOW)).toBe('stale');
      expect(window.claim(top - REPLAY_WINDOW + 1)).toBe('fresh');
      expect(window.claim(top - REPLAY_WINDOW + 1)).toBe('seen');
      expect(window.claim(top)).toBe('seen');
      expect(window.top).toBe(top);
    }
  });

  test('as many as a client keeps in flight may arrive in any order', () => {
    fc.assert(
      fc.property(
        fc.shuffledSubarray(
          Array.from({ length: IN_FLIGHT_MAX }, (_, i) => i),
          { minLength: IN_FLIGHT_MAX },
        ),
        fc.nat(1_000_000),
        (order, first) => {
          const window = new ReplayWindow();
          for (const n of order) expect(window.claim(first + n)).toBe('fresh');
          for (const n of order) expect(window.claim(first + n)).toBe('seen');
        },
      ),
      { numRuns: 20 },
    );
  });
});
