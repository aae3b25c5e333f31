// The heads and trailers of an upstream are bounded by what a client can open (SPEC §11): the relay seals nothing
// that no client reads, since the request has run by then.
import type { ServerResponse } from 'node:http';
import { FIELD_COUNT_MAX } from '@mte-relay/protocol';
import { SealedClient } from '@mte-relay/testing/sealed-client';
import { openOuter, TestWebSocket } from '@mte-relay/testing/sealed-websocket';
import { stage } from '@mte-relay/testing/stage';
import { webSocketStage } from '@mte-relay/testing/websocket-stage';
import { expect, test } from 'vitest';

const OWN_FIELDS = 4; // of node:http, at most

function fields(count: number): [string, string][] {
  return Array.from({ length: count }, (_, at) => [`x-${at}`, 'v']);
}

async function respondedWith(listener: (res: ServerResponse) => void) {
  const { port } = await stage((_req, res) => listener(res));
  return (await SealedClient.pair(port)).fetch({ method: 'POST', body: 'x' });
}

test('the relay leaves out early hints beyond what a client opens, and the response arrives', async () => {
  const response = await respondedWith((res) => {
    for (let at = 0; at < 12; at += 1) res.writeEarlyHints({ link: `</${'x'.repeat(8_000)}>; rel=preload` });
    res.end('ok');
  });
  expect([response.head.status, response.text]).toEqual([200, 'ok']);
  expect(response.informational).toHaveLength(2);
});

test('more fields than a client opens are upstream-failed', async () => {
  const fits = await respondedWith((res) =>
    res.writeHead(200, Object.fromEntries(fields(FIELD_COUNT_MAX - OWN_FIELDS))).end(),
  );
  expect(fits.head.status).toBe(200);
  const over = await respondedWith((res) => res.writeHead(200, Object.fromEntries(fields(FIELD_COUNT_MAX + 1))).end());
  expect([over.head.status, over.header('mte-relay-failure')]).toEqual([502, 'upstream-failed']);
});

test('so are more trailers', async () => {
  const over = await respondedWith((res) => {
    res.writeHead(200, { trailer: 'x-0' });
    res.addTrailers(Object.fromEntries(fields(FIELD_COUNT_MAX + 1)));
    res.end('x');
  });
  expect([over.head.status, over.header('mte-relay-failure')]).toEqual([502, 'upstream-failed']);
});

test('and the fields with which a WebSocket is refused', async () => {
  const lines = fields(FIELD_COUNT_MAX + 1).map(([name, value]) => `${name}: ${value}\r\n`);
  const { client } = await webSocketStage({
    onUpgrade: (_req, socket) =>
      void socket.end(`HTTP/1.1 403 Forbidden\r\n${lines.join('')}content-length: 0\r\n\r\n`),
  });
  const response = await new TestWebSocket(await openOuter(client.port)).begin(client);
  expect([response.head.status, response.header('mte-relay-failure')]).toEqual([502, 'upstream-failed']);
});
