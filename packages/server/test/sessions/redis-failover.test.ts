// Sessions after Redis was restarted, replaced, promoted, split or rolled back: the store never claims a number twice,
// and never vouches for more than is true (docs/decisions/2026-11-22-redis-failover.md).
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '@mte-relay/testing/free-port';
import { PERSISTENCE, REDIS_SERVER, RedisServer, startRedis, WITHOUT_PERSISTENCE } from '@mte-relay/testing/redis';
import { TcpForwarder } from '@mte-relay/testing/tcp-forwarder';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { until } from '@mte-relay/testing/until';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { RedisSessionStore } from '../../src/sessions/redis.ts';
import { StoreUnavailableError } from '../../src/sessions/store.ts';
import { created, newSession, openedStore, openStore } from '../support/redis-store.ts';
import { RELAY_USERS, relayUrl, urlWithoutFunctions, urlWithoutInfo } from '../support/redis-users.ts';

/** Of one session: its own, its network's, and that of the store. */
const KEYS = 3;

async function startedRedis(...args: string[]): Promise<RedisServer> {
  const redis = endsWithTest(await startRedis(...RELAY_USERS, ...args));
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
  describe.each([
    ['a Redis that names its line of writes', relayUrl],
    ['a Redis that keeps INFO from scripts, as managed ones do', urlWithoutInfo],
  ])('%s', (_name, urlOf) => {
    test('a session does not survive a restart that may have lost claims, although its record does', async () => {
      const redis = endsWithTest(await new RedisServer(await freePort(), [...RELAY_USERS, ...PERSISTENCE]).start());
      const store = await openedStore(urlOf(redis));
      const session = await created(store);
      expect(await store.claim(session, 0, 'exchange')).toBe('fresh');
      await redis.kill();
      await redis.start();
      await until(() => store.ready);
      expect(await redis.command('DBSIZE')).toBe(KEYS);
      expect(await store.claim(session, 0, 'cancel')).toBe('gone');
    });

    test('a promoted replica claims nothing for sessions of its master, whose own claims it may lack', async () => {
      const master = await startedRedis();
      const replica = await startedReplicaOf(master);
      const keyPrefix = 'promoted:';
      const here = await openedStore(urlOf(master), { keyPrefix });
      const session = await created(here);
      await here.claim(session, 0, 'exchange');
      await until(async () => (await replica.command('DBSIZE')) === KEYS);
      await replica.command('REPLICAOF', 'NO', 'ONE');
      const there = await openedStore(urlOf(replica), { keyPrefix });
      expect(await there.find(session.sid)).toBeDefined();
      // Both go on, cut off from each other: the number that one may claim the other never does.
      expect(await there.claim(session, 1, 'exchange')).toBe('gone');
      expect(await here.claim(session, 1, 'exchange')).toBe('fresh');
    });

    test('a master that was demoted, overwritten and promoted again has no session of its first time', async () => {
      const first = await startedRedis();
      const second = await startedReplicaOf(first);
      const keyPrefix = 'again:';
      const store = await openedStore(urlOf(first), { keyPrefix });
      const session = await created(store);
      await store.claim(session, 0, 'exchange');
      await until(async () => (await second.command('DBSIZE')) === KEYS);
      // Cut off, so that the second misses the next claim.
      await second.command('REPLICAOF', 'NO', 'ONE');
      expect(await store.claim(session, 1, 'exchange')).toBe('fresh');
      await attach(first, second);
      await first.command('REPLICAOF', 'NO', 'ONE');
      const again = await openedStore(urlOf(first), { keyPrefix });
      expect(await again.find(session.sid)).toBeDefined();
      expect(await again.claim(session, 1, 'exchange')).toBe('gone');
    });

    test('the store does not use a replica', async () => {
      const master = await startedRedis();
      const replica = await startedReplicaOf(master);
      const store = openStore(urlOf(replica));
      await sleep(500);
      expect(store.ready).toBe(false);
      await expect(store.birth()).rejects.toBeInstanceOf(StoreUnavailableError); // in the replica’s words, or between two tries
    });

    test('a server started without persistence has forgotten the sessions, and new ones can be made', async () => {
      const redis = endsWithTest(
        await new RedisServer(await freePort(), [...RELAY_USERS, ...WITHOUT_PERSISTENCE]).start(),
      );
      const store = await openedStore(urlOf(redis));
      const { sid } = await created(store);
      await redis.kill();
      await redis.start();
      await until(() => store.ready);
      expect(await store.find(sid)).toBeUndefined();
      expect(await store.claim(await created(store), 0, 'exchange')).toBe('fresh');
    });

    test('a lost connection of one relay ends no session', async () => {
      const redis = await startedRedis();
      const wire = endsWithTest(await new TcpForwarder(() => redis.port).start());
      const keyPrefix = 'lost:';
      const store = await openedStore(urlOf(redis), { keyPrefix });
      const other = await openedStore(urlOf(wire), { keyPrefix });
      const sessions = await Promise.all(Array.from({ length: 20 }, () => created(store)));
      for (const session of sessions) expect(await store.claim(session, 0, 'exchange')).toBe('fresh');
      wire.reset();
      await until(() => !other.ready, 5_000);
      await until(() => other.ready);
      for (const session of sessions) {
        expect(await store.claim(session, 1, 'exchange')).toBe('fresh');
        expect(await other.claim(session, 1, 'cancel')).toBe('seen');
        expect(await other.claim(session, 2, 'cancel')).toBe('fresh');
      }
    });
  });

  describe('what the store vouches for', () => {
    test('one lineage, across restarts with its data and for every relay, and another one without', async () => {
      const redis = endsWithTest(await new RedisServer(await freePort(), PERSISTENCE).start());
      const keyPrefix = 'lineage:';
      const store = await openedStore(redis.url, { keyPrefix });
      const before = await store.birth();
      expect(before.lineage).toHaveLength(16);
      expect(before.epochMs).toBeGreaterThan(0);
      await redis.kill();
      await redis.start();
      await until(() => store.ready);
      const after = await store.birth();
      expect(after.lineage).toEqual(before.lineage);
      expect(after.epochMs).toBeGreaterThan(before.epochMs);
      expect((await (await openedStore(redis.url, { keyPrefix })).birth()).lineage).toEqual(before.lineage);
      await redis.command('FLUSHALL');
      expect((await store.birth()).lineage).toEqual((await store.birth()).lineage);
      expect((await store.birth()).lineage).not.toEqual(before.lineage);
    });

    test('a pairing that spans the replacement of Redis fails', async () => {
      const redis = await startedRedis();
      const store = await openedStore(redis.url);
      const birth = await store.birth();
      await redis.kill();
      await redis.start();
      await until(() => store.ready);
      const session = {
        ...newSession(),
        secrets: { request: new Uint8Array(32), response: new Uint8Array(32) },
      };
      await expect(store.create(session, birth)).rejects.toThrow('replaced');
    });

    test('a promoted replica continues the lineage of its master, with a newer epoch', async () => {
      const master = await startedRedis();
      const replica = await startedReplicaOf(master);
      const keyPrefix = 'heir:';
      const here = await openedStore(master.url, { keyPrefix });
      const before = await here.birth();
      await until(async () => (await replica.command('DBSIZE')) === 1);
      await replica.command('REPLICAOF', 'NO', 'ONE');
      const there = await openedStore(replica.url, { keyPrefix });
      const after = await there.birth();
      expect(after.epochMs).toBeGreaterThan(before.epochMs);
      expect(after.lineage).toEqual(before.lineage);
    });

    test('an age that the relay has measured itself, whatever the clock of Redis was set to', async () => {
      const redis = await startedRedis();
      const keyPrefix = 'clock:';
      const store = await openedStore(redis.url, { keyPrefix });
      const { epochMs } = await store.birth();
      // As after NTP has set a slow clock forward: the line began ten minutes earlier than it did.
      await redis.command('HSET', `${keyPrefix}{store}`, 'epoch', String(epochMs - 600_000));
      const { ageMs } = await store.birth();
      expect(ageMs).toBeLessThan(30_000);
      await until(async () => (await store.birth()).ageMs > ageMs);
      const young = await openedStore(redis.url, { keyPrefix });
      expect((await young.birth()).ageMs).toBeLessThan(30_000);
    });

    test('a line that it sees anew has no age yet', async () => {
      const redis = endsWithTest(await new RedisServer(await freePort(), PERSISTENCE).start());
      const store = await openedStore(redis.url);
      await until(async () => (await store.birth()).ageMs > 1_500, 5_000);
      const before = await store.birth();
      await redis.kill();
      await redis.start();
      await until(() => store.ready);
      const after = await store.birth();
      expect(after.epochMs).toBeGreaterThan(before.epochMs);
      expect(after.ageMs).toBeLessThan(before.ageMs);
    });

    /** The age that a store vouches for a minute and a half later. */
    async function ageLater(store: RedisSessionStore): Promise<number> {
      await store.birth();
      const { now } = performance;
      const clock = vi.spyOn(performance, 'now').mockImplementation(() => now.call(performance) + 90_000);
      onTestFinished(() => clock.mockRestore());
      return (await store.birth()).ageMs;
    }

    test('a lone server: since the relay has seen its line', async () => {
      const ageMs = await ageLater(await openedStore((await startedRedis()).url));
      expect(ageMs).toBeGreaterThanOrEqual(90_000);
      expect(ageMs).toBeLessThan(120_000);
    });

    test('a server with replicas: nothing, since an old master may go on beside the new', async () => {
      const master = await startedRedis();
      await startedReplicaOf(master);
      expect(await ageLater(await openedStore(master.url))).toBe(0);
    });

    test('one that stops without its replicas: since then, less what stopping takes', async () => {
      const master = await startedRedis('--min-replicas-to-write', '1');
      await startedReplicaOf(master);
      const ageMs = await ageLater(await openedStore(master.url));
      expect(ageMs).toBeGreaterThanOrEqual(60_000);
      expect(ageMs).toBeLessThan(90_000);
    });

    test('nothing where nobody may read INFO', async () => {
      const store = await openedStore(urlWithoutInfo(await startedRedis()));
      await sleep(100);
      const birth = await store.birth();
      expect(birth).toMatchObject({ epochMs: 0, ageMs: 0 });
      expect(birth.lineage).toHaveLength(16);
    });
  });

  describe('a Redis without INFO in scripts', () => {
    test('that has forgotten its functions ends its sessions and serves new ones', async () => {
      const redis = await startedRedis();
      const store = await openedStore(urlWithoutInfo(redis));
      const session = await created(store);
      expect(await store.claim(session, 0, 'exchange')).toBe('fresh');
      await redis.command('FUNCTION', 'FLUSH');
      expect(await store.claim(session, 1, 'exchange')).toBe('gone');
      expect(await store.claim(await created(store), 0, 'exchange')).toBe('fresh');
    });

    test('a session may be on another server than the record of the store, behind a proxy', async () => {
      const redis = await startedRedis();
      const store = await openedStore(urlWithoutInfo(redis));
      const birth = await store.birth();
      await redis.command('FUNCTION', 'FLUSH'); // the next server has a line of its own
      const session = { ...newSession(), ended: false };
      await store.create(session, birth);
      expect(await store.claim(session, 0, 'exchange')).toBe('fresh');
    });

    test('a relay that starts takes no session of another one along', async () => {
      const redis = await startedRedis();
      const keyPrefix = 'starts:';
      const store = await openedStore(urlWithoutInfo(redis), { keyPrefix });
      const session = await created(store);
      const starting = openStore(urlWithoutInfo(redis), { keyPrefix });
      let claim = 'not yet';
      while (claim === 'not yet') {
        // At each turn, because a claim before the first greeting is what is tried.
        await new Promise((resolve) => setImmediate(resolve));
        claim = await starting.claim(session, 0, 'exchange').catch(() => 'not yet');
      }
      expect(claim).toBe('fresh');
      expect(await store.claim(session, 1, 'exchange')).toBe('fresh');
    });

    test('and without functions, too: a lost connection ends every session, for all relays, once', async () => {
      const redis = await startedRedis();
      const keyPrefix = 'lost:';
      const url = urlWithoutFunctions(redis);
      const store = await openedStore(url, { keyPrefix });
      const other = await openedStore(url, { keyPrefix });
      expect(store.mayLoseClaims).toBe(true);
      expect((await store.birth()).lineage).toBeUndefined();
      const session = await created(store);
      expect(await other.claim(session, 0, 'exchange')).toBe('fresh');
      expect(await other.claim(session, 0, 'exchange')).toBe('seen');
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

    test('and without functions, too: a relay that noticed nothing follows within its heartbeat', async () => {
      const redis = await startedRedis();
      const keyPrefix = 'told:';
      const store = await openedStore(urlWithoutFunctions(redis), { keyPrefix });
      const session = await created(store);
      await redis.command('HINCRBY', `${keyPrefix}{store}`, 'generation', '1');
      await until(async () => (await store.claim(session, 0, 'cancel')) === 'gone', 2_500);
    });
  });
});
