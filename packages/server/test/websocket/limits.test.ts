import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { openOuter, TestWebSocket } from '@mte-relay/testing/sealed-websocket';
import type { Stage } from '@mte-relay/testing/stage';
import { webSocketStage } from '@mte-relay/testing/websocket-stage';
import { expect, test } from 'vitest';
import { relaySeries } from '../support/admin.ts';

/** How often the relay has met a limit. */
async function met(staged: Stage, limit: string): Promise<number | undefined> {
  return (await relaySeries(staged)).get(`mte_relay_limited_total{limit="${limit}"}`);
}

const bytes = (length: number) => new Uint8Array(length);

test('WEBSOCKETS_MAX bounds the WebSockets that are open at once; one that closes frees its place', async () => {
  const { client, port } = await webSocketStage({ environment: { WEBSOCKETS_MAX: '2' } });
  const first = await TestWebSocket.open(client);
  await TestWebSocket.open(client);
  await expect(openOuter(port)).rejects.toThrow('503');
  await first.send({ kind: 'close', code: 1000, reason: '' });
  await first.outerClosed;
  await delay(20);
  await TestWebSocket.open(client);
});

test('a message that comes byte by byte ends the WebSocket before it takes an object for each byte', async () => {
  const { port } = await webSocketStage();
  const outer = await openOuter(port);
  const closed = once(outer, 'close');
  const connection = Reflect.get(outer, '_socket') as Socket;
  connection.setNoDelay(true);
  connection.write(Buffer.from([0x82, 0xfe, 0xea, 0x60, 0, 0, 0, 0])); // a masked frame of 60,000 bytes
  for (let sent = 0; sent < 50_000 && outer.readyState === outer.OPEN; sent += 1) {
    connection.write(Buffer.alloc(1));
    await new Promise(setImmediate);
  }
  expect((await closed)[0]).toBe(1008);
});

test('a client’s message above WEBSOCKET_MESSAGE_MAX_BYTES ends with 1009 and never reaches the upstream whole', async () => {
  const staged = await webSocketStage({ environment: { WEBSOCKET_MESSAGE_MAX_BYTES: '100000' } });
  const { client, socket } = staged;
  const ws = await TestWebSocket.open(client);
  await ws.sendMessage(bytes(100_000));
  expect((await ws.nextMessage()).data).toHaveLength(100_000);
  await ws.sendMessage(bytes(100_001));
  expect(await ws.next()).toEqual({ kind: 'close', code: 1009, reason: 'message too big' });
  const upstream = await socket();
  expect((await upstream.closed).code).toBe(1006);
  expect(upstream.messages).toHaveLength(1);
  expect(await met(staged, 'WEBSOCKET_MESSAGE_MAX_BYTES')).toBe(1);
});

test('an upstream’s message above it closes both sides with 1009', async () => {
  const staged = await webSocketStage({ environment: { WEBSOCKET_MESSAGE_MAX_BYTES: '1000' } });
  const { client, socket } = staged;
  const ws = await TestWebSocket.open(client);
  (await socket()).ws.send(bytes(1001));
  expect(await ws.next()).toEqual({ kind: 'close', code: 1009, reason: 'message too big' });
  expect((await (await socket()).closed).code).toBe(1009);
  expect(await met(staged, 'WEBSOCKET_MESSAGE_MAX_BYTES')).toBe(1);
});

test('WEBSOCKET_FRAGMENTS_MAX bounds the pieces of a message, from either side', async () => {
  const staged = await webSocketStage({ environment: { WEBSOCKET_FRAGMENTS_MAX: '3' } });
  const { client, socket } = staged;
  const fits = await TestWebSocket.open(client);
  for (const kind of ['binary', 'more'] as const) await fits.send({ kind, final: false, data: bytes(1) });
  await fits.send({ kind: 'more', final: true, data: bytes(1) });
  expect((await fits.nextMessage()).data).toHaveLength(3);
  for (const kind of ['binary', 'more', 'more', 'more'] as const) {
    await fits.send({ kind, final: false, data: bytes(1) });
  }
  expect(await fits.next()).toMatchObject({ kind: 'close', code: 1009 });
  const other = await TestWebSocket.open(client);
  for (let i = 0; i < 4; i += 1) (await socket(1)).ws.send(bytes(1), { fin: false });
  expect(await other.next()).toMatchObject({ kind: 'close', code: 1009 });
  expect(await met(staged, 'WEBSOCKET_FRAGMENTS_MAX')).toBe(2);
});

test('an outer message that no sealed one is as long as is cut off by its length alone', async () => {
  const { client, socket } = await webSocketStage();
  const ws = await TestWebSocket.open(client);
  ws.outer.send(bytes(65_596));
  expect((await ws.outerClosed).code).toBe(1009);
  expect((await (await socket()).closed).code).toBe(1006);
});

test('the relay closes a client that does not send an opening message in time', async () => {
  const { port } = await webSocketStage({ environment: { CLIENT_IDLE_TIMEOUT_MS: '150' } });
  const [code, reason] = (await once(await openOuter(port), 'close')) as [number, Buffer];
  expect([code, reason.toString()]).toEqual([4408, 'timeout']);
});

test('a client that returns pongs may be silent for long; the relay closes one that does not with 1001', async () => {
  const staged = await webSocketStage({ environment: { WEBSOCKET_IDLE_TIMEOUT_MS: '200' } });
  const { client, socket } = staged;
  const alive = await TestWebSocket.open(client);
  const dead = new TestWebSocket(await openOuter(client.port, {}, { autoPong: false }));
  await dead.begin(client);
  expect(await dead.next()).toEqual({ kind: 'close', code: 1001, reason: 'no sign of life' });
  expect(await (await socket(1)).closed).toEqual({ code: 1001, reason: 'no sign of life' });
  await delay(500);
  await alive.sendMessage('still here');
  expect((await alive.nextMessage()).data.toString()).toBe('still here');
  expect(await met(staged, 'WEBSOCKET_IDLE_TIMEOUT_MS')).toBe(1);
});

test('a WebSocket lives no longer than WEBSOCKET_LIFETIME_MS', async () => {
  const staged = await webSocketStage({ environment: { WEBSOCKET_LIFETIME_MS: '200' } });
  const { client, socket } = staged;
  const ws = await TestWebSocket.open(client);
  expect(await ws.next()).toEqual({ kind: 'close', code: 1001, reason: 'lifetime over' });
  expect((await ws.outerClosed).code).toBe(1001);
  expect((await (await socket()).closed).code).toBe(1001);
  expect(await met(staged, 'WEBSOCKET_LIFETIME_MS')).toBe(1);
});

test('the relay disconnects a client that pings without end and reads no pong', async () => {
  const { client, socket } = await webSocketStage();
  const ws = await TestWebSocket.open(client);
  ws.outer.pause();
  for (let i = 0; i < 200_000; i += 1) ws.outer.ping(Buffer.alloc(125));
  expect((await (await socket()).closed).code).toBe(1006);
  ws.outer.resume();
  await ws.outerClosed;
});
