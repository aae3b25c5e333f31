// An upstream whose status is invalid (RFC 9110 §15: three digits, 100 to 599): that one request fails, and never the
// process, which an exception in a callback of node:http would end.
import { createServer } from 'node:net';
import { SealedClient, send } from '@mte-relay/testing/sealed-client';
import { openOuter, TestWebSocket } from '@mte-relay/testing/sealed-websocket';
import { listen } from '@mte-relay/testing/servers';
import { stage } from '@mte-relay/testing/stage';
import { expect, onTestFinished, test } from 'vitest';

const HANDSHAKE = {
  connection: 'upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
};

/** A relay to an upstream that responds to everything with these three digits. */
async function respondingWith(status: string): Promise<number> {
  const upstream = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.end(`HTTP/1.1 ${status} X\r\ncontent-length: 0\r\n\r\n`));
  });
  onTestFinished(() => void upstream.close());
  const environment = {
    UPSTREAM: `http://127.0.0.1:${await listen(upstream)}`,
    PASS_THROUGH_ROUTES: '/pub/*',
  };
  return (await stage(undefined, { environment })).port;
}

test.each(['000', '099', '600', '999'])('%s is upstream-failed inside the seal', async (status) => {
  const client = await SealedClient.pair(await respondingWith(status));
  for (const headers of [[], [['trailer', 'x-sum']]] as [string, string][][]) {
    const response = await client.fetch({ method: 'POST', headers, body: 'x' });
    expect([response.head.status, response.header('mte-relay-failure')]).toEqual([502, 'upstream-failed']);
  }
  const upgrade = await new TestWebSocket(await openOuter(client.port)).begin(client);
  expect([upgrade.head.status, upgrade.header('mte-relay-failure')]).toEqual([502, 'upstream-failed']);
});

test.each(['000', '099'])('%s is upstream-failed on a pass-through route, WebSocket or not', async (status) => {
  const port = await respondingWith(status);
  const failed = { status: 502, code: 'upstream-failed' };
  expect(await send(port, '/pub/a', { method: 'GET' })).toMatchObject(failed);
  const trailed = { headers: { trailer: 'x-sum', 'transfer-encoding': 'chunked' }, body: new Uint8Array(1) };
  expect(await send(port, '/pub/a', trailed)).toMatchObject(failed);
  expect(await send(port, '/pub/ws', { method: 'GET', headers: HANDSHAKE })).toMatchObject(failed);
});
