import { setTimeout as delay } from 'node:timers/promises';
import { openOuter, TestWebSocket } from '@mte-relay/testing/sealed-websocket';
import { webSocketStage } from '@mte-relay/testing/websocket-stage';
import { expect, test } from 'vitest';

test('a client’s close code and reason reach the upstream, whose close frame ends both hops', async () => {
  const { client, socket } = await webSocketStage();
  const ws = await TestWebSocket.open(client);
  await ws.send({ kind: 'close', code: 4321, reason: 'genug für heute' });
  expect(await (await socket()).closed).toEqual({ code: 4321, reason: 'genug für heute' });
  expect(await ws.next()).toEqual({ kind: 'close', code: 4321, reason: 'genug für heute' });
  expect(await ws.outerClosed).toEqual({ code: 1000, reason: '' });
});

test('an upstream’s close code and reason reach the client sealed, and the outer hop does not reveal them', async () => {
  const { client, socket } = await webSocketStage();
  const ws = await TestWebSocket.open(client);
  (await socket()).ws.close(3999, 'ausverkauft');
  expect(await ws.next()).toEqual({ kind: 'close', code: 3999, reason: 'ausverkauft' });
  expect(await ws.outerClosed).toEqual({ code: 1000, reason: '' });
  expect(await (await socket()).closed).toEqual({ code: 3999, reason: 'ausverkauft' });
});

test('a close without a code stays without one, both ways', async () => {
  const { client, socket } = await webSocketStage();
  const first = await TestWebSocket.open(client);
  await first.send({ kind: 'close', code: undefined, reason: '' });
  expect(await (await socket(0)).closed).toEqual({ code: 1005, reason: '' });
  expect(await first.next()).toEqual({ kind: 'close', code: undefined, reason: '' });
  const second = await TestWebSocket.open(client);
  (await socket(1)).ws.close();
  expect(await second.next()).toEqual({ kind: 'close', code: undefined, reason: '' });
});

test('messages before a close all arrive before it', async () => {
  const { client, socket } = await webSocketStage();
  const ws = await TestWebSocket.open(client);
  const upstream = (await socket()).ws;
  for (let i = 0; i < 50; i += 1) upstream.send(String(i));
  upstream.close(1000, 'done');
  for (let i = 0; i < 50; i += 1) expect((await ws.nextMessage()).data.toString()).toBe(String(i));
  expect(await ws.next()).toEqual({ kind: 'close', code: 1000, reason: 'done' });
});

test('an upstream that closes without a close frame does not end cleanly: the client gets no sealed close', async () => {
  const { client, socket } = await webSocketStage();
  const ws = await TestWebSocket.open(client);
  (await socket()).ws.terminate();
  await expect(ws.next()).rejects.toThrow('the outer WebSocket ended');
  expect(await ws.outerClosed).toEqual({ code: 1014, reason: 'upstream-failed' });
});

test('a client that disconnects, or whose outer hop an intermediary closes, ends the upstream abnormally', async () => {
  const { client, socket } = await webSocketStage();
  (await TestWebSocket.open(client)).outer.terminate();
  expect((await (await socket(0)).closed).code).toBe(1006);
  (await TestWebSocket.open(client)).outer.close(1000, 'looks clean');
  expect((await (await socket(1)).closed).code).toBe(1006);
});

test('a client that disconnects before the upstream responds leaves no handshake behind', async () => {
  let gone = (): void => undefined;
  const upstreamGone = new Promise<void>((resolve) => {
    gone = resolve;
  });
  const { client, upgrades } = await webSocketStage({ onUpgrade: (_req, socket) => socket.on('end', gone).resume() });
  const ws = new TestWebSocket(await openOuter(client.port));
  ws.outer.send(await ws.sealOpening(client));
  while (upgrades.length === 0) await delay(5);
  ws.outer.terminate();
  await upstreamGone;
});

test('a piece of a message that never ends is never a message to the upstream', async () => {
  const { client, socket } = await webSocketStage();
  const ws = await TestWebSocket.open(client);
  await ws.send({ kind: 'text', final: false, data: new TextEncoder().encode('pay 100') });
  await delay(50);
  ws.outer.terminate();
  const upstream = await socket();
  expect((await upstream.closed).code).toBe(1006);
  expect(upstream.messages).toEqual([]);
});
