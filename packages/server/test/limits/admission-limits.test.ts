import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { SealedClient, send } from '@mte-relay/testing/sealed-client';
import { stage } from '@mte-relay/testing/stage';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { expect, test } from 'vitest';
import { relaySeries } from '../support/admin.ts';

const limited = (limit: string): string => `mte_relay_limited_total{limit="${limit}"}`;

test('the relay closes a connection beyond CONNECTIONS_MAX as it opens, and accepts one when another has ended', async () => {
  const staged = await stage(undefined, { environment: { CONNECTIONS_MAX: '3' } });
  const held: Socket[] = [];
  for (let i = 0; i < 3; i += 1) {
    const socket = endsWithTest(connect(staged.port, '127.0.0.1'));
    await once(socket, 'connect');
    held.push(socket);
  }
  await expect.poll(async () => (await relaySeries(staged)).get('mte_relay_connections')).toBe(3);
  await expect(send(staged.port, '/api/mte-relay', { method: 'GET' })).rejects.toMatchObject({ code: 'ECONNRESET' });
  expect((await relaySeries(staged)).get(limited('CONNECTIONS_MAX'))).toBe(1);
  held[0]?.destroy();
  await expect.poll(async () => (await relaySeries(staged)).get('mte_relay_connections')).toBe(2);
  expect((await send(staged.port, '/api/mte-relay', { method: 'GET' })).status).toBe(200);
});

test('a request head beyond OUTER_HEAD_MAX_BYTES gets 431', async () => {
  const staged = await stage(undefined, { environment: { OUTER_HEAD_MAX_BYTES: '2048' } });
  const ask = (bytes: number): ReturnType<typeof send> =>
    send(staged.port, '/api/mte-relay', { method: 'GET', headers: { 'x-long': 'a'.repeat(bytes) } });
  expect((await ask(1_000)).status).toBe(200);
  const refused = await ask(3_000);
  expect(refused).toMatchObject({ status: 431, code: 'headers-too-large' });
  expect(refused.headers.connection).toBe('close');
  const series = await relaySeries(staged);
  expect(series.get(limited('OUTER_HEAD_MAX_BYTES'))).toBe(1);
  expect(series.get('mte_relay_failures_total{plane="outer",code="headers-too-large"}')).toBe(1);
});

test('more header fields than OUTER_FIELDS_MAX get 431, and the relay drops none in silence', async () => {
  const staged = await stage(undefined, {
    environment: { OUTER_FIELDS_MAX: '20', PASS_THROUGH_ROUTES: '/p' },
  });
  // node:http's client adds `host` and `connection`.
  const ask = (count: number): ReturnType<typeof send> =>
    send(staged.port, '/p', {
      method: 'GET',
      headers: Object.fromEntries(Array.from({ length: count - 2 }, (_, at) => [`x-${at}`, 'a'])),
    });
  expect((await ask(20)).status).toBe(200);
  expect(Object.keys(staged.seen[0]?.headers ?? {}).filter((name) => /^x-\d/.test(name))).toHaveLength(18);
  expect(await ask(21)).toMatchObject({ status: 431, code: 'headers-too-large' });
  expect((await relaySeries(staged)).get(limited('OUTER_FIELDS_MAX'))).toBe(1);
  expect(staged.seen).toHaveLength(1);
});

test('OUTER_FIELDS_MAX holds beyond node:http’s own limit too', async () => {
  const staged = await stage(undefined, { environment: { OUTER_HEAD_MAX_BYTES: '100000', OUTER_FIELDS_MAX: '5000' } });
  const ask = (count: number): ReturnType<typeof send> => {
    const headers = Object.fromEntries(Array.from({ length: count }, (_, at) => [`x-${at}`, 'a']));
    return send(staged.port, '/api/mte-relay', { method: 'GET', headers });
  };
  expect((await ask(4_900)).status).toBe(200);
  expect(await ask(5_100)).toMatchObject({ status: 431, code: 'headers-too-large' });
  expect((await relaySeries(staged)).get(limited('OUTER_FIELDS_MAX'))).toBe(1);
});

test('exchanges, pairings and pass-through requests share EXCHANGES_MAX', async () => {
  const waiting: (() => void)[] = [];
  const staged = await stage((_req, res) => waiting.push(() => res.end('ok')), {
    environment: { EXCHANGES_MAX: '2', PASS_THROUGH_ROUTES: '/p' },
  });
  const client = await SealedClient.pair(staged.port);
  const inProgress = [client.fetch({}), send(staged.port, '/p', { method: 'GET' })];
  await expect.poll(() => waiting.length).toBe(2);
  const refused = await send(staged.port, '/p', { method: 'GET' });
  expect(refused).toMatchObject({ status: 503, code: 'unavailable', headers: { 'retry-after': '2' } });
  await expect(SealedClient.pair(staged.port)).rejects.toThrow('503 unavailable');
  const series = await relaySeries(staged);
  expect(series.get(limited('EXCHANGES_MAX'))).toBe(2);
  expect(series.get('mte_relay_in_flight{kind="exchange"}')).toBe(1);
  expect(series.get('mte_relay_in_flight{kind="pass_through"}')).toBe(1);
  for (const finish of waiting) finish();
  await Promise.all(inProgress);
  await expect.poll(async () => (await relaySeries(staged)).get('mte_relay_in_flight{kind="exchange"}')).toBe(0);
  expect((await SealedClient.pair(staged.port)).parameters.window).toBeGreaterThan(0);
});
