import { setTimeout as delay } from 'node:timers/promises';
import { openOuter, TestWebSocket } from '@mte-relay/testing/sealed-websocket';
import { webSocketStage } from '@mte-relay/testing/websocket-stage';
import { expect, test } from 'vitest';

test('a relay that shuts down closes inside the seal and to the upstream with 1001', async () => {
  const { client, relay, socket } = await webSocketStage({ environment: { SHUTDOWN_TIMEOUT_MS: '60000' } });
  const ws = await TestWebSocket.open(client);
  const startedMs = performance.now();
  const closing = relay.close();
  expect(await ws.next()).toEqual({ kind: 'close', code: 1001, reason: 'relay is closing' });
  expect((await ws.outerClosed).code).toBe(1001);
  expect((await (await socket()).closed).code).toBe(1001);
  await closing;
  expect(performance.now() - startedMs).toBeLessThan(30_000);
});

test('a WebSocket that is still opening is closed with 1001', async () => {
  const { client, relay, upgrades } = await webSocketStage({ onUpgrade: (_req, socket) => socket.resume() });
  const ws = new TestWebSocket(await openOuter(client.port));
  ws.outer.send(await ws.sealOpening(client));
  while (upgrades.length === 0) await delay(5);
  const closing = relay.close();
  expect((await ws.outerClosed).code).toBe(1001);
  await closing;
});
