// The stores of the relays of a chaos campaign, as real processes, each with the outages that only it has.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '@mte-relay/testing/free-port';
import { RedisServer, startRedis } from '@mte-relay/testing/redis';
import { startCluster, startSentinelGroup } from '@mte-relay/testing/redis-topologies';
import { TcpForwarder } from '@mte-relay/testing/tcp-forwarder';
import { until } from '@mte-relay/testing/until';
import { HidingForwarder } from './hiding-forwarder.ts';
import { type Outage, PAUSE_MAX_MS } from './outages.ts';

/** What the relays share, and how it fails. */
export interface Store {
  /** Of each relay, beside the settings of all. */
  readonly environments: readonly Readonly<Record<string, string>>[];
  readonly outages: Readonly<Record<string, Outage>>;
  remove(): Promise<void>;
}

/** Longer than Sentinel and a cluster need to promote a replica. */
const PROMOTED_AFTER_MS = 3_500;
const IN_USE_MS = 5 * 3_600_000;
/** Redis states its own age in whole seconds. */
const YOUNGER_BY_MS = 2_100;
/** The writes of so long are lost with a hidden failover. */
const LOST_WRITES_MAX_MS = 400;
const KEEPS_ITS_WRITES = ['--save', '', '--appendonly', 'yes'];
const WITHOUT_INFO = ['--user', 'default', 'on', 'nopass', '~*', '&*', '+@all', '-info'];

/** No store: each relay has its sessions in memory. */
export async function inMemory(...environments: Readonly<Record<string, string>>[]): Promise<Store> {
  return { environments, outages: {}, remove: async () => undefined };
}

/** One Redis for two relays, each behind a wire of its own. */
export async function oneRedis(): Promise<Store> {
  const redis = await new RedisServer(await freePort(), KEEPS_ITS_WRITES).start();
  await age(redis);
  const wires = [await wireTo(redis), await wireTo(redis)];
  return {
    environments: wires.map(({ port }) => ({ REDIS_URL: `redis://127.0.0.1:${port}` })),
    outages: { ...failuresOf(redis), ...cutsOf(wires) },
    remove: () => removed(redis, ...wires),
  };
}

/** Two regions with one relay and one Redis each. */
export async function regions(): Promise<Store> {
  const first = await new RedisServer(await freePort(), KEEPS_ITS_WRITES).start();
  await sleep(YOUNGER_BY_MS);
  const second = await new RedisServer(await freePort(), KEEPS_ITS_WRITES).start();
  const all = [first, second];
  for (const redis of all) await age(redis);
  const wires = await Promise.all(all.map(wireTo));
  return {
    environments: wires.map(({ port }) => ({ REDIS_URL: `redis://127.0.0.1:${port}` })),
    outages: { ...failuresOf(first), ...cutsOf(wires) },
    remove: () => removed(...all, ...wires),
  };
}

/** A master that sentinels watch, with two replicas. */
export async function sentinel(): Promise<Store> {
  const group = await startSentinelGroup('--min-replicas-to-write', '1', '--min-replicas-max-lag', '1');
  const environment = { REDIS_URL: group.url };
  const replicated = async (): Promise<void> =>
    until(async () => {
      const master = await group.master();
      const [role, , replicas] = (await master.command('ROLE').catch(() => [])) as [string, number, unknown[]];
      return role === 'master' && replicas.length > 0;
    });
  return {
    environments: [environment, environment],
    outages: {
      'Redis master killed': async () => {
        const master = await group.master();
        await master.kill();
        await sleep(PROMOTED_AFTER_MS);
        await master.start();
        await replicated();
      },
      'Redis master paused': async () => {
        const master = await group.master();
        await paused(master, PAUSE_MAX_MS);
        await replicated();
      },
    },
    remove: () => group.remove(),
  };
}

/** Three masters with a replica each. */
export async function cluster(): Promise<Store> {
  const nodes = await startCluster(1);
  const all = [...nodes.masters, ...nodes.replicas];
  const environment = { REDIS_URL: nodes.url };
  return {
    environments: [environment, environment],
    outages: {
      'Redis node killed': async ({ random }) => {
        const node = random.pick(all);
        await node.kill();
        await sleep(PROMOTED_AFTER_MS);
        await node.start();
        await nodes.whole();
      },
      'Redis node paused': async ({ random }) => {
        await paused(random.pick(all), PAUSE_MAX_MS);
        await nodes.whole();
      },
    },
    remove: () => nodes.remove(),
  };
}

/** Redis whose scripts may not read INFO, behind a forwarder that keeps connections through a failover. */
export async function withoutInfo(): Promise<Store> {
  const servers = [await startRedis(...WITHOUT_INFO), await startRedis(...WITHOUT_INFO)];
  let [master, replica] = servers as [RedisServer, RedisServer];
  await follow(replica, master);
  const wires = [new HidingForwarder(master.port), new HidingForwarder(master.port)];
  for (const wire of wires) await wire.start();
  return {
    environments: wires.map(({ port }) => ({ REDIS_URL: `redis://127.0.0.1:${port}` })),
    outages: {
      'Redis failed over, hidden, last writes and responses lost': async ({ random, intermediary }) => {
        await replica.command('REPLICAOF', 'NO', 'ONE');
        await intermediary.responsesLostDuring(async () => {
          await sleep(random.between(20, LOST_WRITES_MAX_MS));
          await Promise.all(wires.map((wire) => wire.switchTo(replica.port)));
        });
        [master, replica] = [replica, master];
        await follow(replica, master);
      },
      ...cutsOf(wires),
    },
    remove: () => removed(...servers, ...wires),
  };
}

/** As if relays had used it for hours: only then does it vouch for anything towards clients (SPEC §7). */
async function age(redis: RedisServer): Promise<void> {
  await redis.command('HSET', 'mte-relay:{store}', 'since', String(Date.now() - IN_USE_MS));
}

async function follow(replica: RedisServer, master: RedisServer): Promise<void> {
  await replica.command('REPLICAOF', '127.0.0.1', String(master.port));
  await until(async () => {
    const [, , , state] = (await replica.command('ROLE')) as string[];
    return state === 'connected';
  });
}

async function wireTo(redis: RedisServer): Promise<TcpForwarder> {
  return new TcpForwarder(() => redis.port).start();
}

async function removed(...things: ({ remove(): Promise<void> } | { stop(): Promise<void> })[]): Promise<void> {
  await Promise.all(things.map((thing) => ('remove' in thing ? thing.remove() : thing.stop())));
}

async function paused(redis: RedisServer, forMs: number): Promise<void> {
  redis.freeze(true);
  await sleep(forMs);
  redis.freeze(false);
}

function failuresOf(redis: RedisServer): Store['outages'] {
  return {
    'Redis killed': async ({ random }) => {
      await redis.kill();
      await sleep(random.between(0, 500));
      await redis.start();
    },
    'Redis restarted empty': async () => {
      await redis.kill();
      rmSync(join(redis.folder, 'appendonlydir'), { recursive: true, force: true });
      await redis.start();
    },
    'Redis flushed, responses lost': async ({ random, intermediary }) => {
      await intermediary.responsesLostDuring(async () => {
        await sleep(random.between(20, LOST_WRITES_MAX_MS));
        await redis.command('FLUSHALL');
      });
    },
    'Redis paused': async ({ random }) => paused(redis, random.between(200, PAUSE_MAX_MS)),
  };
}

function cutsOf(wires: readonly (TcpForwarder | HidingForwarder)[]): Store['outages'] {
  return {
    'Redis connection of one relay cut': async ({ random }) => random.pick(wires).reset(),
    'Redis unreachable for one relay': async ({ random }) => {
      const wire = random.pick(wires);
      await wire.stop();
      await sleep(random.between(100, 1_500));
      await wire.start();
    },
  };
}
