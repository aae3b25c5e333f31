// The bytes between client and relay, as a TCP forwarder in between sees them.
import { once } from 'node:events';
import { openOuter, TestWebSocket } from '@mte-relay/testing/sealed-websocket';
import { TcpForwarder } from '@mte-relay/testing/tcp-forwarder';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { webSocketStage } from '@mte-relay/testing/websocket-stage';
import { expect, test } from 'vitest';

test('nothing of an inner WebSocket stands on the outer hop in clear', async () => {
  const { client, port, socket } = await webSocketStage({
    server: { noServer: true, handleProtocols: () => 'secret-protocol' },
  });
  const tap = endsWithTest(await new TcpForwarder(() => port, { keeps: true }).start());
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
  const wire = tap.crossed.toString('latin1');
  expect(wire).toContain('a marker in clear'); // so the tap does see plaintext where there is one
  expect(wire).not.toContain('secret');
  expect(wire).not.toContain('relay.example');
});
