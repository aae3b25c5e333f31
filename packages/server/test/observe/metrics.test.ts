import { request } from 'node:http';
import { MemorySessionStore, type SessionStore } from '@mte-relay/server';
import { plaintextOf, SealedClient, send } from '@mte-relay/testing/sealed-client';
import { openOuter, TestWebSocket } from '@mte-relay/testing/sealed-websocket';
import { type Stage, stage } from '@mte-relay/testing/stage';
import { webSocketStage } from '@mte-relay/testing/websocket-stage';
import { expect, test } from 'vitest';
import { relaySeries } from '../support/admin.ts';

/** The changes of the series while something ran, without those of zero. */
async function changes(staged: Stage, run: () => Promise<unknown>): Promise<Record<string, number>> {
  const before = await relaySeries(staged);
  await run();
  // What is counted when a response closes, is counted a moment after the client has it.
  await expect.poll(async () => (await relaySeries(staged)).get('mte_relay_in_flight{kind="exchange"}')).toBe(0);
  const after = await relaySeries(staged);
  const changed = [...after].map(([name, value]) => [name, value - (before.get(name) ?? 0)] as const);
  return Object.fromEntries(changed.filter(([, difference]) => difference !== 0));
}

const short = (name: string): string => `mte_relay_${name}`;

test('one exchange is counted once in every family that it concerns', async () => {
  const staged = await stage();
  const client = await SealedClient.pair(staged.port);
  const { message } = await client.seal(plaintextOf({ method: 'POST', body: 'x'.repeat(1000) }));
  let responseBytes = 0;
  const changed = await changes(staged, async () => {
    responseBytes = (await client.post(message)).body.length;
  });
  expect(changed).toMatchObject({
    [short('requests_total{route="exchange",outcome="2xx"}')]: 1,
    [short('request_seconds_count{route="exchange",response="whole"}')]: 1,
    [short('upstream_seconds_count')]: 1,
    [short('decode_seconds_count')]: 1,
    [short('encode_seconds_count')]: 1,
    [short('bytes_total{route="exchange",direction="in"}')]: message.length,
    [short('bytes_total{route="exchange",direction="out"}')]: responseBytes,
  });
  expect(Object.keys(changed).filter((name) => name.includes('failures') || name.includes('limited'))).toEqual([]);
});

test('times are in seconds and buckets are cumulative', async () => {
  const staged = await stage((_req, res) => setTimeout(() => res.end(), 120));
  const client = await SealedClient.pair(staged.port);
  const changed = await changes(staged, () => client.fetch({}));
  const upstream = (le: string): number => changed[short(`upstream_seconds_bucket{le="${le}"}`)] ?? 0;
  expect([upstream('0.1'), upstream('1'), upstream('5'), upstream('+Inf')]).toEqual([0, 1, 1, 1]);
  expect(changed[short('upstream_seconds_sum')]).toBeGreaterThan(0.1);
  expect(changed[short('upstream_seconds_sum')]).toBeLessThan(5);
  const request = changed[short('request_seconds_sum{route="exchange",response="whole"}')] as number;
  expect(request).toBeGreaterThanOrEqual(changed[short('upstream_seconds_sum')] as number);
  expect(changed[short('decode_seconds_sum')]).toBeLessThan(5);
});

test('outcomes follow the inner status, and distinguish a stream from a whole response', async () => {
  const staged = await stage((req, res) => {
    if (req.url === '/missing') res.writeHead(404).end();
    else if (req.url === '/broken') res.writeHead(500).end();
    else {
      res.flushHeaders();
      setTimeout(() => res.end('late'), 20);
    }
  });
  const client = await SealedClient.pair(staged.port);
  const changed = await changes(staged, async () => {
    for (const path of ['/missing', '/broken', '/stream']) await client.fetch({ path });
  });
  expect(changed).toMatchObject({
    [short('requests_total{route="exchange",outcome="4xx"}')]: 1,
    [short('requests_total{route="exchange",outcome="5xx"}')]: 1,
    [short('requests_total{route="exchange",outcome="2xx"}')]: 1,
    [short('request_seconds_count{route="exchange",response="stream"}')]: 1,
    [short('request_seconds_count{route="exchange",response="whole"}')]: 2,
  });
});

test('refusals are counted by plane and code, replays apart', async () => {
  const staged = await stage();
  const client = await SealedClient.pair(staged.port);
  const { message } = await client.seal(plaintextOf({}));
  const changed = await changes(staged, async () => {
    await client.post(message);
    await client.post(message);
    await client.post(message.subarray(0, 50));
    await client.fetch({ path: '/../x' });
    await send(staged.port, '/nowhere', { method: 'GET' });
    await send(staged.port, '/api/mte', { method: 'PUT' });
  });
  expect(changed).toMatchObject({
    [short('replays_refused_total')]: 1,
    [short('failures_total{plane="outer",code="replayed"}')]: 1,
    [short('failures_total{plane="outer",code="unopenable"}')]: 1,
    [short('failures_total{plane="outer",code="not-found"}')]: 1,
    [short('failures_total{plane="outer",code="method-not-allowed"}')]: 1,
    [short('failures_total{plane="inner",code="path-refused"}')]: 1,
    [short('requests_total{route="exchange",outcome="refused"}')]: 3,
    [short('requests_total{route="exchange",outcome="4xx"}')]: 1,
    [short('requests_total{route="exchange",outcome="2xx"}')]: 1,
  });
});

test('an upstream that fails is an inner failure and an outcome of its class', async () => {
  const staged = await stage((req) => req.socket.destroy());
  const client = await SealedClient.pair(staged.port);
  const changed = await changes(staged, () => client.fetch({ method: 'POST' }));
  expect(changed).toMatchObject({
    [short('failures_total{plane="inner",code="upstream-failed"}')]: 1,
    [short('requests_total{route="exchange",outcome="5xx"}')]: 1,
  });
});

test('a client that disconnects counts as aborted', async () => {
  const staged = await stage(() => {});
  const client = await SealedClient.pair(staged.port);
  const { message } = await client.seal(plaintextOf({}));
  const changed = await changes(staged, async () => {
    const req = request({ port: staged.port, path: '/api/mte', method: 'POST', headers: MESSAGE });
    req.on('error', () => {});
    req.end(message);
    await expect.poll(() => staged.seen.length).toBe(1);
    expect((await relaySeries(staged)).get(short('in_flight{kind="exchange"}'))).toBe(1);
    req.destroy();
  });
  expect(changed[short('requests_total{route="exchange",outcome="aborted"}')]).toBe(1);
});

test('pairings, cancels and sessions are counted', async () => {
  const staged = await stage();
  const changed = await changes(staged, async () => {
    const client = await SealedClient.pair(staged.port);
    await client.cancel(5);
    await send(staged.port, '/api/mte-pair', { headers: PAIRING, body: new Uint8Array(10) });
  });
  expect(changed).toMatchObject({
    [short('pairings_total{outcome="paired"}')]: 1,
    [short('pairings_total{outcome="refused"}')]: 1,
    [short('pairing_seconds_count')]: 1,
    [short('sessions')]: 1,
    [short('requests_total{route="cancel",outcome="2xx"}')]: 1,
  });
});

test('pass-through requests have their own route, and their bytes both ways', async () => {
  const staged = await stage(
    (req, res) => {
      req.resume();
      req.on('end', () => res.end('y'.repeat(300)));
    },
    { environment: { PASS_THROUGH_ROUTES: '/up' } },
  );
  const changed = await changes(staged, () => send(staged.port, '/up', { body: new Uint8Array(70_000) }));
  expect(changed).toMatchObject({
    [short('requests_total{route="pass_through",outcome="2xx"}')]: 1,
    [short('request_seconds_count{route="pass_through",response="stream"}')]: 1,
    [short('upstream_seconds_count')]: 1,
    [short('bytes_total{route="pass_through",direction="in"}')]: 70_000,
    [short('bytes_total{route="pass_through",direction="out"}')]: 300,
  });
});

test('nothing that a client sends adds a series', async () => {
  const staged = await stage();
  const client = await SealedClient.pair(staged.port);
  const before = [...(await relaySeries(staged)).keys()];
  for (const method of ['GET', 'BREW', 'PROPFIND']) await client.fetch({ method, path: `/${method}` });
  for (const path of ['/a', '/b?c=d', '/api/mte/x']) await send(staged.port, path, { method: 'GET' });
  await send(staged.port, '/api/mte', { headers: { 'content-type': 'x/y', origin: 'https://evil.example' } });
  expect([...(await relaySeries(staged)).keys()]).toEqual(before);
});

test('two relays in one process count apart', async () => {
  const [first, second] = [await stage(), await stage()];
  await (await SealedClient.pair(first.port)).fetch({});
  expect((await relaySeries(first)).get(short('pairings_total{outcome="paired"}'))).toBe(1);
  expect((await relaySeries(second)).get(short('pairings_total{outcome="paired"}'))).toBe(0);
});

test('the relay times a session store that responds later, and not one in memory', async () => {
  const memory = new MemorySessionStore({ sessionsMax: 10, soleInstance: true });
  const sessions: SessionStore = {
    ready: true,
    birth: () => memory.birth(),
    create: (session) => memory.create(session),
    async find(sid) {
      await new Promise((resolve) => setTimeout(resolve, 30));
      return memory.find(sid);
    },
    claim: (session, n, purpose) => memory.claim(session as never, n, purpose),
    close: () => memory.close(),
  };
  const staged = await stage(undefined, { sessions });
  const client = await SealedClient.pair(staged.port);
  const changed = await changes(staged, () => client.fetch({}));
  expect(changed[short('store_seconds_count{operation="find"}')]).toBe(1);
  expect(changed[short('store_seconds_sum{operation="find"}')]).toBeGreaterThan(0.025);
  expect(changed[short('store_seconds_count{operation="claim"}')]).toBeUndefined();
});

test('WebSockets are in flight while they are open, are requests when they close, and have their limit', async () => {
  const { client, ...staged } = await webSocketStage({ environment: { WEBSOCKETS_MAX: '1' } });
  const socket = await TestWebSocket.open(client);
  expect((await relaySeries(staged)).get(short('in_flight{kind="websocket"}'))).toBe(1);
  await expect(openOuter(staged.port)).rejects.toThrow('503');
  await socket.send({ kind: 'close', code: 1000, reason: '' });
  await expect.poll(async () => (await relaySeries(staged)).get(short('in_flight{kind="websocket"}'))).toBe(0);
  const series = await relaySeries(staged);
  expect(series.get(short('requests_total{route="websocket",outcome="1xx"}'))).toBe(1);
  expect(series.get(short('limited_total{limit="WEBSOCKETS_MAX"}'))).toBe(1);
  expect(series.get(short('failures_total{plane="outer",code="unavailable"}'))).toBe(1);
});

const MESSAGE = { 'content-type': 'application/mte-relay' };
const PAIRING = { 'content-type': 'application/mte-relay-pairing' };
