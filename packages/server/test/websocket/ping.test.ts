import { once } from 'node:events';
import { TestWebSocket } from '@mte-relay/testing/sealed-websocket';
import { webSocketStage } from '@mte-relay/testing/websocket-stage';
import { expect, test } from 'vitest';

test('a client’s ping reaches the upstream with its data, and the pong comes back', async () => {
  const { client, socket } = await webSocketStage();
  const ws = await TestWebSocket.open(client);
  const pinged = once((await socket()).ws, 'ping');
  await ws.send({ kind: 'ping', data: Uint8Array.of(1, 2, 3) });
  expect((await pinged)[0]).toEqual(Buffer.of(1, 2, 3));
  expect(await ws.next()).toMatchObject({ kind: 'pong', data: Buffer.of(1, 2, 3) });
});

test('the client returns the pong for an upstream’s ping, not the relay', async () => {
  const { client, socket } = await webSocketStage();
  const ws = await TestWebSocket.open(client);
  const upstream = (await socket()).ws;
  let pongs = 0;
  upstream.on('pong', () => {
    pongs += 1;
  });
  upstream.ping(Buffer.of(9));
  const ping = await ws.next();
  expect(ping).toMatchObject({ kind: 'ping', data: Buffer.of(9) });
  await ws.sendMessage('behind the ping');
  await ws.nextMessage();
  expect(pongs).toBe(0);
  const ponged = once(upstream, 'pong');
  await ws.send({ kind: 'pong', data: Uint8Array.of(9) });
  expect((await ponged)[0]).toEqual(Buffer.of(9));
});
