// Every query of every panel and every rule, evaluated by a real Prometheus that scraped two real relays under load, with
// everything provoked that the panels are for.
import type { Series } from '@mte-relay/testing/prometheus';
import { REDIS_SERVER } from '@mte-relay/testing/redis';
import { toolPath } from '@mte-relay/testing/tools';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Observed, startObserved, UPSTREAM_TAKES_MS } from '../../deploy/grafana/observed.ts';
import { readPanels } from '../../deploy/grafana/queries.ts';
import { ALERTS, GROUPS } from '../../deploy/prometheus/rules.ts';

const LOAD_SECONDS = 12;
const CONCURRENCY = 3;
const PANELS = readPanels('5s', '1m').filter(({ type }) => type !== 'row');

const runs = toolPath('prometheus') !== undefined && REDIS_SERVER !== undefined;
let observed: Observed;
let began: number;
let ended: number;
let succeeded: number;

beforeAll(async () => {
  if (!runs) return;
  observed = await startObserved();
  began = Date.now() / 1000;
  await observed.load(LOAD_SECONDS, CONCURRENCY);
  succeeded = observed.succeeded();
  ended = Date.now() / 1000;
  await new Promise((resolve) => setTimeout(resolve, 2_500)); // the last scrape, and the rules on it
});

afterAll(async () => {
  await observed?.close();
});

/** The series of one query of a panel over the load. */
async function drawn(title: string, legend?: string): Promise<Series[]> {
  const queries = PANELS.find((panel) => panel.title === title)?.queries ?? [];
  const query = legend === undefined ? queries[0] : queries.find((candidate) => candidate.legend === legend);
  if (!query) throw new Error(`no ${title} ${legend ?? ''}`);
  return observed.prometheus.range(query.expr, began, ended + 2);
}

/** Its values where there are any, second by second; of the series with these labels. */
async function valuesOf(title: string, legend?: string, labels: Record<string, string> = {}): Promise<number[]> {
  const series = (await drawn(title, legend)).filter((one) =>
    Object.entries(labels).every(([name, value]) => one.labels[name] === value),
  );
  return series.flatMap(({ values }) => values.map(([, value]) => value)).filter(Number.isFinite);
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

test.skipIf(!runs)('every query of every panel has values, all of them 0 or more', async () => {
  const queries = PANELS.flatMap(({ title, queries }) => queries.map(({ legend, expr }) => ({ title, legend, expr })));
  expect(queries.length).toBeGreaterThanOrEqual(40);
  for (const { title, legend, expr } of queries) {
    const series = await observed.prometheus.range(expr, began, ended + 2);
    const values = series.flatMap((one) => one.values.map(([, value]) => value)).filter(Number.isFinite);
    expect(values.length, `${title} ${legend}: ${expr}`).toBeGreaterThan(0);
    expect(Math.min(...values), `${title} ${legend}`).toBeGreaterThanOrEqual(0);
    // Each name that the legend takes from a label is there.
    for (const [, label] of legend.matchAll(/\{\{(\w+)\}\}/g)) {
      for (const { labels } of series) expect(labels[label as string], `${title} ${label}`).toBeTruthy();
    }
  }
});

test.skipIf(!runs)('requests per second are those that clients counted', async () => {
  expect(succeeded).toBeGreaterThan(50);
  const counted = succeeded / LOAD_SECONDS;
  const seen = await drawn('Requests Processed [req/sec]');
  const middle = seen
    .filter(({ labels }) => labels['route'] === 'exchange')
    .flatMap(({ values }) => values.filter(([time]) => time > began + 6 && time < ended))
    .map(([, value]) => value);
  // The faults of each second are exchanges too.
  expect(mean(middle)).toBeGreaterThan(counted / 2);
  expect(mean(middle)).toBeLessThan(counted * 2 + 10);
  expect(
    Math.max(...(await valuesOf('Requests Processed [req/sec]', undefined, { route: 'pass_through' }))),
  ).toBeGreaterThan(0);
});

test.skipIf(!runs)(
  'times are in order: p50 below p99, the API’s within the request’s, sealing in fractions of one',
  async () => {
    for (const title of ['Request Time [ms]', 'Upstream Proxy Time [ms]', 'Pairing Time [ms]']) {
      const [p50, p99] = await Promise.all([drawn(title, 'p50'), drawn(title, 'p99')]);
      const at = new Map(p99[0]?.values);
      const both = (p50[0]?.values ?? []).filter(([time, value]) => Number.isFinite(value) && at.has(time));
      expect(both.length, title).toBeGreaterThan(5);
      for (const [time, value] of both) expect(value, title).toBeLessThanOrEqual(at.get(time) as number);
    }
    const upstreamMs = mean(await valuesOf('Upstream Proxy Time [ms]', 'average'));
    const requestMs = mean(await valuesOf('Request Time [ms]', 'average'));
    expect(upstreamMs).toBeGreaterThan(UPSTREAM_TAKES_MS * 0.9);
    expect(requestMs).toBeGreaterThan(UPSTREAM_TAKES_MS * 0.9);
    for (const title of ['Average Decode Time [ms]', 'Average Encode Time [ms]']) {
      const averageMs = mean(await valuesOf(title));
      expect(averageMs, title).toBeGreaterThan(0);
      expect(averageMs, title).toBeLessThan(requestMs);
    }
  },
);

test.skipIf(!runs)('panels of errors show what was provoked, under its name', async () => {
  const codes = (await drawn('Errors by Code [per sec]')).map(({ labels }) => `${labels['plane']} ${labels['code']}`);
  expect(codes.sort()).toEqual([
    'inner path-refused',
    'inner upstream-failed',
    'outer headers-too-large',
    'outer replayed',
    'outer version-unsupported',
  ]);
  expect(Math.max(...(await valuesOf('Replays Refused [per sec]')))).toBeGreaterThan(0);
  expect((await drawn('Refused by a Limit [per sec]')).map(({ labels }) => labels['limit'])).toEqual([
    'OUTER_FIELDS_MAX',
  ]);
  const outcomes = (await drawn('Outcomes [req/sec]')).map(({ labels }) => labels['outcome']);
  expect(outcomes).toEqual(expect.arrayContaining(['2xx', '4xx', '5xx', 'refused']));
  const ratio = await valuesOf('Error Ratio');
  expect(Math.max(...ratio)).toBeGreaterThan(0);
  expect(Math.max(...ratio)).toBeLessThan(0.5);
});

test.skipIf(!runs)('sessions, WebSockets, saturation and readiness are as they were made', async () => {
  const last = async (title: string, legend?: string): Promise<number> =>
    (await valuesOf(title, legend)).at(-1) as number;
  expect(await last('Sessions', 'in memory')).toBeGreaterThanOrEqual(LOAD_SECONDS / 3);
  expect(await valuesOf('WebSockets', undefined, { pod: 'relay-redis' })).toContain(1);
  const saturation = await valuesOf('Saturation');
  expect(Math.max(...saturation)).toBeLessThan(0.5);
  expect(Math.max(...saturation)).toBeGreaterThan(0);
  const busy = await valuesOf('Event-Loop Busy');
  expect(Math.max(...busy)).toBeLessThanOrEqual(1.1);
  expect(Math.max(...busy)).toBeGreaterThan(0.005);
  expect([await last('Ready'), await last('Draining'), await last('Restarts')]).toEqual([2, 0, 0]);
  const pods = new Set((await drawn('Memory')).map(({ labels }) => labels['pod']));
  expect([...pods].sort()).toEqual(['relay-memory', 'relay-redis']);
});

test.skipIf(!runs)(
  'every rule is evaluated, every series is recorded, every alert’s quantity has a value',
  async () => {
    for (const [name, health] of await observed.prometheus.rules()) expect(health, name).toBe('ok');
    const quantities = [
      ...GROUPS.flatMap(({ recordings }) => recordings.map(({ record }) => record)),
      ...ALERTS.flatMap(({ when }) => when),
    ];
    for (const expr of quantities) {
      const values = (await observed.prometheus.now(expr)).flatMap((one) => one.values.map(([, value]) => value));
      expect(values.filter(Number.isFinite).length, expr).toBeGreaterThan(0);
    }
  },
);

test.skipIf(!runs)(
  'a Redis that hangs is seen: its relay is not ready, operations fail, and alerts are pending',
  async () => {
    observed.redis.freeze(true);
    const since = Date.now() / 1000;
    try {
      await observed.load(2, 1).catch(() => undefined); // exchanges through that relay fail
      const labelsOf = async (query: string): Promise<Series['labels'][]> =>
        (await observed.prometheus.now(query)).map(({ labels }) => labels);
      await expect
        .poll(() => labelsOf('ALERTS{alertname="MteRelayNotReady"}'))
        .toMatchObject([{ namespace: 'shop', pod: 'relay-redis', severity: 'warning' }]);
      // The other one keeps its sessions itself. Without it, nobody would be served.
      expect(await labelsOf('ALERTS{alertname="MteRelayStoreUnavailable"}')).toEqual([]);
      const [storeOfAll] = ALERTS.find(({ name }) => name === 'MteRelayStoreUnavailable')?.when ?? [];
      const storeOfOne = storeOfAll?.replace('check="sessions"', 'check="sessions",pod="relay-redis"');
      expect(await labelsOf(`${storeOfOne} < 1`)).toMatchObject([{ namespace: 'shop' }]);
    } finally {
      observed.redis.freeze(false);
    }
    const [ready] = await observed.prometheus.range(
      'min_over_time(mte_relay_ready{pod="relay-redis"}[10s])',
      since,
      Date.now() / 1000,
    );
    expect(ready?.values.map(([, value]) => value)).toContain(0);
    const [failed] = await observed.prometheus.now('sum(mte_relay_store_failures_total)');
    expect(failed?.values[0]?.[1]).toBeGreaterThan(0);
  },
);
