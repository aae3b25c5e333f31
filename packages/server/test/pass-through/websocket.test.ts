import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { send } from '@mte-relay/testing/sealed-client';
import { TestWebSocket } from '@mte-relay/testing/sealed-websocket';
import { TEST_ORIGIN } from '@mte-relay/testing/settings';
import { type WebSocketStageOptions, webSocketStage } from '@mte-relay/testing/websocket-stage';
import { expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { relaySeries } from '../support/admin.ts';

function passing(options: WebSocketStageOptions = {}) {
  return webSocketStage({ ...options, environment: { PASS_THROUGH_ROUTES: '/live/*', ...options.environment } });
}

async function open(
  port: number,
  path: string,
  protocols: string[] = [],
  headers: Record<string, string> = {},
): Promise<WebSocket> {
  const ws = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols, { headers });
  onTestFinished(() => ws.terminate());
  await once(ws, 'open');
  return ws;
}

const SWITCHING = 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n';

/** A raw upgrade, behind which bytes are bytes. */
async function raw(port: number, behind = ''): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => undefined);
  const key = 'sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n';
  socket.write(`GET /live/raw HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n${key}\r\n${behind}`);
  const [response] = (await once(socket, 'data')) as [Buffer];
  expect(response.toString()).toMatch(/^HTTP\/1\.1 101 /);
  return socket;
}

test('messages, pings, subprotocols, compression and close codes pass as they are', async () => {
  const { port, socket, upgrades } = await passing({
    server: { noServer: true, perMessageDeflate: true, handleProtocols: () => 'v1.chat' },
  });
  const ws = await open(port, '/live/a?b=1', ['v2.chat', 'v1.chat'], { 'x-forwarded-for': '6.6.6.6', cookie: 'a=1' });
  expect(ws.protocol).toBe('v1.chat');
  expect(ws.extensions).toBe('permessage-deflate');
  ws.send('grüße');
  expect(String((await once(ws, 'message'))[0])).toBe('grüße');
  const big = Buffer.alloc(1_048_576, 7);
  ws.send(big);
  expect(big.equals((await once(ws, 'message'))[0])).toBe(true);
  ws.ping('p');
  expect(String((await once(ws, 'pong'))[0])).toBe('p');
  ws.close(4001, 'enough');
  expect(await (await socket()).closed).toEqual({ code: 4001, reason: 'enough' });
  const seen = upgrades[0] as IncomingMessage;
  expect(seen.url).toBe('/live/a?b=1');
  expect(seen.headers['x-forwarded-for']).toBe('127.0.0.1');
  expect(seen.headers.cookie).toBe('a=1');
  expect(seen.headers.host).not.toContain(String(port));
});

test('the relay requests the very path that matched, and does not pass other routes', async () => {
  const { port, upgrades } = await passing();
  await open(port, '/%6cive/x');
  expect(upgrades[0]?.url).toBe('/live/x');
  await expect(open(port, '/other')).rejects.toThrow('404');
  expect(upgrades).toHaveLength(1);
});

test('only listed origins may open one, since no preflight asks first', async () => {
  const { port, upgrades } = await passing();
  await expect(open(port, '/live/x', [], { origin: 'https://evil.example' })).rejects.toThrow('403');
  expect(upgrades).toHaveLength(0);
  await open(port, '/live/x', [], { origin: TEST_ORIGIN });
});

test('names in Connection and fields of the hop do not reach the upstream', async () => {
  const { port, upgrades } = await passing({
    environment: { HEADERS: '{"x-edge":"1"}' },
    onUpgrade: (_req, socket) => void socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n'),
  });
  const hop = { connection: 'Upgrade, x-hop', upgrade: 'websocket', 'x-hop': '1', 'proxy-authorization': 'x' };
  await send(port, '/live/x', { method: 'GET', headers: hop });
  const { headers } = upgrades[0] as IncomingMessage;
  expect(headers['x-hop']).toBeUndefined();
  expect(headers['proxy-authorization']).toBeUndefined();
  expect(headers['x-edge']).toBe('1');
  expect(headers.connection).toBe('Upgrade');
});

test('an upstream’s refusal is passed as the HTTP response it is', async () => {
  const body = 'no token '.repeat(50_000);
  const { port, upstreamPort } = await passing({
    onUpgrade(_req, socket) {
      const location = `location: http://127.0.0.1:${upstreamPort}/login\r\n`;
      const head = `www-authenticate: Bearer\r\n${location}content-length: ${body.length}\r\n\r\n`;
      socket.end(`HTTP/1.1 401 Unauthorized\r\n${head}${body}`);
    },
  });
  const response = await send(port, '/live/x', {
    method: 'GET',
    headers: { connection: 'Upgrade', upgrade: 'websocket' },
  });
  expect(response.status).toBe(401);
  expect(response.headers['www-authenticate']).toBe('Bearer');
  expect(response.headers.location).toBe('/login');
  expect(Buffer.from(response.body).toString()).toBe(body);
});

test('an upstream that is unreachable, closes early or does not respond is 502, 502 and 504', async () => {
  const breaking = await passing({ onUpgrade: (_req, socket) => socket.destroy() });
  await expect(open(breaking.port, '/live/x')).rejects.toThrow('502');
  const silent = await passing({
    environment: { UPSTREAM_HEADERS_TIMEOUT_MS: '150' },
    onUpgrade: (_req, socket) => socket.resume(),
  });
  await expect(open(silent.port, '/live/x')).rejects.toThrow('504');
  const absent = await passing({ environment: { UPSTREAM: 'http://127.0.0.1:1' } });
  await expect(open(absent.port, '/live/x')).rejects.toThrow('502');
});

test('field values of the upstream’s handshake keep their bytes', async () => {
  const switching = Buffer.from(SWITCHING.replace('\r\n\r\n', '\r\nx-name: caf\xe9\r\n\r\n'), 'latin1');
  const { port } = await passing({ onUpgrade: (_req, socket) => void socket.write(switching) });
  const req = request({
    port,
    host: '127.0.0.1',
    path: '/live/x',
    headers: { connection: 'Upgrade', upgrade: 'websocket' },
  });
  req.end();
  const [res, socket] = (await once(req, 'upgrade')) as [IncomingMessage, Socket];
  socket.destroy();
  expect(res.headers['x-name']).toBe('caf\xe9');
});

test.runIf(process.platform === 'linux')(
  'TCP keep-alive probes an upstream that vanishes without a close',
  async () => {
    const { port, upstreamPort, client } = await passing();
    await open(port, '/live/x');
    await TestWebSocket.open(client);
    const hex = upstreamPort.toString(16).toUpperCase().padStart(4, '0');
    // Columns of proc(5): … rem_address st tx:rx tr:when; timer 02 far ahead is that of keep-alive.
    const towards = readFileSync('/proc/net/tcp', 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , remote, state]) => remote === `0100007F:${hex}` && state === '01');
    expect(towards).toHaveLength(2);
    for (const columns of towards) {
      const [timer, whenJiffies] = (columns[5] as string).split(':') as [string, string];
      expect(timer).toBe('02');
      expect(Number.parseInt(whenJiffies, 16)).toBeGreaterThan(1_000);
    }
  },
);

test('bytes behind either side’s handshake are not lost', async () => {
  const { port } = await passing({
    onUpgrade(_req, socket, head) {
      socket.write(`${SWITCHING}hello `);
      socket.write(`you said ${head.toString()}`);
      socket.on('data', (bytes) => socket.write(`you said ${bytes}`));
    },
  });
  const socket = await raw(port, 'early');
  let text = '';
  socket.on('data', (bytes: Buffer) => {
    text += bytes.toString();
  });
  while (!text.includes('early')) await delay(5);
});

test('an end of one direction leaves the other open', async () => {
  const { port } = await passing({
    onUpgrade(_req, socket) {
      socket.write(SWITCHING);
      let received = '';
      socket.on('data', (bytes) => {
        received += bytes;
      });
      socket.on('end', () => setTimeout(() => socket.end(`got ${received}`), 50));
    },
  });
  const socket = await raw(port);
  socket.end('all of it');
  let text = '';
  socket.on('data', (bytes: Buffer) => {
    text += bytes.toString();
  });
  await once(socket, 'end');
  expect(text).toBe('got all of it');
});

test('an end of the upstream leaves the client’s direction open', async () => {
  let received = '';
  const { port } = await passing({
    onUpgrade(_req, socket) {
      socket.end(`${SWITCHING}that is all`);
      socket.on('data', (bytes) => {
        received += bytes;
      });
    },
  });
  const socket = await raw(port);
  socket.resume();
  await delay(50);
  socket.write('not yet');
  await delay(50);
  socket.end(' but now');
  while (received !== 'not yet but now') await delay(5);
});

test('an abort of one side aborts the other', async () => {
  const ends: Duplex[] = [];
  const { port } = await passing({
    onUpgrade(_req, socket) {
      socket.write(SWITCHING);
      socket.resume();
      ends.push(socket);
    },
  });
  const aborting = await raw(port);
  const upstreamClosed = new Promise((resolve) => (ends[0] as Duplex).on('close', resolve));
  aborting.resetAndDestroy();
  await upstreamClosed;
  const aborted = await raw(port);
  const failed = new Promise<NodeJS.ErrnoException>((resolve) => aborted.on('error', resolve));
  (ends[1] as Socket).resetAndDestroy();
  expect((await failed).code).toBe('ECONNRESET');
});

test('a client that reads slowly holds the upstream back', async () => {
  const total = 64 * 1024 * 1024;
  let written = 0;
  const { port } = await passing({
    onUpgrade(_req, socket) {
      socket.write(SWITCHING);
      const piece = Buffer.alloc(65_536, 1);
      const pump = (): void => {
        while (written < total) {
          written += piece.length;
          if (!socket.write(piece)) return void socket.once('drain', pump);
        }
        socket.end();
      };
      setTimeout(pump, 50);
    },
  });
  const socket = await raw(port);
  socket.pause();
  await delay(800);
  expect(written).toBeLessThan(total / 2);
  let read = 0;
  socket.on('data', (bytes: Buffer) => {
    read += bytes.length;
  });
  socket.resume();
  await once(socket, 'end');
  expect(read).toBe(total);
});

test('the relay cuts off both sides of one that carries nothing for WEBSOCKET_IDLE_TIMEOUT_MS', async () => {
  const staged = await passing({ environment: { WEBSOCKET_IDLE_TIMEOUT_MS: '2000' } });
  const { port, socket } = staged;
  const ws = await open(port, '/live/x');
  for (let i = 0; i < 3; i += 1) {
    await delay(800);
    ws.ping();
    await once(ws, 'pong');
  }
  const [code] = (await once(ws, 'close')) as [number];
  expect(code).toBe(1006);
  expect((await (await socket()).closed).code).toBe(1006);
  expect((await relaySeries(staged)).get('mte_relay_limited_total{limit="WEBSOCKET_IDLE_TIMEOUT_MS"}')).toBe(1);
});

test('WEBSOCKETS_MAX counts them too', async () => {
  const { port } = await passing({ environment: { WEBSOCKETS_MAX: '1' } });
  const ws = await open(port, '/live/x');
  await expect(open(port, '/live/x')).rejects.toThrow('503');
  ws.close();
  await once(ws, 'close');
  await delay(20);
  await open(port, '/live/x');
});

test('a relay that closes gives them SHUTDOWN_TIMEOUT_MS to end by themselves', async () => {
  const { relay, port } = await passing({ environment: { SHUTDOWN_TIMEOUT_MS: '300' } });
  const ws = await open(port, '/live/x');
  const startedMs = performance.now();
  const closing = relay.close();
  ws.send('still served');
  expect(String((await once(ws, 'message'))[0])).toBe('still served');
  await once(ws, 'close');
  await closing;
  expect(performance.now() - startedMs).toBeGreaterThanOrEqual(290);
});

test('the relay gives up an upstream that refuses and never ends its response after UPSTREAM_IDLE_TIMEOUT_MS', async () => {
  const { port } = await passing({
    environment: { UPSTREAM_IDLE_TIMEOUT_MS: '300' },
    onUpgrade: (_req, socket) => void socket.write('HTTP/1.1 403 Forbidden\r\ncontent-length: 9\r\n\r\nno'),
  });
  await expect(
    send(port, '/live/a', {
      method: 'GET',
      headers: {
        connection: 'upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      },
    }),
  ).rejects.toThrow();
});
