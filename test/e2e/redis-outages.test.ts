// Two relay processes over Redis serve one client without sticky routing while Redis and a relay are killed and started
// again under it: the outcomes that the client reports match the upstream's log.
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '@mte-relay/testing/free-port';
import { REDIS_SERVER, RedisServer } from '@mte-relay/testing/redis';
import { startCluster, startSentinelGroup } from '@mte-relay/testing/redis-topologies';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { describe, expect, test } from 'vitest';
import { expectTruth, type Outcomes, postAll, type RelayPair, sdk, startRelayPair } from './support/relay-pair.ts';

const EXCHANGES = 1_000;
const LIMIT_MS = 60_000;

/** @param timeoutMs after which Redis counts as unreachable: short where a test stops it, else longer than any pause. */
async function started(redisUrl: string, timeoutMs = 500): Promise<RelayPair> {
  const relays = endsWithTest(await startRelayPair({ REDIS_URL: redisUrl, REDIS_TIMEOUT_MS: String(timeoutMs) }));
  return relays;
}

/** 1,000 at once through the outage, then 200 more that find everything healed. */
async function throughOutage(relays: RelayPair, outage: () => Promise<void>): Promise<Outcomes> {
  const client = endsWithTest(sdk(relays));
  const outcomes = await postAll(client, EXCHANGES, outage);
  await sleep(1_500); // what was still on its way anywhere
  expectTruth(outcomes, relays.ran);
  expect(outcomes.responded.length + outcomes.mayHaveRun.length + outcomes.didNotRun.length).toBe(EXCHANGES);
  const before = relays.ran.length;
  await healed(relays);
  const later = await Promise.all(Array.from({ length: 200 }, (_, i) => postOnce(relays, client, `later-${i}`)));
  expect(later.filter((status) => status !== 200)).toEqual([]);
  expect(new Set(relays.ran).size).toBe(relays.ran.length);
  expect(relays.ran.length - before).toBeGreaterThanOrEqual(200);
  expect(relays.balancer.counts.every((count) => count > EXCHANGES / 8)).toBe(true);
  return outcomes;
}

/** A new client gets through: Redis and both relays are there again. */
async function healed(relays: RelayPair): Promise<void> {
  const deadlineMs = performance.now() + 20_000;
  for (let successes = 0; successes < 4; ) {
    const probe = sdk(relays);
    try {
      await (await probe.fetch('/probe', { method: 'GET' })).text();
      successes += 1;
    } catch (error) {
      successes = 0;
      if (performance.now() > deadlineMs) throw error;
      await sleep(200);
    } finally {
      probe.close();
    }
  }
}

/** The first call after an outage may fail with may-have-run; the next one is served. */
async function postOnce(relays: RelayPair, client: ReturnType<typeof sdk>, id: string): Promise<number> {
  for (const attempt of ['a', 'b']) {
    try {
      const response = await client.fetch('/later', { method: 'POST', body: `${id}-${attempt}` });
      await response.text();
      return response.status;
    } catch {
      expectTruth({ responded: [], didNotRun: [] }, relays.ran);
    }
  }
  return 0;
}

describe.skipIf(REDIS_SERVER === undefined)('1,000 concurrent exchanges over Redis (MTE_RELAY_REDIS_SERVER)', () => {
  test('alternate between two relays when nothing fails, each with one response', async () => {
    const redis = endsWithTest(await new RedisServer(await freePort(), ['--save', '', '--appendonly', 'yes']).start());
    const relays = await started(redis.url, 30_000);
    const client = endsWithTest(sdk(relays));
    const outcomes = await postAll(client, EXCHANGES, async () => undefined);
    expect(outcomes.failures).toEqual([]);
    expect(outcomes.responded).toHaveLength(EXCHANGES);
    expect(relays.ran).toHaveLength(EXCHANGES);
    const [one, two] = relays.balancer.counts as [number, number];
    expect(Math.abs(one - two)).toBeLessThan(EXCHANGES / 10);
  });

  test('survive the death and return of Redis and of a relay', async () => {
    const redis = endsWithTest(await new RedisServer(await freePort(), ['--save', '', '--appendonly', 'yes']).start());
    const relays = await started(redis.url);
    const startedMs = performance.now();
    const outcomes = await throughOutage(relays, async () => {
      await Promise.all([redis.kill(), relays.kill(1)]);
      await sleep(300);
      await Promise.all([redis.start(), relays.start(1)]);
    });
    expect(outcomes.responded.length).toBeGreaterThanOrEqual(EXCHANGES / 4);
    expect(performance.now() - startedMs).toBeLessThan(LIMIT_MS);
  });

  test('survive the death and return of a master of a cluster of three, and of a relay', async () => {
    const cluster = endsWithTest(await startCluster(0, '--appendonly', 'yes'));
    const relays = await started(cluster.url);
    const startedMs = performance.now();
    await throughOutage(relays, async () => {
      const [, second] = cluster.masters as [RedisServer, RedisServer];
      await Promise.all([second.kill(), relays.kill(0)]);
      await sleep(300);
      await Promise.all([second.start(), relays.start(0)]);
      await cluster.whole();
    });
    expect(performance.now() - startedMs).toBeLessThan(LIMIT_MS);
  });

  test('survive the death of the whole cluster and its return', async () => {
    const cluster = endsWithTest(await startCluster(0, '--appendonly', 'yes'));
    const relays = await started(cluster.url);
    await throughOutage(relays, async () => {
      await Promise.all(cluster.masters.map((master) => master.kill()));
      await sleep(300);
      await Promise.all(cluster.masters.map((master) => master.start()));
      await cluster.whole();
    });
  });

  test('survive a failover by Sentinel, and the death and return of a relay', async () => {
    const group = endsWithTest(await startSentinelGroup('--min-replicas-to-write', '1'));
    const relays = await started(group.url);
    const startedMs = performance.now();
    await throughOutage(relays, async () => {
      const old = await group.master();
      await Promise.all([old.kill(), relays.kill(1)]);
      await Promise.all([relays.start(1), sleep(1_000)]);
    });
    expect(performance.now() - startedMs).toBeLessThan(LIMIT_MS);
  });
});
