// The store over a Redis Cluster and behind Sentinel, both of real processes.
import { setTimeout as sleep } from 'node:timers/promises';
import { REDIS_SERVER, type RedisServer } from '@mte-relay/testing/redis';
import { startCluster, startSentinelGroup } from '@mte-relay/testing/redis-topologies';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { until } from '@mte-relay/testing/until';
import { describe, expect, onTestFinished, test } from 'vitest';
import { created, openedStore } from '../support/redis-store.ts';

describe.skipIf(REDIS_SERVER === undefined)('several Redis servers (MTE_RELAY_REDIS_SERVER)', () => {
  test('a cluster of three masters holds sessions on each, every one whole', async () => {
    const cluster = endsWithTest(await startCluster());
    const store = await openedStore(cluster.url);
    const sessions = await Promise.all(Array.from({ length: 30 }, () => created(store)));
    for (const session of sessions) {
      expect(await store.find(session.sid)).toBeDefined();
      expect(await store.claim(session, 0, 'exchange')).toBe('fresh');
      expect(await store.claim(session, 0, 'exchange')).toBe('seen');
    }
    const keys = await Promise.all(cluster.masters.map((master) => master.command('KEYS', '*')));
    const held = (keys as string[][]).map((names) => names.filter((name) => !/\{store|:network:/.test(name)).length);
    expect(held.every((count) => count > 0)).toBe(true);
    expect(held.reduce((sum, count) => sum + count)).toBe(30);
    // Each master has a line of its own, so that none can say what the others no longer claim.
    expect(await store.birth()).toMatchObject({ epochMs: 0, ageMs: 0 });
    // One that hangs refuses its own sessions, each call within the timeout; afterwards all go on where they were.
    const [, hanging] = cluster.masters as [RedisServer, RedisServer];
    hanging.freeze(true);
    const startedMs = performance.now();
    const claimed = await Promise.allSettled(sessions.map((session) => store.claim(session, 1, 'exchange')));
    expect(performance.now() - startedMs).toBeLessThan(10_000); // not for as long as it hangs
    expect(new Set(claimed.map(({ status }) => status))).toEqual(new Set(['fulfilled', 'rejected']));
    hanging.freeze(false);
    await cluster.whole();
    await until(async () => {
      const later = await Promise.allSettled(sessions.map((session) => store.claim(session, 2, 'cancel')));
      return later.every(({ status }) => status === 'fulfilled');
    });
  });

  test('when a replica takes over for a master, that master’s sessions end and the others go on', async () => {
    const cluster = endsWithTest(await startCluster(1));
    const store = await openedStore(cluster.url);
    const sessions = await Promise.all(Array.from({ length: 30 }, () => created(store)));
    for (const session of sessions) expect(await store.claim(session, 0, 'exchange')).toBe('fresh');
    await (cluster.masters[1] as RedisServer).kill();
    const later = async (): Promise<string[]> =>
      Promise.all(sessions.map((session) => store.claim(session, 1, 'cancel').catch(() => 'unavailable')));
    let claims = await later();
    await until(async () => {
      claims = await later();
      return !claims.includes('unavailable');
    }, 25_000);
    expect(claims.filter((claim) => claim === 'gone').length).toBeGreaterThan(0);
    expect(claims.filter((claim) => claim === 'seen').length).toBeGreaterThan(0);
    expect(claims.filter((claim) => claim === 'fresh')).toEqual([]);
    await until(() => store.ready);
    const young = await Promise.all(Array.from({ length: 10 }, () => created(store)));
    for (const session of young) expect(await store.claim(session, 0, 'exchange')).toBe('fresh');
  });

  test('a node that is loading its data takes no session of another node along', async () => {
    const cluster = endsWithTest(
      await startCluster(0, '--enable-debug-command', 'yes', '--loading-process-events-interval-bytes', '1024'),
    );
    const store = await openedStore(cluster.url);
    const sessions = await Promise.all(Array.from({ length: 30 }, () => created(store)));
    for (const session of sessions) expect(await store.claim(session, 0, 'exchange')).toBe('fresh');
    const [node] = cluster.masters as [RedisServer];
    await node.command('DEBUG', 'POPULATE', '2000', 'filler', '200');
    await node.command('CONFIG', 'SET', 'key-load-delay', '1000');
    let loading = true;
    let rounds = 0;
    const reloaded = node.command('DEBUG', 'RELOAD').finally(() => {
      loading = false;
    });
    const refused = new Set<string>();
    const served = new Map<number, number>();
    for (let n = 1; loading; n += 1) {
      const claims = sessions.map((session) =>
        store.claim(session, n, 'exchange').catch((error: Error) => error.message),
      );
      for (const [at, claim] of (await Promise.all(claims)).entries()) {
        if (claim === 'fresh') served.set(at, (served.get(at) ?? 0) + 1);
        else refused.add(`${claim} ${at}`);
      }
      rounds = n;
      await sleep(20);
    }
    await reloaded;
    expect(rounds).toBeGreaterThan(10);
    expect([...refused].some((text) => text.startsWith('LOADING'))).toBe(true);
    expect([...refused].filter((text) => !text.startsWith('LOADING'))).toEqual([]);
    expect([...served.values()].filter((times) => times === rounds).length).toBeGreaterThan(5);
  });

  test('sentinels lead to the master, and to the next one when it fails', async () => {
    const group = endsWithTest(await startSentinelGroup());
    const store = await openedStore(group.url);
    const session = await created(store);
    expect(await store.claim(session, 0, 'exchange')).toBe('fresh');
    const before = await store.birth();
    const old = await group.master();
    await old.kill();
    await until(() => !store.ready, 3_000);
    await until(() => store.ready, 20_000);
    expect(await group.master()).not.toBe(old);
    expect(await store.find(session.sid)).toBeDefined();
    expect(await store.claim(session, 1, 'exchange')).toBe('gone');
    expect(await store.claim(await created(store), 0, 'exchange')).toBe('fresh');
    const after = await store.birth();
    expect(after.epochMs).toBeGreaterThan(before.epochMs);
    expect(after.ageMs).toBe(0);
  });

  test('the store leaves a master that was replaced while it was up within seconds', async () => {
    const group = endsWithTest(await startSentinelGroup());
    const store = await openedStore(group.url);
    const session = await created(store);
    const old = await group.master();
    const [sentinelPort] = /\d+(?=,|\/main)/.exec(group.url) as RegExpExecArray;
    const { createClient } = await import('redis');
    const sentinel = createClient({ url: `redis://127.0.0.1:${sentinelPort}`, RESP: 2 });
    await sentinel.connect();
    onTestFinished(() => sentinel.destroy());
    await sentinel.sendCommand(['SENTINEL', 'FAILOVER', 'main']);
    await until(async () => (await group.master()) !== old, 20_000);
    await until(async () => {
      const claim = await store.claim(session, 0, 'cancel').catch(() => 'unavailable');
      return claim === 'gone';
    }, 10_000);
    await until(() => store.ready);
    expect(await store.claim(await created(store), 0, 'exchange')).toBe('fresh');
  });
});
