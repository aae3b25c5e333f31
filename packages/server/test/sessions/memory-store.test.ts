import { nodeSuite } from '@mte-relay/protocol/node';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { MemorySessionStore } from '../../src/sessions/memory.ts';
import { type NewSession, StoreFullError } from '../../src/sessions/store.ts';

const suite = nodeSuite();
let store: MemorySessionStore;
let networks = 0;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance', 'Date', 'setInterval', 'clearInterval'] });
  store = new MemorySessionStore({
    sessionsMax: 3,
    soleInstance: true,
    lifetimes: { unconfirmedMs: 30, idleMs: 1_000, absoluteMs: 10_000, messageLimit: 100 },
  });
});

afterEach(() => {
  store.close();
  vi.useRealTimers();
});

function newSession(): NewSession {
  const bytes = suite.randomBytes(32);
  const secret = suite.importExpandKey(bytes);
  return {
    secrets: { request: bytes, response: bytes },
    sid: suite.randomBytes(16),
    requestSecret: secret,
    responseSecret: secret,
    domain: '*',
    authority: 'relay.example:8443',
    flags: 0,
    clientId: 'c',
    network: String(networks++),
  };
}

function created(): NewSession {
  const session = newSession();
  store.create(session);
  return session;
}

test('a session that no message confirms ends after its short time', () => {
  const { sid } = created();
  vi.advanceTimersByTime(31);
  expect(store.find(sid)).toBeUndefined();
});

test('an idle session ends, and still accepts cancels until its absolute expiry', () => {
  const { sid } = created();
  store.claim(store.find(sid) as never, 0, 'exchange');
  vi.advanceTimersByTime(999);
  expect(store.find(sid)?.ended).toBe(false);
  vi.advanceTimersByTime(2);
  const ended = store.find(sid);
  expect(ended?.ended).toBe(true);
  expect(store.claim(ended as never, 1, 'cancel')).toBe('fresh');
  expect(store.claim(ended as never, 0, 'cancel')).toBe('seen');
  expect(store.claim(ended as never, 2, 'exchange')).toBe('gone');
  vi.advanceTimersByTime(9_500);
  expect(store.find(sid)).toBeUndefined();
});

describe('a full store', () => {
  /** A session that a message has confirmed. */
  function inUse(): NewSession {
    const session = created();
    store.claim(store.find(session.sid) as never, 0, 'exchange');
    return session;
  }

  test('drops sessions that have ended, before any that is not confirmed', () => {
    const [ended, other] = [inUse(), inUse()];
    vi.advanceTimersByTime(500);
    store.claim(store.find(other.sid) as never, 1, 'exchange');
    vi.advanceTimersByTime(501);
    const unconfirmed = created();
    created();
    expect([ended, other, unconfirmed].map(({ sid }) => store.find(sid) !== undefined)).toEqual([false, true, true]);
  });

  test('drops the session that waits longest for its first message', () => {
    const [used, oldest, next] = [inUse(), created(), created()];
    created();
    expect([used, oldest, next].map(({ sid }) => store.find(sid) !== undefined)).toEqual([true, false, true]);
    expect(store.size).toBe(3);
  });

  test('of sessions in use refuses one more', () => {
    for (let i = 0; i < 3; i += 1) inUse();
    expect(created).toThrow(StoreFullError);
    vi.advanceTimersByTime(1_001);
    expect(created).not.toThrow();
  });
});

test('a session does not outlive its absolute expiry, however busy', () => {
  const { sid } = created();
  for (let n = 0; n < 12; n += 1) {
    const session = store.find(sid);
    if (session) store.claim(session as never, n, 'exchange');
    vi.advanceTimersByTime(900);
  }
  expect(store.find(sid)).toBeUndefined();
});

test('a session that was dropped can claim nothing', () => {
  const { sid } = created();
  const session = store.find(sid);
  store.claim(session as never, 0, 'exchange');
  vi.advanceTimersByTime(10_001);
  expect(store.find(sid)).toBeUndefined();
  expect(store.claim(session as never, 1, 'exchange')).toBe('gone');
});

test('the store’s age is the time since it began', () => {
  vi.advanceTimersByTime(1_234);
  expect(store.birth().ageMs).toBe(1_234);
});

test('a store beside which others may run vouches for nothing', () => {
  const shared = new MemorySessionStore({ sessionsMax: 1, soleInstance: false });
  expect(shared.birth().epochMs).toBe(0);
  expect(store.birth().epochMs).toBeGreaterThan(0);
  shared.close();
});

test('a full store does not look through all of itself for each pairing that it refuses', () => {
  store.close();
  let looks = 0;
  const lifetimes = {
    idleMs: 60_000,
    unconfirmedMs: 5_000,
    messageLimit: 100,
    get absoluteMs() {
      looks += 1;
      return 60_000;
    },
  };
  store = new MemorySessionStore({ sessionsMax: 1_000, soleInstance: true, lifetimes });
  for (let i = 0; i < 1_000; i += 1) store.claim(store.find(created().sid) as never, 0, 'exchange');
  looks = 0;
  for (let i = 0; i < 100; i += 1) {
    expect(created).toThrow(StoreFullError);
    vi.advanceTimersByTime(1);
  }
  expect(looks).toBeLessThan(20_000); // of 100,000
  vi.advanceTimersByTime(60_000);
  created();
});
