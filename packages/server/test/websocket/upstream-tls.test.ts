import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { SealedClient } from '@mte-relay/testing/sealed-client';
import { openOuter, TestWebSocket } from '@mte-relay/testing/sealed-websocket';
import { closeServer, listen } from '@mte-relay/testing/servers';
import { stage } from '@mte-relay/testing/stage';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { selfSigned } from '../support/certificate.ts';

const PAIR = selfSigned();
let server: Server;
let port: number;

beforeAll(async () => {
  const tls = { ...PAIR, ca: PAIR.cert, requestCert: true, rejectUnauthorized: false };
  server = createServer(tls);
  new WebSocketServer({ server }).on('connection', (ws, req) => {
    ws.on('message', (data) => ws.send(`${(req.socket as TLSSocket).authorized} ${data}`));
  });
  port = await listen(server);
});

afterAll(() => {
  closeServer(server);
});

function relayTo(environment: Record<string, string>) {
  const routes = { UPSTREAM: `https://localhost:${port}`, PASS_THROUGH_ROUTES: '/live' };
  return stage(undefined, { environment: { ...routes, ...environment } });
}

test('both forms reach an upstream over mutual TLS with the authority that is set', async () => {
  const relay = await relayTo({ UPSTREAM_CA: PAIR.cert, UPSTREAM_CERT: PAIR.cert, UPSTREAM_KEY: PAIR.key });
  const sealed = await TestWebSocket.open(await SealedClient.pair(relay.port));
  await sealed.sendMessage('sealed');
  expect((await sealed.nextMessage()).data.toString()).toBe('true sealed');
  const passed = new WebSocket(`ws://127.0.0.1:${relay.port}/live`);
  await once(passed, 'open');
  passed.send('passed');
  expect(String((await once(passed, 'message'))[0])).toBe('true passed');
  passed.terminate();
});

test('an upstream that no known authority vouches for gets neither', async () => {
  const relay = await relayTo({});
  const sealed = new TestWebSocket(await openOuter(relay.port));
  const response = await sealed.begin(await SealedClient.pair(relay.port));
  expect(response.header('mte-relay-failure')).toBe('upstream-unreachable');
  const passed = new WebSocket(`ws://127.0.0.1:${relay.port}/live`);
  await expect(once(passed, 'open')).rejects.toThrow('502');
});
