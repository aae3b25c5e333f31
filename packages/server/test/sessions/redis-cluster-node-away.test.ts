// A relay over a Redis Cluster whose one master is down, the one with the store's own record: sessions of the other
// masters are served, new ones made, and only what is kept there is refused.
import { REDIS_SERVER, type RedisServer } from '@mte-relay/testing/redis';
import { type Cluster, startCluster } from '@mte-relay/testing/redis-topologies';
import { plaintextOf, SealedClient, send } from '@mte-relay/testing/sealed-client';
import { stage } from '@mte-relay/testing/stage';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { until } from '@mte-relay/testing/until';
import { describe, expect, test } from 'vitest';
import { created, openedStore } from '../support/redis-store.ts';

const SLOTS = 16_384;
const SESSIONS = 24; // all of them on the same side of three: one time in 16,000
const KEEP_SERVING = ['--cluster-require-full-coverage', 'no'];

async function recordsNode({ masters }: Cluster): Promise<RedisServer> {
  const slot = Number(await (masters[0] as RedisServer).command('CLUSTER', 'KEYSLOT', '{store}'));
  return masters[Math.floor((slot * masters.length) / SLOTS)] as RedisServer;
}

async function cluster(...args: string[]): Promise<{ all: Cluster; away: RedisServer }> {
  const all = endsWithTest(await startCluster(0, ...args));
  return { all, away: await recordsNode(all) };
}

describe.skipIf(REDIS_SERVER === undefined)('one master of a cluster is unreachable (MTE_RELAY_REDIS_SERVER)', () => {
  test('the relay stays ready, serves the sessions of the others, pairs, and refuses the rest at once', async () => {
    const { all, away } = await cluster(...KEEP_SERVING);
    const environment = { REDIS_URL: all.url, REDIS_TIMEOUT_MS: '500', ADMIN_PORT: '0', ADMIN_HOST: '127.0.0.1' };
    const { relay, port } = await stage(undefined, { environment });
    const readiness = async (): Promise<number> =>
      (await send(relay.adminPort as number, '/readyz', { method: 'GET' })).status;
    await until(async () => (await readiness()) === 200);
    const clients = await Promise.all(Array.from({ length: SESSIONS }, () => SealedClient.pair(port)));
    const asked = async (): Promise<string[]> =>
      Promise.all(
        clients.map(async (client) => {
          const { status, code, headers } = await client.post((await client.seal(plaintextOf({}))).message);
          return `${status} ${code ?? ''} ${headers['retry-after'] ?? ''}`.trim();
        }),
      );
    expect(new Set(await asked())).toEqual(new Set(['200']));

    await away.kill();
    const during = await asked();
    expect(new Set(during)).toEqual(new Set(['200', '503 unavailable 2']));
    await new Promise((resolve) => setTimeout(resolve, 2_500)); // heartbeats, and the cluster's own notice
    expect(await readiness()).toBe(200);
    expect(await asked()).toEqual(during);
    const pairings = await Promise.allSettled(Array.from({ length: SESSIONS }, () => SealedClient.pair(port)));
    expect(pairings.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThan(0);
    for (const pairing of pairings) {
      if (pairing.status === 'rejected') expect(pairing.reason.message).toContain('503 unavailable');
    }

    await away.start();
    await until(async () => !(await asked()).some((outcome) => outcome.startsWith('503')), 20_000);
    // It came back empty: its clients pair again, and the others are undisturbed.
    expect(await asked()).toEqual(during.map((outcome) => (outcome === '200' ? '200' : '401 session-unknown')));
    expect(await readiness()).toBe(200);
  });

  test('one that hangs ends no session of the others, however long it hangs', async () => {
    const { all, away } = await cluster(...KEEP_SERVING);
    const store = await openedStore(all.url, { timeoutMs: 1_000 });
    const sessions = await Promise.all(Array.from({ length: SESSIONS }, () => created(store)));
    let n = 0;
    const claimed = async (): Promise<boolean[]> => {
      const claims = sessions.map((session) => store.claim(session, n, 'exchange'));
      n += 1;
      return (await Promise.allSettled(claims)).map(({ status }) => status === 'fulfilled');
    };
    away.freeze(true);
    const during = await claimed();
    expect(new Set(during)).toEqual(new Set([true, false]));
    for (const endMs = performance.now() + 9_000; performance.now() < endMs; ) {
      expect(await claimed()).toEqual(during);
    }
    expect(store.ready).toBe(true);
    away.freeze(false);
    await until(async () => !(await claimed()).includes(false), 30_000);
  });

  test('a relay that starts meanwhile is ready too', async () => {
    const { all, away } = await cluster(...KEEP_SERVING);
    await away.kill();
    const store = await openedStore(all.url);
    const made = await Promise.allSettled(Array.from({ length: SESSIONS }, () => created(store)));
    expect(new Set(made.map(({ status }) => status))).toEqual(new Set(['fulfilled', 'rejected']));
  });

  test.each([
    ['INFO from scripts, functions name the line of each master and the others are served', ['-info'], 'both'],
    ['functions too, nothing is claimed without the one that has the record', ['-info', '-fcall'], 'rejected'],
  ])('where Redis denies %s', async (_what, rights, expected) => {
    const { all, away } = await cluster(...KEEP_SERVING);
    for (const master of all.masters) await master.command('ACL', 'SETUSER', 'default', ...rights);
    const store = await openedStore(all.url);
    const sessions = await Promise.all(Array.from({ length: SESSIONS }, () => created(store)));
    await away.kill();
    if (expected === 'rejected') await until(() => !store.ready, 5_000);
    const claims = await Promise.all(
      sessions.map((session) => store.claim(session, 0, 'exchange').catch(() => 'rejected')),
    );
    if (expected === 'rejected') {
      expect(new Set(claims)).toEqual(new Set(['rejected']));
      await expect(store.birth()).rejects.toThrow();
    } else {
      expect(new Set(claims)).toEqual(new Set(['fresh', 'rejected']));
      await until(() => store.birth().then(Boolean, () => false));
    }
  });
});
