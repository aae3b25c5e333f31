// The store in Redis against a real redis-server: the behaviours of the memory store, and those of a store that others
// share, read, restart, lose and fill.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Bytes, ReplayWindow } from '@mte-relay/protocol';
import { REDIS_SERVER, type RedisServer, startRedis } from '@mte-relay/testing/redis';
import { TEST_SECRET } from '@mte-relay/testing/settings';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RedisSessionStore, RedisSessionStoreOptions } from '../../src/sessions/redis.ts';
import { NetworkFullError, type Session } from '../../src/sessions/store.ts';
import { created, newSession, openedStore, suite } from '../support/redis-store.ts';

const SHORT = { unconfirmedMs: 400, idleMs: 600, absoluteMs: 2_500, messageLimit: 100 };

let redis: RedisServer;
const opened = (options: Partial<RedisSessionStoreOptions> = {}): Promise<RedisSessionStore> =>
  openedStore(redis.url, options);

/** A ciphertext of a derived key, to compare keys that cannot be exported. */
function sealedWith(session: Pick<Session, 'requestSecret' | 'responseSecret'>): string {
  const seal = (key: Session['requestSecret']): Buffer =>
    Buffer.from(key.expandAead(new Uint8Array(1)).seal(suite.aeadNonce(0), new Uint8Array(0), new Uint8Array(4)));
  return Buffer.concat([seal(session.requestSecret), seal(session.responseSecret)]).toString('hex');
}

describe.skipIf(REDIS_SERVER === undefined)('the session store in Redis (MTE_RELAY_REDIS_SERVER)', () => {
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.remove());

  describe('as every store', () => {
    test('a session is found by any relay, with its secrets, authority, flags and client', async () => {
      const store = await opened({ keyPrefix: 'same:' });
      const other = await opened({ keyPrefix: 'same:' });
      const session = await created(store);
      const found = (await other.find(session.sid)) as Session;
      expect(sealedWith(found)).toBe(sealedWith(session));
      expect(found).toMatchObject({ sid: session.sid, domain: '*', authority: 'relay.example:8443', flags: 1 });
      expect(found).toMatchObject({ clientId: 'the-client', ended: false });
      expect(await other.find(suite.randomBytes(16))).toBeUndefined();
    });

    test('a number is claimed once, whichever relay asks', async () => {
      const store = await opened({ keyPrefix: 'same:' });
      const other = await opened({ keyPrefix: 'same:' });
      const session = await created(store);
      const claims = await Promise.all(
        Array.from({ length: 20 }, (_, i) => (i % 2 ? store : other).claim(session, 7, 'exchange')),
      );
      expect(claims.filter((claim) => claim === 'fresh')).toHaveLength(1);
      expect(claims.filter((claim) => claim === 'seen')).toHaveLength(19);
      expect(await store.claim(session, 7 + 1024, 'exchange')).toBe('fresh');
      expect(await other.claim(session, 7, 'exchange')).toBe('stale');
    });

    test('the sessions of one network are bounded, whichever relay pairs, until they count no more', async () => {
      const options = { keyPrefix: 'networks:', perNetworkMax: 2, lifetimes: SHORT };
      const stores = [await opened(options), await opened(options)] as const;
      const pairFrom = async (network: string, at: 0 | 1) =>
        stores[at].create({ ...newSession(), network }, await stores[at].birth());
      await pairFrom('192.0.2.7', 0);
      await pairFrom('192.0.2.7', 1);
      await expect(pairFrom('192.0.2.7', 0)).rejects.toThrow(NetworkFullError);
      await pairFrom('192.0.2.8', 0);
      expect(String(await redis.command('KEYS', 'networks:*'))).not.toContain('192.0.2');
      await sleep(SHORT.idleMs + 100);
      await pairFrom('192.0.2.7', 1);
    });

    test('a session that no message confirms ends after its short time', async () => {
      const store = await opened({ lifetimes: SHORT });
      const session = await created(store);
      await sleep(500);
      expect(await store.find(session.sid)).toBeUndefined();
      expect(await store.claim(session, 0, 'exchange')).toBe('gone');
    });

    test('an idle session ends, and still accepts cancels until its absolute expiry', async () => {
      const store = await opened({ lifetimes: SHORT });
      const session = await created(store);
      expect(await store.claim(session, 0, 'exchange')).toBe('fresh');
      await sleep(700);
      expect(await store.claim(session, 1, 'exchange')).toBe('gone');
      expect(await store.claim(session, 1, 'cancel')).toBe('fresh');
      expect(await store.claim(session, 0, 'cancel')).toBe('seen');
      expect(await store.claim(session, 2, 'exchange')).toBe('gone'); // a cancel revives nothing
      await sleep(1_900);
      expect(await store.claim(session, 3, 'cancel')).toBe('gone');
      expect(await store.find(session.sid)).toBeUndefined();
    });

    test('a session does not outlive its absolute expiry, however busy', async () => {
      const store = await opened({ lifetimes: { ...SHORT, idleMs: 2_000 } });
      const session = await created(store);
      const claims: string[] = [];
      for (let n = 0; n < 9; n += 1) {
        claims.push(await store.claim(session, n, 'exchange'));
        await sleep(350);
      }
      expect(claims.slice(0, 5)).toEqual(Array(5).fill('fresh'));
      expect(claims.at(-1)).toBe('gone');
    });

    test('a relay’s cache does not let it claim a number of a deleted session', async () => {
      const store = await opened();
      const { sid } = await created(store);
      const held = (await store.find(sid)) as Session;
      await redis.command('FLUSHALL');
      expect(await store.find(sid)).toBe(held);
      expect(await store.claim(held, 0, 'exchange')).toBe('gone');
      expect(await store.find(sid)).toBeUndefined();
    });
  });

  test('the window in Lua decides every claim as ReplayWindow does', async () => {
    const store = await opened();
    const near = fc.integer({ min: 0, max: 4_000 });
    const far = fc.integer({ min: 0, max: 2 ** 20 });
    const any = fc.maxSafeNat();
    const edges = fc.constantFrom(0, 31, 32, 33, 1023, 1024, 1025, 1055, 1056, 1057, 2 ** 32, 2 ** 53 - 1);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof({ weight: 8, arbitrary: near }, far, any, edges), { minLength: 1, maxLength: 60 }),
        async (numbers) => {
          const session = await created(store);
          const window = new ReplayWindow();
          const expected = numbers.map((n) => window.claim(n));
          expect(await Promise.all(numbers.map((n) => store.claim(session, n, 'exchange')))).toEqual(expected);
        },
      ),
      { numRuns: 150 },
    );
  });

  test('claims of one tick reach Redis in one write', async () => {
    const store = await opened();
    const session = await created(store);
    await store.claim(session, 0, 'exchange');
    const reads = async (): Promise<number> =>
      Number(/total_reads_processed:(\d+)/.exec(String(await redis.command('INFO', 'stats')))?.[1]);
    const before = await reads();
    await Promise.all(Array.from({ length: 200 }, (_, n) => store.claim(session, n + 1, 'exchange')));
    // One read of 16 KiB at a time, some for the heartbeat and for asking; 200 if each had a write of its own.
    expect((await reads()) - before).toBeLessThan(20);
  });

  test('the store resends the scripts where Redis does not know them any more', async () => {
    const store = await opened();
    const session = await created(store);
    expect(await store.claim(session, 0, 'exchange')).toBe('fresh');
    await redis.command('SCRIPT', 'FLUSH');
    const claims = await Promise.all([1, 2, 1].map((n) => store.claim(session, n, 'exchange')));
    expect(claims).toEqual(['fresh', 'fresh', 'seen']);
  });

  describe('at rest', () => {
    test('a dump of Redis shows no secret, neither as bytes nor as text', async () => {
      const store = await opened();
      const session = newSession();
      await store.create(session, await store.birth());
      await store.claim({ ...session, ended: false }, 0, 'exchange');
      await redis.command('SAVE');
      const dump = readFileSync(join(redis.folder, 'dump.rdb'));
      expect(dump.includes(Buffer.from(session.sid).toString('base64url'))).toBe(true);
      const secrets = [session.raw.request, session.raw.response, Buffer.from(TEST_SECRET), Buffer.from('the-client')];
      for (const secret of secrets) {
        for (const form of [secret, secret.toString('hex'), secret.toString('base64'), secret.toString('base64url')]) {
          expect(dump.includes(form)).toBe(false);
        }
      }
    });

    test('both secrets of a rotation open a record, the newest seals, another opens none', async () => {
      const OTHER = 'q7GkNsVbJ2mXwY4tRzP9cLfHdA6eKu31';
      const keyPrefix = 'rotated:';
      const before = await opened({ keyPrefix, secrets: new Map([['*', [TEST_SECRET]]]) });
      const during = await opened({ keyPrefix, secrets: new Map([['*', [OTHER, TEST_SECRET]]]) });
      const after = await opened({ keyPrefix, secrets: new Map([['*', [OTHER]]]) });
      const old = await created(before);
      const young = await created(during);
      expect(await during.find(old.sid)).toBeDefined();
      expect(await after.find(old.sid)).toBeUndefined();
      expect(await before.find(young.sid)).toBeUndefined();
      expect(await after.find(young.sid)).toBeDefined();
    });

    test('a record that was moved to another session, expiry or domain does not open', async () => {
      const keyPrefix = 'moved:';
      const secrets = new Map([
        ['a.example', [TEST_SECRET]],
        ['*', [TEST_SECRET]],
      ]);
      const store = await opened({ keyPrefix, secrets });
      const key = (sid: Bytes): string => `${keyPrefix}{${Buffer.from(sid).toString('base64url')}}`;
      const [one, two, three, four] = await Promise.all([1, 2, 3, 4].map(() => created(store)));
      const record = await redis.command('HGET', key((one as Session).sid), 'expiry');
      await redis.command('COPY', key((one as Session).sid), key((two as Session).sid), 'REPLACE');
      await redis.command('HSET', key((three as Session).sid), 'expiry', String(Number(record) + 60_000));
      await redis.command('HSET', key((four as Session).sid), 'domain', 'a.example');
      expect(await store.find((one as Session).sid)).toBeDefined();
      for (const moved of [two, three, four]) expect(await store.find((moved as Session).sid)).toBeUndefined();
    });
  });

  test('a relay keeps the secrets of a bounded number of sessions at hand', async () => {
    const store = await opened({ sessionsCachedMax: 3 });
    for (let i = 0; i < 8; i += 1) expect(await store.find((await created(store)).sid)).toBeDefined();
    expect(store.cached).toBe(3);
  });
});
