import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { SealedClient } from './support/sealed-client.ts';
import { openOuter, TestWebSocket } from './support/sealed-websocket.ts';
import { listenOn, stage } from './support/stage.ts';

let folder: string;
let server: Server;
let port: number;
const pem = (name: string): string => readFileSync(join(folder, name), 'utf8');

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mte-relay-wss-'));
  const files = ['-keyout', join(folder, 'key'), '-out', join(folder, 'crt')];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  execFileSync('openssl', ['req', '-x509', ...key, ...files, ...names], { stdio: 'ignore' });
  const tls = { key: pem('key'), cert: pem('crt'), ca: pem('crt'), requestCert: true, rejectUnauthorized: false };
  server = createServer(tls);
  new WebSocketServer({ server }).on('connection', (ws, req) => {
    ws.on('message', (data) => ws.send(`${(req.socket as TLSSocket).authorized} ${data}`));
  });
  port = await listenOn(server);
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

function relayTo(environment: Record<string, string>) {
  const routes = { UPSTREAM: `https://localhost:${port}`, PASS_THROUGH_ROUTES: '/live' };
  return stage(undefined, { environment: { ...routes, ...environment } });
}

test('both forms reach an upstream over mutual TLS with the authority that is set', async () => {
  const relay = await relayTo({ UPSTREAM_CA: pem('crt'), UPSTREAM_CERT: pem('crt'), UPSTREAM_KEY: pem('key') });
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
  const answer = await sealed.begin(await SealedClient.pair(relay.port));
  expect(answer.header('mte-relay-failure')).toBe('upstream-unreachable');
  const passed = new WebSocket(`ws://127.0.0.1:${relay.port}/live`);
  await expect(once(passed, 'open')).rejects.toThrow('502');
});
