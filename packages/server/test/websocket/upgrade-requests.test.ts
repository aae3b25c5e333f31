// Every kind of upgrade that is not a welcome WebSocket handshake, and ordinary requests that ask for one in passing.
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { WEBSOCKET_SUBPROTOCOL } from '@mte-relay/protocol';
import { SealedClient, send } from '@mte-relay/testing/sealed-client';
import { listen } from '@mte-relay/testing/servers';
import { TEST_ORIGIN } from '@mte-relay/testing/settings';
import { stage } from '@mte-relay/testing/stage';
import { expect, onTestFinished, test } from 'vitest';

const HANDSHAKE: Record<string, string> = {
  host: 'relay.example',
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  'sec-websocket-protocol': WEBSOCKET_SUBPROTOCOL,
};

/** Sends a handshake as it is and reads until the relay closes, or responds 101. */
function handshake(
  port: number,
  path: string,
  changes: Record<string, string | undefined> = {},
  line = `GET ${path} HTTP/1.1`,
): Promise<{ status: number; text: string }> {
  const fields = Object.entries({ ...HANDSHAKE, ...changes }).filter(([, value]) => value !== undefined);
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    const done = (): void => {
      socket.destroy();
      resolve({ status: Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]), text });
    };
    socket.on('data', (bytes: Buffer) => {
      text += bytes.toString('latin1');
      if (text.startsWith('HTTP/1.1 101') && text.includes('\r\n\r\n')) done();
    });
    socket.on('end', done);
    socket.on('error', reject);
    socket.write(`${line}\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`);
  });
}

test('a good handshake gets 101 with the protocol’s version, without compression', async () => {
  const { port } = await stage(undefined, { environment: { HEADERS: '{"x-edge":"1"}' } });
  const extensions = { 'sec-websocket-extensions': 'permessage-deflate' };
  const { status, text } = await handshake(port, '/api/mte-ws', { ...extensions, origin: TEST_ORIGIN });
  expect(status).toBe(101);
  expect(text).toContain('Sec-WebSocket-Protocol: mte-relay.1\r\n');
  expect(text).toContain('Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n'); // RFC 6455 §1.3
  expect(text).toContain('x-edge: 1\r\n');
  expect(text.toLowerCase()).not.toContain('sec-websocket-extensions');
});

test.each([
  ['another version', { 'sec-websocket-version': '8' }, 426, 'upgrade-required'],
  ['no key', { 'sec-websocket-key': undefined }, 400, 'malformed'],
  ['a short key', { 'sec-websocket-key': 'AAAA' }, 400, 'malformed'],
  ['no subprotocol', { 'sec-websocket-protocol': undefined }, 426, 'version-unsupported'],
  ['another subprotocol', { 'sec-websocket-protocol': 'mte-relay.2, chat' }, 426, 'version-unsupported'],
  ['a subprotocol twice', { 'sec-websocket-protocol': 'mte-relay.1, mte-relay.1' }, 400, 'malformed'],
  ['a broken list of subprotocols', { 'sec-websocket-protocol': 'mte-relay.1,, chat' }, 400, 'malformed'],
  ['another origin', { origin: 'https://evil.example' }, 403, 'origin-refused'],
])('a handshake with %s is refused with its own code', async (_what, changes, status, code) => {
  const { port } = await stage(undefined, { environment: { HEADERS: '{"x-edge":"1"}' } });
  const response = await handshake(port, '/api/mte-ws', changes);
  expect(response.status).toBe(status);
  expect(response.text).toContain('x-edge: 1\r\n');
  expect(response.text).toMatch(/^x-request-id: /m);
  expect(response.text).toContain(`"code":"${code}"`);
  expect(response.text.toLowerCase()).toContain('connection: ');
  if (code === 'upgrade-required') expect(response.text.toLowerCase()).toContain('sec-websocket-version: 13');
});

test('a handshake elsewhere gets 404, an ambiguous path 400', async () => {
  const { port, seen } = await stage(undefined, { environment: { PASS_THROUGH_ROUTES: '/pub/*' } });
  for (const path of [
    '/',
    '/api/mte',
    '/api/mte-pair',
    '/api/mte-relay',
    '/api/mte-ws?x',
    '/api/mte-ws/',
    '/private',
  ]) {
    expect((await handshake(port, path)).status, path).toBe(404);
  }
  for (const path of ['/pub/../private', '//pub/', '/pub/%2e%2e/private']) {
    expect((await handshake(port, path)).status, path).toBe(400);
  }
  expect(seen).toEqual([]);
});

test('an ordinary request to the WebSocket endpoint gets 426, and counts', async () => {
  const { port, relay } = await stage();
  for (const method of ['GET', 'POST']) {
    const response = await send(port, '/api/mte-ws', { method });
    expect(response.status, method).toBe(426);
    expect(response.code).toBe('upgrade-required');
    expect(response.headers.upgrade).toBe('websocket');
  }
  expect(await relay.metrics()).toMatch(/^mte_relay_failures_total\{plane="outer",code="upgrade-required"\} 2$/m);
});

test.each(['h2c', 'websocket, h2c', 'TLS/1.0', 'foo'])(
  'a request that asks for %s in passing gets the response to one that does not',
  async (upgrade) => {
    const { port, seen } = await stage(undefined, { environment: { PASS_THROUGH_ROUTES: '/pub/*' } });
    const asking = { connection: 'Upgrade, HTTP2-Settings', upgrade, 'http2-settings': 'AAMAAABkAAQAAP__' };
    expect((await send(port, '/api/mte-relay', { method: 'GET', headers: asking })).status).toBe(200);
    expect((await send(port, '/pub/x', { method: 'GET', headers: asking })).status).toBe(200);
    expect(seen[0]?.headers['upgrade']).toBeUndefined();
    expect(seen[0]?.headers['http2-settings']).toBeUndefined();
  },
);

test('a sealed POST that carries an Upgrade field is an exchange like any other', async () => {
  const { port } = await stage();
  const client = await SealedClient.pair(port);
  const asking = { connection: 'Upgrade', upgrade: 'websocket' };
  expect((await client.fetch({ path: '/x' }, asking)).head.status).toBe(200);
});

test('a handshake of HTTP/1.0 is an ordinary request', async () => {
  const { port } = await stage();
  expect((await handshake(port, '', {}, 'GET /api/mte-ws HTTP/1.0')).status).toBe(426);
});

test.each([{ 'content-length': '3' }, { 'transfer-encoding': 'chunked' }])(
  'a handshake with %o is an ordinary request, whose content may come later',
  async (framing) => {
    const { port, relay, seen } = await stage(undefined, { environment: { PASS_THROUGH_ROUTES: '/pub/*' } });
    expect((await handshake(port, '/api/mte-ws', framing)).status).toBe(426);
    expect((await handshake(port, '/elsewhere', framing)).status).toBe(404);
    const asking = { ...HANDSHAKE, ...framing };
    expect((await send(port, '/pub/x', { method: 'GET', headers: asking, body: Buffer.from('abc') })).status).toBe(200);
    expect(seen[0]?.headers['upgrade']).toBeUndefined();
    // A program's own server, which takes every upgrade, hands over one with content too.
    const server = createServer().on('upgrade', (req, socket, head) => relay.upgrade(req, socket, head));
    onTestFinished(() => void server.close());
    expect((await handshake(await listen(server), '/api/mte-ws', framing)).status).toBe(426);
  },
);

test('a handshake behind a request that has no response yet is an ordinary request', async () => {
  const { port, relay } = await stage();
  const behind = (to: number, path: string) =>
    handshake(to, path, {}, `GET /api/mte-relay HTTP/1.1\r\nhost: a\r\n\r\nGET ${path} HTTP/1.1`);
  expect((await behind(port, '/api/mte-ws')).text).toMatch(/^HTTP\/1\.1 200 .*HTTP\/1\.1 426 /s);
  // A program's own server, which takes every upgrade, has no place for a second response.
  const server = createServer(relay.handler).on('upgrade', (req, socket, head) => relay.upgrade(req, socket, head));
  onTestFinished(() => void server.close());
  await behind(await listen(server), '/api/mte-ws').catch(() => undefined);
  expect((await send(port, '/api/mte-relay', { method: 'GET' })).status).toBe(200);
});
