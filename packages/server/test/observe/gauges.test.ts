// Gauges of the relay's identity, use and limits at the time of the scrape.
import { readFileSync } from 'node:fs';
import { MemorySessionStore } from '@mte-relay/server';
import { SealedClient } from '@mte-relay/testing/sealed-client';
import { stage } from '@mte-relay/testing/stage';
import { expect, test } from 'vitest';
import { relaySeries } from '../support/admin.ts';

test('the relay reports each limit on concurrency, and how much of it is used', async () => {
  const responses: (() => void)[] = [];
  const staged = await stage((_req, res) => responses.push(() => res.end()), {
    environment: { EXCHANGES_MAX: '40', SESSIONS_MAX: '30', CONNECTIONS_MAX: '20', WEBSOCKETS_MAX: '10' },
  });
  const client = await SealedClient.pair(staged.port);
  const exchanges = [client.fetch({}), client.fetch({})];
  await expect.poll(() => responses.length).toBe(2);
  const series = await relaySeries(staged);
  for (const respond of responses) respond();
  await Promise.all(exchanges);
  const pairs = ['EXCHANGES_MAX', 'SESSIONS_MAX', 'CONNECTIONS_MAX', 'WEBSOCKETS_MAX', 'PAIRINGS_CONCURRENT_MAX'].map(
    (limit) => [series.get(`mte_relay_limit_used{limit="${limit}"}`), series.get(`mte_relay_limit{limit="${limit}"}`)],
  );
  expect(pairs.map(([, limit]) => limit)).toEqual([40, 30, 20, 10, 1_000]);
  expect(pairs[0]).toEqual([2, 40]);
  expect(pairs[1]).toEqual([1, 30]);
  expect(pairs[2]?.[0]).toBeGreaterThanOrEqual(2);
  expect(pairs[3]?.[0]).toBe(0);
});

test('a shared store has no limit on sessions here, and reports those at hand', async () => {
  const memory = new MemorySessionStore({ sessionsMax: 10, soleInstance: true });
  const sessions = {
    ready: true,
    cached: 7,
    birth: () => memory.birth(),
    create: memory.create.bind(memory),
    find: memory.find.bind(memory),
    claim: memory.claim.bind(memory),
    close: () => memory.close(),
  };
  const series = await relaySeries(await stage(undefined, { sessions }));
  expect(series.get('mte_relay_sessions_cached')).toBe(7);
  for (const name of ['sessions', 'limit{limit="SESSIONS_MAX"}', 'limit_used{limit="SESSIONS_MAX"}']) {
    expect(series.has(`mte_relay_${name}`), name).toBe(false);
  }
});

test('the relay reports readiness check by check, and a shutdown from its beginning', async () => {
  const staged = await stage();
  const ready = async (): Promise<unknown[]> => {
    const series = await relaySeries(staged);
    const checks = ['listening', 'serving', 'sessions'].map((check) => `ready_check{check="${check}"}`);
    return ['ready', ...checks].map((name) => series.get(`mte_relay_${name}`));
  };
  expect(await ready()).toEqual([1, 1, 1, 1]);
  staged.relay.drain();
  expect(await ready()).toEqual([0, 1, 0, 1]);
});

test('the relay reports its version and pins; while a secret is rotated, both', async () => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  const staged = await stage(undefined, { environment: { CLIENT_ID_SECRET: `${'n'.repeat(40)},${'o'.repeat(40)}` } });
  const names = [...(await relaySeries(staged)).keys()];
  expect(names).toContain(
    `mte_relay_build_info{version="${version}",protocol="mte-relay/1",node="${process.version}"}`,
  );
  const identities = names.filter((name) => name.startsWith('mte_relay_identity'));
  expect(identities).toHaveLength(2);
  expect(identities).toContain(`mte_relay_identity{domain="*",pin="${staged.relay.pin}",newest="true"}`);
  expect(identities.filter((name) => name.endsWith('newest="false"}'))).toHaveLength(1);
});

test('the time that the event loop is busy grows with work alone', async () => {
  const staged = await stage();
  const active = async (): Promise<number> =>
    (await relaySeries(staged)).get('mte_relay_event_loop_active_seconds_total') as number;
  const before = await active();
  const until = performance.now() + 200;
  while (performance.now() < until); // the work
  await new Promise((resolve) => setTimeout(resolve, 50));
  const grown = (await active()) - before;
  expect(grown).toBeGreaterThan(0.19);
  expect(grown).toBeLessThan(5);
});
