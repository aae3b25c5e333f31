import { createServer, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { SealedClient, send } from '@mte-relay/testing/sealed-client';
import { listen } from '@mte-relay/testing/servers';
import { TEST_ORIGIN } from '@mte-relay/testing/settings';
import { stage } from '@mte-relay/testing/stage';
import { expect, onTestFinished, test } from 'vitest';

const ROUTES = { environment: { PASS_THROUGH_ROUTES: '/health,/pub/*' } };

test('only the listed routes pass unsealed, matched on the path that is forwarded', async () => {
  const { port, seen } = await stage(undefined, ROUTES);
  for (const path of ['/health', '/health?x=1', '/pub/a/b', '/%70ub/a']) {
    expect((await send(port, path, { method: 'GET' })).status, path).toBe(200);
  }
  expect(seen.map(({ url }) => url)).toEqual(['/health', '/health?x=1', '/pub/a/b', '/pub/a']);
  for (const path of [
    '/health/x',
    '/HEALTH',
    '/pub',
    '/secret?x=/health',
    '/pub/../secret',
    '/pub/%2e%2e/secret',
    '/pub/..%2fsecret',
    '/pub/..;/secret',
    '/pub/.;a=1/..;b=2/secret',
    '/pub/%2e%2e%3b/secret',
    '//pub/x',
    '/pub/\\..\\secret',
  ]) {
    expect([400, 404], path).toContain((await send(port, path, { method: 'GET' })).status);
  }
  expect(seen).toHaveLength(4);
});

test('method, body, status and headers pass as they are, without the hop’s own', async () => {
  const { port, seen } = await stage((req, res) => {
    let length = 0;
    req.on('data', (piece: Buffer) => {
      length += piece.length;
    });
    req.on('end', () => res.writeHead(201, { 'x-api': '1', 'keep-alive': 'timeout=1' }).end(String(length)));
  }, ROUTES);
  const response = await send(port, '/pub/up', {
    headers: { 'x-forwarded-for': '6.6.6.6' },
    body: new Uint8Array(100_000),
  });
  expect(response.status).toBe(201);
  expect(response.headers['x-api']).toBe('1');
  expect(Buffer.from(response.body).toString()).toBe('100000');
  expect(seen[0]?.headers['x-forwarded-for']).toBe('127.0.0.1');
});

test.each([
  ['Latin-1', Buffer.from([0xe9])],
  ['UTF-8', Buffer.from('grüße')],
])('bytes of field values pass as they are, %s, either way', async (_name, bytes) => {
  const value = bytes.toString('latin1'); // as node:http reads and writes them
  const { port, seen } = await stage(
    // Text as content would make node:http write the head as UTF-8 too.
    (_req, res) => res.setHeader('x-bytes', value).end(Buffer.from('content')),
    ROUTES,
  );
  const response = await send(port, '/pub/bytes', { method: 'GET', headers: { 'x-bytes': value } });
  expect(response.headers['x-bytes']).toBe(value);
  expect(seen[0]?.headers['x-bytes']).toBe(value);
});

test('the relay’s CORS fields replace the upstream’s', async () => {
  const { port } = await stage((_req, res) => {
    res.setHeader('access-control-allow-origin', '*');
    res.setHeader('vary', 'accept-encoding');
    res.end();
  }, ROUTES);
  const listed = await send(port, '/health', { method: 'GET', headers: { origin: TEST_ORIGIN } });
  expect(listed.headers['access-control-allow-origin']).toBe(TEST_ORIGIN);
  const other = await send(port, '/health', { method: 'GET', headers: { origin: 'https://evil.example' } });
  expect(other.headers['access-control-allow-origin']).toBeUndefined();
  const none = await send(port, '/health', { method: 'GET' });
  expect(none.headers.vary).toBe('Origin, accept-encoding');
});

test('a target in absolute form, with a fragment or with a broken escape is refused', async () => {
  const { port, seen } = await stage(undefined, ROUTES);
  for (const target of ['http://evil.example/health', '/pub/x#y', '/pub/%zz', '*']) {
    expect(await rawStatus(port, target), target).toBe(400);
  }
  expect(seen).toHaveLength(0);
});

test('an unreachable upstream is 502 on the outer hop', async () => {
  const { port, upstream } = await stage(undefined, ROUTES);
  upstream.closeAllConnections();
  await new Promise((resolve) => upstream.close(resolve));
  expect(await send(port, '/health', { method: 'GET' })).toMatchObject({ status: 502, code: 'upstream-unreachable' });
});

test.each([
  ['closes early', 502, 'upstream-failed', (req: IncomingMessage) => void req.socket.destroy()],
  ['does not respond in time', 504, 'upstream-timeout', () => undefined],
])('an upstream that %s is %i, named as in a sealed response', async (_what, status, code, listener) => {
  const environment = { ...ROUTES.environment, UPSTREAM_HEADERS_TIMEOUT_MS: '300' };
  const { port } = await stage(listener, { environment });
  expect(await send(port, '/health', { method: 'GET' })).toMatchObject({ status, code });
});

test('a sealed request may ask for a pass-through path too', async () => {
  const { port } = await stage(undefined, ROUTES);
  const client = await SealedClient.pair(port);
  expect((await client.fetch({ path: '/health' })).head.status).toBe(200);
});

/** The status of a request whose target is sent exactly as it is. */
function rawStatus(port: number, target: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(`GET ${target} HTTP/1.1\r\nhost: relay\r\nconnection: close\r\n\r\n`);
    });
    let text = '';
    socket.on('data', (piece) => {
      text += piece.toString('latin1');
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1])));
  });
}

test('a page may read the fields that the API exposes, if it is of a listed origin', async () => {
  const { port } = await stage((_req, res) => {
    res.setHeader('access-control-expose-headers', ['x-total-count, link', 'etag']);
    res.setHeader('access-control-allow-origin', '*');
    res.end();
  }, ROUTES);
  const exposed = async (origin?: string): Promise<unknown> => {
    const response = await send(port, '/pub/x', { method: 'GET', headers: origin === undefined ? {} : { origin } });
    return response.headers['access-control-expose-headers'];
  };
  expect(await exposed(TEST_ORIGIN)).toBe('content-type, retry-after, x-total-count, link, etag');
  expect(await exposed('https://other.example')).toBeUndefined();
  expect(await exposed()).toBeUndefined();
});

test('TRACE is not passed through', async () => {
  const { port, seen } = await stage(undefined, ROUTES);
  const response = await send(port, '/pub/x', { method: 'TRACE', headers: { origin: TEST_ORIGIN } });
  expect(response).toMatchObject({ status: 405, code: 'method-not-allowed' });
  expect(response.headers['allow']).toContain('PATCH');
  expect(seen).toHaveLength(0);
});

test('a field that an embedding program has set stands alone, save vary and cookies', async () => {
  const { relay } = await stage((_req, res) => {
    const fields = { 'content-type': 'text/html', 'cache-control': 'max-age=60', 'set-cookie': 'u=1', vary: 'Accept' };
    res.writeHead(200, fields).end();
  }, ROUTES);
  const program = createServer((req, res) => {
    res.setHeader('content-type', 'text/plain').setHeader('cache-control', 'no-store').setHeader('set-cookie', 'm=1');
    relay.handler(req, res);
  });
  onTestFinished(() => void program.close());
  const response = await fetch(`http://127.0.0.1:${await listen(program)}/pub/x`);
  expect(response.headers.get('content-type')).toBe('text/plain');
  expect(response.headers.get('cache-control')).toBe('no-store');
  expect(response.headers.getSetCookie()).toEqual(['m=1', 'u=1']);
  expect(response.headers.get('vary')).toBe('Origin, Accept');
});
