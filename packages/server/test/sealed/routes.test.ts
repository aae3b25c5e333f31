import { openResponse, plaintextOf, SealedClient, send } from '@mte-relay/testing/sealed-client';
import { TEST_ORIGIN } from '@mte-relay/testing/settings';
import { stage } from '@mte-relay/testing/stage';
import { expect, test } from 'vitest';

const MESSAGE = { 'content-type': 'application/mte-relay' };

test('MTE_ROUTES are enforced on the decoded path, not on what stands outside', async () => {
  const { port, seen } = await stage(undefined, { environment: { MTE_ROUTES: '/api/v1/*,/exact' } });
  const client = await SealedClient.pair(port);
  for (const path of ['/api/v1/a', '/api/v1/', '/exact', '/exact?x=/other', '/%61pi/v1/b']) {
    expect((await client.fetch({ path })).head.status, path).toBe(200);
  }
  for (const path of [
    '/api/v1',
    '/admin',
    '/admin?x=/api/v1/a',
    '/API/v1/a',
    '/exact/',
    '/exact;x',
    '//exact',
    '/api/v1/../../admin',
    '/api/v1/..%2f..%2fadmin',
    '/api/v1/..;/..;/admin',
    '/api/v1/..%3B/admin',
  ]) {
    const response = await client.fetch({ path });
    expect([400, 404], path).toContain(response.head.status);
    expect(['route-refused', 'path-refused'], path).toContain(response.header('mte-relay-failure'));
  }
  expect(seen).toHaveLength(5);
});

test('a message on a visible path runs when the sealed path is the same', async () => {
  const { port, seen } = await stage();
  const client = await SealedClient.pair(port);
  const post = async (outer: string, inner: string): Promise<number> => {
    const { exchange, message } = await client.seal(plaintextOf({ method: 'DELETE', path: inner }));
    const response = await send(port, outer, { headers: MESSAGE, body: message });
    return (await openResponse(exchange, response)).head.status;
  };
  expect(await post('/notes/7', '/notes/7')).toBe(200);
  expect(await post('/notes/7', '/notes/7?secret=1')).toBe(200);
  expect(await post('/notes/7?a=1', '/notes/7?a=1')).toBe(200);
  for (const [outer, inner] of [
    ['/notes/7', '/notes/8'],
    ['/notes', '/admin'],
    ['/notes/7?a=1', '/notes/7?a=2'],
  ] as const) {
    expect(await post(outer, inner), `${outer} for ${inner}`).toBe(400);
  }
  expect(seen).toHaveLength(3);
});

test('only a POST of the exact content type is a message on a visible path', async () => {
  const { port, seen } = await stage();
  expect(
    (await send(port, '/notes', { headers: { 'content-type': 'application/json' }, body: new Uint8Array(50) })).status,
  ).toBe(404);
  expect((await send(port, '/notes', { method: 'PUT', headers: MESSAGE, body: new Uint8Array(50) })).status).toBe(404);
  const preflight = await send(port, '/notes', {
    method: 'OPTIONS',
    headers: { origin: TEST_ORIGIN, 'access-control-request-method': 'POST' },
  });
  expect(preflight.headers['access-control-allow-origin']).toBe(TEST_ORIGIN);
  expect(seen).toHaveLength(0);
});

test('HEADERS stand on every request to the upstream and on every response', async () => {
  const { port, seen } = await stage(undefined, {
    environment: { HEADERS: '{"x-service-name":"mte-relay"}', PASS_THROUGH_ROUTES: '/pub' },
  });
  const client = await SealedClient.pair(port);
  const response = await client.fetch({});
  expect(response.header('x-service-name')).toBe('mte-relay');
  expect(response.outer.headers['x-service-name']).toBe('mte-relay');
  for (const path of ['/pub', '/api/mte-relay', '/api/mte-echo?msg=x', '/nowhere']) {
    expect((await send(port, path, { method: 'GET' })).headers['x-service-name'], path).toBe('mte-relay');
  }
  expect(seen.map(({ headers }) => headers['x-service-name'])).toEqual(['mte-relay', 'mte-relay']);
});

test('a page of another origin may use CORS_METHODS alone; a client that is not a page may use any', async () => {
  const { port, seen } = await stage();
  const client = await SealedClient.pair(port);
  for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'HEAD']) {
    expect((await client.fetch({ method }, { origin: TEST_ORIGIN })).head.status, method).toBe(200);
  }
  const refused = await client.fetch({ method: 'PATCH' }, { origin: TEST_ORIGIN });
  expect(refused.head.status).toBe(405);
  expect(refused.header('mte-relay-failure')).toBe('method-refused');
  expect((await client.fetch({ method: 'PATCH' })).head.status).toBe(200);
  expect(seen.map(({ method }) => method)).toEqual(['GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'PATCH']);
});

test('CORS_METHODS can be widened', async () => {
  const { port } = await stage(undefined, { environment: { CORS_METHODS: 'GET,PATCH', PASS_THROUGH_ROUTES: '/pub' } });
  const client = await SealedClient.pair(port);
  expect((await client.fetch({ method: 'PATCH' }, { origin: TEST_ORIGIN })).head.status).toBe(200);
  expect((await client.fetch({ method: 'PUT' }, { origin: TEST_ORIGIN })).head.status).toBe(405);
  const preflight = await send(port, '/pub', {
    method: 'OPTIONS',
    headers: { origin: TEST_ORIGIN, 'access-control-request-method': 'PATCH' },
  });
  expect(preflight.headers['access-control-allow-methods']).toBe('GET, HEAD, POST, PATCH');
});
