// Attacks that the other tests leave open, by paths, origins, keys, credentials and redirects: CVE-2022-35949,
// CVE-2026-55602, GHSA-v574-6498-x57v, CVE-2026-29057, CVE-2026-3635, CVE-2026-25223, CVE-2026-33805.
import { connect } from 'node:net';
import { plaintextOf, SealedClient, send } from '@mte-relay/testing/sealed-client';
import { TEST_ORIGIN } from '@mte-relay/testing/settings';
import { stage } from '@mte-relay/testing/stage';
import { expect, test } from 'vitest';

const ROUTES = { environment: { PASS_THROUGH_ROUTES: '/pub/*' } };
const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n';

test('a WebSocket handshake whose target is in absolute form is refused', async () => {
  const { port, seen } = await stage(undefined, ROUTES);
  for (const target of ['http://evil.example/pub/x', 'ws://evil.example/pub/x']) {
    expect(await handshakeStatus(port, target), target).toBe(400);
  }
  expect(seen).toHaveLength(0);
});

test('a fragment behind the query is refused too', async () => {
  const { port, seen } = await stage(undefined, ROUTES);
  expect((await send(port, '/pub/x?a#/secret', { method: 'GET' })).status).toBe(400);
  const client = await SealedClient.pair(port);
  expect((await client.fetch({ path: '/pub/x?a#/secret' })).header('mte-relay-failure')).toBe('path-refused');
  expect(seen).toHaveLength(0);
});

test('a page is of the relay’s own origin only when the whole host is', async () => {
  const { port } = await stage();
  const client = await SealedClient.pair(port);
  const patch = (host: string) => client.fetch({ method: 'PATCH' }, { origin: TEST_ORIGIN, host });
  expect((await patch('app.example')).head.status).toBe(200);
  for (const host of ['pp.example', 'app.exampl', 'app', 'https']) {
    expect((await patch(host)).header('mte-relay-failure'), host).toBe('method-refused');
  }
});

test.each([
  'application/mte-relay\t; x=1',
  'application/mte-relay\tx',
  'application/mte-relay; charset=utf-8',
  'Application/MTE-Relay',
])('content type %j is not that of a message on any path, nor of a pairing', async (type) => {
  const { port, seen } = await stage();
  const client = await SealedClient.pair(port);
  const { message } = await client.seal(plaintextOf({ path: '/notes' }));
  for (const [path, status] of [
    ['/api/mte', 415],
    ['/notes', 404],
  ] as const) {
    expect((await send(port, path, { headers: { 'content-type': type }, body: message })).status, path).toBe(status);
  }
  const pairing = type.replace(/relay/i, '$&-pairing');
  const refused = await send(port, '/api/mte-pair', { headers: { 'content-type': pairing } });
  expect(refused).toMatchObject({ status: 415, code: 'media-type-unsupported' });
  expect(seen).toHaveLength(0);
});

test('of several hosts and schemes that a trusted proxy passes on, its own word counts', async () => {
  const { port, seen } = await stage(undefined, {
    environment: { PASS_THROUGH_ROUTES: '/pub/*', TRUSTED_PROXIES: '127.0.0.1' },
  });
  const headers = { 'x-forwarded-host': 'evil.example, app.example', 'x-forwarded-proto': 'http, https' };
  await send(port, '/pub/x', { method: 'GET', headers });
  expect(seen[0]?.headers).toMatchObject({ 'x-forwarded-host': 'app.example', 'x-forwarded-proto': 'https' });
});

test('credentials and names that belong to one hop do not reach the upstream', async () => {
  const { port, seen } = await stage(undefined, ROUTES);
  const client = await SealedClient.pair(port);
  const names = ['proxy-authorization', 'proxy-connection', 'proxy-authenticate', 'http2-settings'];
  const others = ['trailer', 'expect', 'x-real-ip', 'mte-relay-client-id'];
  await client.fetch({ headers: [...names, ...others].map((name) => [name, 'mine']) });
  await send(port, '/pub/x', { method: 'GET', headers: Object.fromEntries(names.map((name) => [name, 'mine'])) });
  expect(seen).toHaveLength(2);
  for (const { rawHeaders } of seen) expect(rawHeaders).not.toContain('mine');
});

test('an upstream’s hop-by-hop fields, and those that its Connection lists, stay behind', async () => {
  const { port } = await stage((_req, res) => {
    res.writeHead(200, {
      connection: 'x-listed',
      'x-listed': 'hop',
      'keep-alive': 'hop',
      'proxy-authenticate': 'hop',
      te: 'hop',
      upgrade: 'hop',
      trailer: 'hop',
      'transfer-encoding': 'chunked',
      'mte-relay-client-id': 'hop',
      'x-kept': 'end',
    });
    res.end();
  }, ROUTES);
  const sealed = await (await SealedClient.pair(port)).fetch({});
  expect(sealed.header('x-kept')).toBe('end');
  expect(sealed.head.headers.map(([, value]) => value)).not.toContain('hop');
  expect(sealed.header('transfer-encoding')).toBeUndefined();
  const plain = await send(port, '/pub/x', { method: 'GET' });
  expect(plain.headers['x-kept']).toBe('end');
  expect(Object.values(plain.headers)).not.toContain('hop');
});

test.each(['DELETE', 'OPTIONS', 'GET'])('a chunked %s on a pass-through route keeps its body', async (method) => {
  const { port, seen } = await stage(undefined, ROUTES);
  const headers = { 'transfer-encoding': 'chunked' };
  const response = await send(port, '/pub/x', { method, headers, body: Buffer.from(SMUGGLED) });
  expect(JSON.parse(Buffer.from(response.body).toString())).toEqual({ method, url: '/pub/x', body: SMUGGLED });
  expect((await send(port, '/pub/y', { method: 'GET' })).status).toBe(200);
  expect(seen.map(({ url }) => url)).toEqual(['/pub/x', '/pub/y']);
});

test('a redirect of the upstream is never followed by the relay, on any route, and does not name the upstream', async () => {
  const { port, seen } = await stage((req, res) => {
    res.writeHead(302, { location: `http://${req.headers.host}/internal?x` }).end();
  }, ROUTES);
  const sealed = await (await SealedClient.pair(port)).fetch({ path: '/a' });
  expect([sealed.head.status, sealed.header('location')]).toEqual([302, '/internal?x']);
  const plain = await send(port, '/pub/a', { method: 'GET' });
  expect([plain.status, plain.headers.location]).toEqual([302, '/internal?x']);
  expect(seen.map(({ url }) => url)).toEqual(['/a', '/pub/a']);
});

test('a redirect to an origin that only begins like the upstream’s stays as it is', async () => {
  let rest = '';
  const { port } = await stage((req, res) => {
    res.writeHead(302, { location: `http://${req.headers.host}${rest}` }).end();
  });
  const client = await SealedClient.pair(port);
  for (rest of ['0/x', '.evil.example/x', '@evil.example/x']) {
    expect((await client.fetch({})).header('location'), rest).toMatch(/^http:/);
  }
  for (const [inside, location] of [
    ['', '/'],
    ['/', '/'],
    ['?x', '/?x'],
  ] as const) {
    rest = inside;
    expect((await client.fetch({})).header('location'), inside).toBe(location);
  }
});

test('a redirect below the path in UPSTREAM does not name that path', async () => {
  const { port } = await stage(
    (req, res) => {
      res.writeHead(302, { location: `http://${req.headers.host}/internal/there` }).end();
    },
    { basePath: '/internal' },
  );
  const client = await SealedClient.pair(port);
  expect((await client.fetch({})).header('location')).toBe('/there');
});

test.each([
  ['a length beside chunked', 'content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['a coding behind chunked', 'transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n'],
  ['a control character in a value', 'x: a\x01b\r\ncontent-length: 0\r\n\r\n'],
  ['a bare CR between fields', 'x: a\r\n\rx: b\r\ncontent-length: 0\r\n\r\n'],
])('an outer request with %s is 400', async (_what, rest) => {
  const { port, seen } = await stage(undefined, ROUTES);
  expect(await rawStatus(port, `POST /pub/x HTTP/1.1\r\nhost: relay\r\n${rest}`)).toBe(400);
  expect(seen).toHaveLength(0);
});

/** The status of the response to a WebSocket handshake for exactly this target. */
function handshakeStatus(port: number, target: string): Promise<number> {
  const key = 'sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n';
  return rawStatus(
    port,
    `GET ${target} HTTP/1.1\r\nhost: relay\r\nconnection: upgrade\r\nupgrade: websocket\r\n${key}\r\n`,
  );
}

/** The status of the response to these bytes. */
function rawStatus(port: number, bytes: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    socket.once('data', (piece) => {
      resolve(Number(/^HTTP\/1\.1 (\d+)/.exec(piece.toString('latin1'))?.[1]));
      socket.destroy();
    });
    socket.on('error', reject);
  });
}
