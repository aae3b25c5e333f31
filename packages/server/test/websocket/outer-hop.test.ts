// What the wire between client and relay carries, seen by a TCP forwarder in between.
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { openOuter, TestWebSocket } from '../support/sealed-websocket.ts';
import { listenOn } from '../support/stage.ts';
import { webSocketStage } from '../support/websocket-stage.ts';

/** Forwards a port and keeps what crosses; client frames are unmasked so that they can be searched. */
async function tapped(port: number): Promise<{ port: number; toRelay: Buffer[]; toClient: Buffer[] }> {
  const toRelay: Buffer[] = [];
  const toClient: Buffer[] = [];
  const sockets: Socket[] = [];
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    sockets.push(near, far);
    near.on('data', (bytes: Buffer) => toRelay.push(bytes)).pipe(far);
    far.on('data', (bytes: Buffer) => toClient.push(bytes)).pipe(near);
  });
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: await listenOn(server), toRelay, toClient };
}

test('nothing of an inner WebSocket stands on the outer hop in clear', async () => {
  const { client, port, socket } = await webSocketStage({
    server: { noServer: true, handleProtocols: () => 'secret-protocol' },
  });
  const tap = await tapped(port);
  // Unmasked (RFC 6455 masks what clients send), so that a plaintext would be seen.
  const unmasked = { generateMask: (mask: Buffer) => void mask.fill(0) };
  const outer = await openOuter(tap.port, {}, unmasked);
  const ws = new TestWebSocket(outer);
  const { head } = await ws.begin(client, {
    path: '/secret-path',
    headers: [
      ['sec-websocket-protocol', 'secret-protocol'],
      ['authorization', 'secret-token'],
    ],
  });
  expect(head.headers).toContainEqual(['sec-websocket-protocol', 'secret-protocol']);
  await ws.sendMessage('secret-message');
  expect((await ws.nextMessage()).data.toString()).toBe('secret-message');
  (await socket()).ws.ping('secret-ping');
  await ws.next();
  const closed = once(outer, 'close');
  (await socket()).ws.close(4444, 'secret-reason');
  await ws.next();
  await closed;
  const visible = await openOuter(tap.port, {}, unmasked);
  visible.send('a marker in clear');
  await once(visible, 'close');
  const wire = Buffer.concat([...tap.toRelay, ...tap.toClient]).toString('latin1');
  expect(wire).toContain('a marker in clear'); // so the tap does see plaintext where there is one
  expect(wire).not.toContain('secret');
  expect(wire).not.toContain('relay.example');
});
