// The relay does not wait for an operator's store or hook beyond a time limit.
import { MemorySessionStore, type SessionStore, StoreUnavailableError } from '@mte-relay/server';
import { plaintextOf, SealedClient, send } from '@mte-relay/testing/sealed-client';
import { stage } from '@mte-relay/testing/stage';
import { pino } from 'pino';
import { expect, onTestFinished, test, vi } from 'vitest';
import { decide } from '../../src/hooks.ts';
import { STORE_TIMEOUT_MS } from '../../src/limits/fixed.ts';
import { PatientStore } from '../../src/sessions/patient.ts';

const never = (): Promise<never> => new Promise(() => undefined);
const silent: SessionStore = { ready: true, birth: never, create: never, find: never, claim: never, close: never };

test('a session store that never responds is unavailable to each of its methods', async () => {
  const store = new PatientStore(silent, 20);
  const asked = [
    store.birth(),
    store.create({} as never, { epochMs: 0, ageMs: 0, lineage: new Uint8Array(16) }),
    store.find(new Uint8Array(16)),
    store.claim({} as never, 0, 'exchange'),
    store.close(),
  ];
  const results = await Promise.allSettled(asked);
  expect(results.map((result) => result.status)).toEqual(Array(5).fill('rejected'));
  for (const result of results) expect((result as PromiseRejectedResult).reason).toBeInstanceOf(StoreUnavailableError);
});

test('a result that a store has at once stays synchronous, and a later one is a promise, of whatever kind', async () => {
  const memory = new MemorySessionStore({ sessionsMax: 1, soleInstance: true });
  const store = new PatientStore(memory);
  expect(store.birth()).toEqual(memory.birth());
  expect(store).toMatchObject({ ready: true, size: 0 });
  await store.close();
  // biome-ignore lint/suspicious/noThenProperty: a promise of another library is what is tried
  const thenable = { then: (resolve: (value: string) => void) => resolve('fresh') };
  const foreign = new PatientStore({ ...silent, claim: () => thenable as never });
  expect(foreign.claim({} as never, 0, 'exchange')).toBeInstanceOf(Promise);
  expect(await foreign.claim({} as never, 0, 'exchange')).toBe('fresh');
  await expect(
    (async () =>
      new PatientStore({ ...silent, find: () => Promise.reject(new Error('own')) }).find(new Uint8Array()))(),
  ).rejects.toThrow('own');
});

test('a hook that never decides refuses', async () => {
  const decision = await decide(never, {} as never, pino({ level: 'silent' }), 20);
  expect(decision?.head.status).toBe(500);
});

test('a relay whose store no longer responds refuses with 503, and closes', async () => {
  const memory = new MemorySessionStore({ sessionsMax: 1, soleInstance: true });
  let asked: () => void = () => undefined;
  const fallen = new Promise<void>((resolve) => {
    asked = resolve;
  });
  const claim = (): Promise<never> => {
    asked();
    return never();
  };
  const close = (): Promise<never> => Promise.reject(new Error('cannot'));
  const store: SessionStore = {
    ready: true,
    birth: () => memory.birth(),
    create: (session) => memory.create(session),
    find: (sid) => memory.find(sid),
    claim,
    close,
  };
  const { relay, port, seen } = await stage(undefined, { sessions: store });
  const client = await SealedClient.pair(port);
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const { message } = await client.seal(plaintextOf({}));
  const refused = send(port, '/api/mte', { headers: { 'content-type': 'application/mte-relay' }, body: message });
  await fallen;
  vi.advanceTimersByTime(STORE_TIMEOUT_MS);
  expect(await refused).toMatchObject({ status: 503, code: 'unavailable' });
  vi.useRealTimers();
  expect(seen).toHaveLength(0);
  await relay.close();
  await memory.close();
});
