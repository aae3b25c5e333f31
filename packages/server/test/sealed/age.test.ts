// A request that was held back on its way is too old to run, on both sealed ways (SPEC §7).
import { setTimeout as sleep } from 'node:timers/promises';
import { concatBytes, encodeContent, encodeRequestStart, type Fields } from '@mte-relay/protocol';
import { sdkClient } from '@mte-relay/testing/sdk-client';
import { openResponse, plaintextOf, SealedClient, withSentTime } from '@mte-relay/testing/sealed-client';
import { openOuter, TestWebSocket } from '@mte-relay/testing/sealed-websocket';
import { stage } from '@mte-relay/testing/stage';
import { webSocketStage } from '@mte-relay/testing/websocket-stage';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { RelayClock } from '../../src/sessions/clock.ts';
import { openUpload } from '../support/sealed-upload.ts';

afterEach(() => void vi.restoreAllMocks());

const AGE_MAX_MS = 120_000;
const sentAt = (text: string): Fields => [['mte-relay-sent-ms', text]];
const msAgo = (ms: number): string => String(Date.now() - ms);

interface Outcome {
  readonly status: number;
  header(name: string): string | undefined;
}

/** One request with these fields, on each sealed way. */
const WAYS: readonly [string, (client: SealedClient, headers: Fields) => Promise<Outcome>][] = [
  [
    'exchange',
    async (client, headers) => {
      const response = await client.fetch({ method: 'POST', path: '/pay', headers });
      return { status: response.head.status, header: response.header };
    },
  ],
  [
    'WebSocket',
    async (client, headers) => {
      const socket = new TestWebSocket(await openOuter(client.port));
      const response = await socket.begin(client, { path: '/pay', headers });
      return { status: response.head.status, header: response.header };
    },
  ],
];

describe.each(WAYS)('%s', (_name, send) => {
  test.each([
    ['older than the limit', () => msAgo(AGE_MAX_MS + 2_000)],
    ['an hour old', () => msAgo(3_600_000)],
    ['of the beginning of time', () => '0'],
    ['from further in the future than the limit', () => msAgo(-AGE_MAX_MS - 2_000)],
  ])('%s: refused inside the seal with the relay’s time, and the upstream sees nothing', async (_age, sent) => {
    const { port, seen } = await stage();
    const client = await SealedClient.pair(port);
    const outcome = await send(client, sentAt(sent()));
    expect(outcome.status).toBe(408);
    expect(outcome.header('mte-relay-failure')).toBe('request-stale');
    expect(Math.abs(Number(outcome.header('mte-relay-time-ms')) - Date.now())).toBeLessThan(2_000);
    expect(seen).toEqual([]);
  });

  test.each([
    ['just sealed', () => msAgo(0)],
    ['almost too old', () => msAgo(AGE_MAX_MS - 10_000)],
    ['from the future, within the limit', () => msAgo(-AGE_MAX_MS + 10_000)],
  ])('%s: forwarded, without the field', async (_age, sent) => {
    const { port, seen } = await stage();
    const outcome = await send(await SealedClient.pair(port), sentAt(sent()));
    expect(outcome.header('mte-relay-failure')).not.toBe('request-stale');
    expect(seen).toHaveLength(1);
    expect(JSON.stringify(seen)).not.toContain('sent-ms');
  });

  test.each(['', '-1', '1e12', '0x10', '1.5', 'now', '1'.repeat(16)])('a time of "%s" is malformed', async (text) => {
    const { port, seen } = await stage();
    const outcome = await send(await SealedClient.pair(port), sentAt(text));
    expect([outcome.status, outcome.header('mte-relay-failure')]).toEqual([400, 'request-malformed']);
    expect(seen).toEqual([]);
  });
});

test('a request that states no time is malformed', async () => {
  const { port, seen } = await stage();
  const client = await SealedClient.pair(port);
  const head = plaintextOf({ headers: sentAt('0000000000000') });
  const at = Buffer.from(head).indexOf('mte-relay-sent-ms');
  head[at] = 'n'.charCodeAt(0); // another name of the same length
  const { exchange, message } = await client.seal(head);
  const response = await openResponse(exchange, await client.post(message));
  expect(response.header('mte-relay-failure')).toBe('request-malformed');
  expect(seen).toEqual([]);
});

test('MESSAGE_AGE_MAX_MS: held back for longer, a POST is refused, and a copy of it was used before', async () => {
  const { port, seen } = await stage(undefined, { environment: { MESSAGE_AGE_MAX_MS: '1000' } });
  const client = await SealedClient.pair(port);
  expect(client.parameters.messageAgeMaxMs).toBe(1_000);
  const { exchange, message } = await client.seal(plaintextOf({ method: 'POST', path: '/pay' }));
  await sleep(1_200);
  const response = await openResponse(exchange, await client.post(message));
  expect(response.header('mte-relay-failure')).toBe('request-stale');
  expect((await client.post(message)).code).toBe('replayed'); // the refusal proves that it never runs
  expect(seen).toEqual([]);
});

test('a refused number cannot be run by a cancel, nor is it reported as cancelled', async () => {
  const { port } = await stage();
  const client = await SealedClient.pair(port);
  const n = client.nextN;
  await client.fetch({ headers: sentAt('0') });
  expect(await client.cancel(n)).toBe(false);
});

test('an upstream cannot state the relay’s time', async () => {
  const { port } = await stage((_req, res) => {
    res.writeHead(200, { 'mte-relay-time-ms': '1', 'x-kept': '1' });
    res.end();
  });
  const response = await (await SealedClient.pair(port)).fetch({});
  expect(response.header('x-kept')).toBe('1');
  expect(response.header('mte-relay-time-ms')).toBeUndefined();
});

test('the relay’s time does not go back when its clock is set back, and follows it forward', () => {
  const clock = new RelayClock();
  const realNow = Date.now;
  const startMs = clock.nowMs;
  const wall = vi.spyOn(Date, 'now').mockImplementation(() => realNow() - 3_600_000);
  const backMs = clock.nowMs;
  expect(backMs - startMs).toBeGreaterThanOrEqual(0);
  expect(backMs - startMs).toBeLessThan(5_000);
  wall.mockImplementation(() => realNow() + 3_600_000);
  expect(clock.nowMs - startMs).toBeGreaterThanOrEqual(3_600_000);
  wall.mockImplementation(realNow);
  expect(clock.nowMs - startMs).toBeGreaterThanOrEqual(3_600_000);
});

test('a clock that is set back does not make a held request young again', async () => {
  const { port, seen } = await stage();
  const client = await SealedClient.pair(port);
  await client.fetch({}); // the relay has seen this time
  const { exchange, message } = await client.seal(plaintextOf({ method: 'POST', headers: sentAt(msAgo(3_600_000)) }));
  const realNow = Date.now;
  vi.spyOn(Date, 'now').mockImplementation(() => realNow() - 3_600_000);
  const response = await openResponse(exchange, await client.post(message));
  expect(response.header('mte-relay-failure')).toBe('request-stale');
  expect(seen).toHaveLength(1);
});

test('an app’s WebSocket is opened anew by the relay’s time, once', async () => {
  const on = await webSocketStage();
  const client = sdkClient(on);
  await client.pair();
  const { get } = Object.getOwnPropertyDescriptor(RelayClock.prototype, 'nowMs') as { get(this: RelayClock): number };
  vi.spyOn(RelayClock.prototype, 'nowMs', 'get').mockImplementation(function (this: RelayClock) {
    return get.call(this) + 3_600_000;
  });
  const socket = new client.WebSocket('/chat');
  await new Promise<void>((resolve, reject) => {
    socket.onopen = () => resolve();
    socket.onerror = (event) => reject((event as ErrorEvent).error);
  });
  expect(on.upgrades).toHaveLength(1);
});

test('a cancel ends an upload whose rest is held back: its upstream request never looks complete', async () => {
  const aborted: string[] = [];
  const { port } = await stage((req) => {
    req.on('aborted', () => aborted.push('aborted'));
    req.on('end', () => aborted.push('complete'));
    req.resume();
  });
  const client = await SealedClient.pair(port);
  const n = client.nextN;
  const { exchange, req } = await openUpload(client);
  const failed = new Promise<string>((resolve) => req.on('error', (error) => resolve(error.message)));
  const head = { method: 'PUT', scheme: 'http', authority: 'relay.example', path: '/dose', headers: withSentTime() };
  req.write(await exchange.seal(concatBytes([encodeRequestStart(head), encodeContent(new Uint8Array(10))])));
  await sleep(100);
  expect(await client.cancel(n)).toBe(false);
  expect(await failed).toMatch(/socket hang up|ECONNRESET/);
  await expect.poll(() => aborted).toEqual(['aborted']);
});
