// Sessions after Redis was restarted, replaced, promoted, split or rolled back: the store never claims a number twice,
// and never vouches for more than is true (docs/decisions/2026-11-22-redis-failover.md).
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '@mte-relay/testing/free-port';
import { REDIS_SERVER, RedisServer, startRedis, WITHOUT_PERSISTENCE } from '@mte-relay/testing/redis';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { until } from '@mte-relay/testing/until';
import { describe, expect, test } from 'vitest';
import { SESSION_LIFETIMES } from '../../src/limits/fixed.ts';
import { StoreUnavailableError } from '../../src/sessions/store.ts';
import { created, openedStore, openStore } from '../support/redis-store.ts';

const SINCE_LONG = String(Date.now() - 24 * 60 * 60_000);

async function startedRedis(...args: string[]): Promise<RedisServer> {
  const redis = endsWithTest(await startRedis(...args));
  return redis;
}

async function startedReplicaOf(master: RedisServer): Promise<RedisServer> {
  const replica = await startedRedis();
  await attach(replica, master);
  return replica;
}

async function attach(replica: RedisServer, master: RedisServer): Promise<void> {
  await replica.command('REPLICAOF', '127.0.0.1', String(master.port));
  await until(async () => String(await replica.command('INFO', 'replication')).includes('master_link_status:up'));
}

describe.skipIf(REDIS_SERVER === undefined)('Redis that is not what it was (MTE_RELAY_REDIS_SERVER)', () => {
  test('a session does not survive a restart that may have lost claims, although its record does', async () => {
    const redis = endsWithTest(await new RedisServer(await freePort(), ['--save', '', '--appendonly', 'yes']).start());
    const store = await openedStore(redis.url);
    const session = await created(store);
    expect(await store.claim(session, 0, 'exchange')).toBe('fresh');
    const before = await store.birth();
    await redis.kill();
    await redis.start();
    await until(() => store.ready);
    expect(await redis.command('DBSIZE')).toBe(2);
    expect(await store.claim(session, 0, 'cancel')).toBe('gone');
    const after = await store.birth();
    expect(after.epochMs).toBeGreaterThan(before.epochMs);
  });

  test('a promoted replica claims nothing for sessions of its master, whose own claims it may lack', async () => {
    const master = await startedRedis();
    const replica = await startedReplicaOf(master);
    const keyPrefix = 'promoted:';
    const here = await openedStore(master.url, { keyPrefix });
    const session = await created(here);
    await here.claim(session, 0, 'exchange');
    await until(async () => (await replica.command('DBSIZE')) === 2);
    await replica.command('REPLICAOF', 'NO', 'ONE');
    const there = await openedStore(replica.url, { keyPrefix });
    expect(await there.find(session.sid)).toBeDefined();
    // Both go on, cut off from each other: the number that one may claim the other never does.
    expect(await there.claim(session, 1, 'exchange')).toBe('gone');
    expect(await here.claim(session, 1, 'exchange')).toBe('fresh');
    expect((await there.birth()).epochMs).toBeGreaterThan((await here.birth()).epochMs);
  });

  test('a master that was demoted, overwritten and promoted again has no session of its first time', async () => {
    const first = await startedRedis();
    const second = await startedReplicaOf(first);
    const keyPrefix = 'again:';
    const store = await openedStore(first.url, { keyPrefix });
    const session = await created(store);
    await store.claim(session, 0, 'exchange');
    await until(async () => (await second.command('DBSIZE')) === 2);
    // Cut off, so that the second misses the next claim.
    await second.command('REPLICAOF', 'NO', 'ONE');
    expect(await store.claim(session, 1, 'exchange')).toBe('fresh');
    await attach(first, second);
    await first.command('REPLICAOF', 'NO', 'ONE');
    const again = await openedStore(first.url, { keyPrefix });
    expect(await again.find(session.sid)).toBeDefined();
    expect(await again.claim(session, 1, 'exchange')).toBe('gone');
  });

  test('the store does not use a replica', async () => {
    const master = await startedRedis();
    const replica = await startedReplicaOf(master);
    const store = openStore(replica.url);
    await sleep(500);
    expect(store.ready).toBe(false);
    await expect(store.birth()).rejects.toBeInstanceOf(StoreUnavailableError); // in the replica’s words, or between two tries
  });

  test('a pairing that spans the replacement of Redis fails', async () => {
    const redis = await startedRedis();
    const store = await openedStore(redis.url);
    const birth = await store.birth();
    await redis.kill();
    await redis.start();
    await until(() => store.ready);
    const session = {
      ...(await created(store)),
      secrets: { request: new Uint8Array(32), response: new Uint8Array(32) },
    };
    await expect(store.create(session, birth)).rejects.toThrow('replaced');
  });

  describe('the time that the store vouches for', () => {
    test('nothing in the first lifetime of a store, when sessions of what was there before may live', async () => {
      const redis = await startedRedis();
      const store = await openedStore(redis.url, { lifetimes: { ...SESSION_LIFETIMES, absoluteMs: 1_000 } });
      const birth = await store.birth();
      expect(birth.epochMs).toBeGreaterThan(0);
      expect(birth.ageMs).toBe(0);
      await until(async () => (await store.birth()).ageMs > 0);
      expect((await store.birth()).epochMs).toBe(birth.epochMs);
    });

    test('a lone server with a past: for the time since its process began', async () => {
      const redis = await startedRedis();
      await redis.command('HSET', 'past:{store}', 'line', 'another', 'epoch', '5', 'since', SINCE_LONG);
      await sleep(2_100);
      const store = await openedStore(redis.url, { keyPrefix: 'past:' });
      const { epochMs, ageMs } = await store.birth();
      expect(Math.abs(Date.now() - ageMs - epochMs)).toBeLessThan(3_000); // against an epoch of long ago
      expect(ageMs).toBeGreaterThan(900);
      expect(ageMs).toBeLessThan(30_000);
    });

    test('a server with replicas: nothing, since an old master may go on beside the new', async () => {
      const master = await startedRedis();
      await startedReplicaOf(master);
      await master.command('HSET', 'ha:{store}', 'line', 'another', 'epoch', '5', 'since', SINCE_LONG);
      const store = await openedStore(master.url, { keyPrefix: 'ha:' });
      expect((await store.birth()).ageMs).toBe(0);
      const line = (await store.birth()) as { line?: string };
      await master.command('HSET', 'ha:{store}', 'line', line.line as string, 'epoch', SINCE_LONG);
      expect((await store.birth()).ageMs).toBe(0);
    });

    test('one that stops without its replicas: for the time since its promotion less what stopping takes', async () => {
      const master = await startedRedis('--min-replicas-to-write', '1');
      await startedReplicaOf(master);
      const keyPrefix = 'fenced:';
      const store = await openedStore(master.url, { keyPrefix });
      const { line } = (await store.birth()) as unknown as { line: string };
      const agoMs = 90_000;
      const epoch = String(Date.now() - agoMs);
      await master.command('HSET', `${keyPrefix}{store}`, 'line', line, 'epoch', epoch, 'since', SINCE_LONG);
      const { ageMs } = await store.birth();
      expect(ageMs).toBeGreaterThan(agoMs - 31_000);
      expect(ageMs).toBeLessThan(agoMs - 20_000);
    });
  });

  describe('a Redis that keeps INFO from scripts, as managed ones do', () => {
    async function withoutInfo(): Promise<RedisServer> {
      const redis = await startedRedis();
      await redis.command('ACL', 'SETUSER', 'default', '-info');
      return redis;
    }

    test('serves, and vouches for nothing', async () => {
      const redis = await withoutInfo();
      const store = await openedStore(redis.url);
      const session = await created(store);
      expect(await store.claim(session, 0, 'exchange')).toBe('fresh');
      expect(await store.claim(session, 0, 'exchange')).toBe('seen');
      expect(await store.birth()).toMatchObject({ bound: false, epochMs: 0, ageMs: 0 });
    });

    test('a lost connection ends every session, for all relays, once', async () => {
      const redis = await withoutInfo();
      const keyPrefix = 'lost:';
      const store = await openedStore(redis.url, { keyPrefix });
      const other = await openedStore(redis.url, { keyPrefix });
      const session = await created(store);
      expect(await other.claim(session, 0, 'exchange')).toBe('fresh');
      const before = (await store.birth()) as { line?: string };
      await redis.command('CLIENT', 'KILL', 'TYPE', 'normal');
      await until(() => !store.ready || !other.ready, 1_000);
      await until(() => store.ready && other.ready);
      expect(await store.claim(session, 1, 'exchange')).toBe('gone');
      const after = (await store.birth()) as { line?: string };
      expect(after.line).not.toBe(before.line);
      expect(await other.birth()).toMatchObject({ line: after.line });
      const young = await created(other);
      expect(await store.claim(young, 0, 'exchange')).toBe('fresh');
    });

    test('a relay that noticed nothing follows within its heartbeat', async () => {
      const redis = await withoutInfo();
      const keyPrefix = 'told:';
      const store = await openedStore(redis.url, { keyPrefix });
      const session = await created(store);
      await redis.command('HINCRBY', `${keyPrefix}{store}`, 'generation', '1');
      await until(async () => (await store.claim(session, 0, 'cancel')) === 'gone', 2_500);
    });
  });

  test('a server started without persistence has forgotten the sessions, and new ones can be made', async () => {
    const redis = endsWithTest(await new RedisServer(await freePort(), WITHOUT_PERSISTENCE).start());
    const store = await openedStore(redis.url);
    const { sid } = await created(store);
    await redis.kill();
    await redis.start();
    await until(() => store.ready);
    expect(await store.find(sid)).toBeUndefined();
    expect(await store.claim(await created(store), 0, 'exchange')).toBe('fresh');
  });
});
