// Calls beyond the 512 that a session has in flight wait for room. Each of them settles, whatever becomes of the session:
// it is replaced, wears out, cannot be replaced, or the client closes.
import { RelayClientError } from '@mte-relay/client';
import { refusal } from '@mte-relay/testing/mini-relay';
import { never } from '@mte-relay/testing/pieces';
import { sdkStage } from '@mte-relay/testing/sdk-client';
import { afterEach, expect, test, vi } from 'vitest';
import { setUp } from './support/setup.ts';

afterEach(() => vi.restoreAllMocks());

const CALLS = 2_001;

/** How many settle, by status or code. A call that never settles is missing. */
function counted(calls: readonly Promise<Response>[]): Map<string, number> {
  const counts = new Map<string, number>();
  const count = (as: string): void => void counts.set(as, (counts.get(as) ?? 0) + 1);
  for (const call of calls) {
    call.then(
      async (response) => {
        await response.text();
        count(`${response.status}`);
      },
      (error: unknown) => count(error instanceof RelayClientError ? error.code : `${error}`),
    );
  }
  return counts;
}

const waitForAll = { timeout: 90_000, interval: 50 };

test('2,001 calls, and the session is replaced in the middle, twice', async () => {
  let seen = 0;
  const { client } = await sdkStage(
    async (req, res) => {
      req.resume();
      seen += 1;
      if (seen === 300 || seen === 1_000) void client.pair();
      setTimeout(() => res.end('ok'), 20);
    },
    { environment: { MAX_EXCHANGES: '2048' } },
  );
  const counts = counted(Array.from({ length: CALLS }, () => client.fetch('/')));
  await expect.poll(() => Object.fromEntries(counts), waitForAll).toEqual({ 200: CALLS });
});

test('2,001 calls, and the message numbers run out several times', async () => {
  const { relay, client } = await setUp();
  relay.parameters = { messageLimit: 600 };
  const counts = counted(Array.from({ length: CALLS }, () => client.fetch('/')));
  await expect.poll(() => Object.fromEntries(counts), waitForAll).toEqual({ 200: CALLS });
});

test('2,001 calls, and the lifetime ends meanwhile', async () => {
  const { relay, client } = await setUp();
  relay.parameters = { lifetimeMs: 60_000 };
  const realNow = Date.now;
  let passedMs = 0;
  vi.spyOn(Date, 'now').mockImplementation(() => realNow() + passedMs);
  relay.upstream = async () => {
    if (relay.ran.length === 400 || relay.ran.length === 1_200) passedMs += 50_000;
    await new Promise((resolve) => setTimeout(resolve, 5));
    return {};
  };
  const counts = counted(Array.from({ length: CALLS }, () => client.fetch('/')));
  await expect.poll(() => Object.fromEntries(counts), waitForAll).toEqual({ 200: CALLS });
  expect(relay.count('/api/mte-pair')).toBe(3);
});

test('one slow call holds the window of the session, and 2,000 others pass it', async () => {
  const { relay, client } = await setUp();
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  relay.upstream = async ({ path }) => {
    if (path === '/slow') await gate;
    return {};
  };
  const slow = client.fetch('/slow');
  const counts = counted(Array.from({ length: CALLS - 1 }, () => client.fetch('/')));
  await expect.poll(() => Object.fromEntries(counts), waitForAll).toEqual({ 200: CALLS - 1 });
  open();
  expect((await slow).status).toBe(200);
});

test('512 calls that get no response do not hold up the next one for ever', async () => {
  const { relay, client } = await setUp();
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  relay.upstream = async ({ path }) => {
    if (path === '/slow') await gate;
    return {};
  };
  const counts = counted(Array.from({ length: 512 }, () => client.fetch('/slow')));
  await expect.poll(() => relay.ran.length, waitForAll).toBe(512);
  expect((await client.fetch('/')).status).toBe(200);
  expect(relay.count('/api/mte-pair')).toBe(2);
  open();
  await expect.poll(() => Object.fromEntries(counts), waitForAll).toEqual({ 200: 512 });
});

test('waiters that are aborted at any moment leave their turn to others', async () => {
  const { relay, client } = await setUp();
  const aborts: AbortController[] = [];
  relay.upstream = async () => {
    setTimeout(() => aborts.pop()?.abort());
    return {};
  };
  const calls = Array.from({ length: CALLS }, (_, i) => {
    if (i < 512 || i % 2 === 0) return client.fetch('/');
    const abort = new AbortController();
    aborts.unshift(abort);
    return client.fetch('/', { signal: abort.signal });
  });
  const counts = counted(calls);
  const settled = (): number => [...counts.values()].reduce((sum, count) => sum + count, 0);
  await expect.poll(settled, waitForAll).toBe(CALLS);
  expect([...counts.keys()].sort()).toEqual(['200', 'AbortError: This operation was aborted']);
});

test('a session that cannot be replaced fails all of its waiters', async () => {
  const { relay, client } = await setUp();
  relay.parameters = { messageLimit: 540 };
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  relay.upstream = async () => {
    await gate;
    return {};
  };
  const counts = counted(Array.from({ length: CALLS }, () => client.fetch('/')));
  await expect.poll(() => relay.ran.length, waitForAll).toBe(512);
  relay.intermediary = async (call) => (call.path === '/api/mte-pair' ? refusal('unavailable') : call.forward());
  open();
  await expect.poll(() => Object.fromEntries(counts), waitForAll).toEqual({ 200: 513, 'relay-refused': CALLS - 513 });
});

test('close() rejects calls that wait and calls that were sent', async () => {
  const { relay, client } = await setUp();
  relay.upstream = () => never();
  const errors: RelayClientError[] = [];
  for (let i = 0; i < CALLS; i += 1) void client.fetch('/').catch((error) => errors.push(error));
  await expect.poll(() => relay.ran.length, waitForAll).toBe(512);
  client.close();
  await expect.poll(() => errors.length, waitForAll).toBe(CALLS);
  expect(new Set(errors.map(({ code }) => code))).toEqual(new Set(['closed']));
  expect(errors.filter(({ mayHaveRun }) => mayHaveRun).length).toBe(512);
});

test('close() rejects calls that share a pairing without response, and pair() itself', async () => {
  const { relay, client } = await setUp();
  relay.intermediary = () => never();
  const calls = [client.pair(), ...Array.from({ length: 20 }, () => client.fetch('/'))];
  await expect.poll(() => relay.outer.length).toBe(1);
  client.close();
  for (const call of calls) await expect(call).rejects.toMatchObject({ code: 'closed', mayHaveRun: false });
});

test('a pairing times out even if the fetch that it was given ignores its signal', async () => {
  const { client } = await setUp({ pairingTimeoutMs: 200, fetch: () => never() });
  await expect(client.fetch('/')).rejects.toMatchObject({ code: 'unreachable' });
});
