// The calls of client-calls.json with the client of apps, against an intermediary over real sockets; and what the vectors
// themselves must hold, so that they are safe to follow.
import { beforeAll, describe, expect, test } from 'vitest';
import { stateVectors } from './providers.ts';
import { expectSame } from './run/case.ts';
import { playCase } from './states/client.ts';
import type { Played } from './twin/client.ts';

const calls = stateVectors['client-calls'];
/** Calls at once: most of their time is pauses. */
const CALLS_AT_ONCE = 16;
const CALL_MAX_MS = 60_000;
const IDEMPOTENT = ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'];
const SAFE = ['GET', 'HEAD', 'OPTIONS'];

describe('client-calls', () => {
  const played = new Map<string, PromiseSettledResult<Played>>();
  const waiting = [...calls.cases];
  const work = async (): Promise<void> => {
    for (let one = waiting.shift(); one; one = waiting.shift()) {
      const [result] = await Promise.allSettled([within(CALL_MAX_MS, playCase(one))]);
      played.set(one.name, result);
    }
  };
  beforeAll(async () => void (await Promise.all(Array.from({ length: CALLS_AT_ONCE }, work))));

  test.each(calls.cases)('the client: $name', ({ name, sends, end, afterwards, runs }) => {
    const result = played.get(name);
    if (result?.status !== 'fulfilled') throw result?.reason;
    expectSame(result.value, { sends, end, afterwards, runs });
  });

  describe('promise', () => {
    test.each(calls.cases)('$name', ({ call, sends, end, afterwards, runs }) => {
      const hasRunForGood = 'status' in end && end.status === 200;
      if (hasRunForGood) expect(runs).toBeGreaterThanOrEqual(1);
      if (!IDEMPOTENT.includes(call.method)) expect(runs).toBeLessThanOrEqual(1);
      // Unless the call says so, nothing has run.
      const admits = hasRunForGood || !('mayHaveRun' in end) || end.mayHaveRun;
      if (!admits) expect(runs).toBe(0);
      if (SAFE.includes(call.method)) expect([...sends, ...afterwards].join()).not.toContain('cancel');
      const numbers = [...sends, ...afterwards].filter((sent) => sent !== 'pair').map((sent) => sent.split(' ')[1]);
      expect(new Set(numbers).size).toBe(numbers.length);
    });
  });

  test('are some hundred, in each way to end', () => {
    const ends = new Set(calls.cases.map(({ end }) => JSON.stringify(end)));
    expect(calls.cases.length).toBeGreaterThan(400);
    expect(ends.size).toBeGreaterThanOrEqual(9);
    expect(new Set(calls.cases.map(({ name }) => name)).size).toBe(calls.cases.length);
  });
});

/** Rejects when the work takes longer. */
async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`not done after ${ms} ms`)), ms);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}
