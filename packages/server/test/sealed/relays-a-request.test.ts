import { gzipSync } from 'node:zlib';
import { SealedClient } from '@mte-relay/testing/sealed-client';
import { stage } from '@mte-relay/testing/stage';
import { expect, test } from 'vitest';

test('method, path, query, body and end-to-end headers reach the upstream and the response comes back', async () => {
  const { port, seen } = await stage((req, res) => {
    req.resume();
    res.writeHead(
      201,
      [
        ['Content-Type', 'text/plain'],
        ['X-Multi', 'one'],
        ['X-Multi', 'two'],
      ].flat(),
    );
    res.end('made');
  });
  const client = await SealedClient.pair(port);
  const response = await client.fetch({
    method: 'PATCH',
    path: '/notes/7?tag=a%20b',
    headers: [
      ['content-type', 'text/plain'],
      ['x-app', 'yes'],
      ['x-app', 'again'],
    ],
    body: 'hello',
  });
  expect(response.head.status).toBe(201);
  expect(response.text).toBe('made');
  expect(response.head.headers.filter(([name]) => name === 'x-multi').map(([, value]) => value)).toEqual([
    'one',
    'two',
  ]);
  expect(seen).toHaveLength(1);
  expect(seen[0]).toMatchObject({ method: 'PATCH', url: '/notes/7?tag=a%20b' });
  expect(seen[0]?.headers).toMatchObject({
    'content-type': 'text/plain',
    'content-length': '5',
    'x-app': 'yes, again',
  });
});

test('a path in UPSTREAM is put before every request path', async () => {
  const { port, seen } = await stage(undefined, { basePath: '/base/' });
  await (await SealedClient.pair(port)).fetch({ path: '/x' });
  expect(seen.map(({ url }) => url)).toEqual(['/base/x']);
});

test('hop-by-hop fields, those that Connection lists, and forwarding claims of the client stop at the relay', async () => {
  const { port, seen } = await stage();
  const client = await SealedClient.pair(port);
  await client.fetch({
    headers: [
      ['connection', 'x-listed, x-forwarded-for, authorization'],
      ['x-listed', '1'],
      ['keep-alive', '1'],
      ['te', 'trailers'],
      ['transfer-encoding', 'chunked'],
      ['upgrade', 'h2c'],
      ['host', 'evil.example'],
      ['x-forwarded-for', '6.6.6.6'],
      ['x_forwarded_for', '6.6.6.6'],
      ['x-forwarded-host', 'evil.example'],
      ['forwarded', 'for=6.6.6.6'],
      ['x-kept', '1'],
      ['__proto__', 'p'],
      ['constructor', 'c'],
    ],
  });
  const names = (seen[0]?.rawHeaders ?? []).filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase());
  for (const gone of ['x-listed', 'keep-alive', 'te', 'transfer-encoding', 'upgrade', 'x_forwarded_for']) {
    expect(names).not.toContain(gone);
  }
  expect(JSON.stringify(seen)).not.toContain('6.6.6.6');
  expect(names).toContain('__proto__');
  expect(names).toContain('constructor');
  expect(seen[0]?.headers).toMatchObject({
    'x-kept': '1',
    'x-forwarded-for': '127.0.0.1',
    'x-forwarded-host': 'relay.example',
    'x-forwarded-proto': 'http',
  });
  expect(seen[0]?.headers.host).toMatch(/^127\.0\.0\.1:/);
});

test('no upstream field can pass for the mark of the relay itself', async () => {
  const { port } = await stage((_req, res) => {
    res.setHeader('mte-relay-failure', 'upstream-unreachable');
    res.end('hi');
  });
  const client = await SealedClient.pair(port);
  const response = await client.fetch({});
  expect(response.header('mte-relay-failure')).toBeUndefined();
});

test.each([
  [
    'two different lengths',
    [
      ['content-length', '3'],
      ['content-length', '4'],
    ],
  ],
  ['a length that is not the body’s', [['content-length', '4']]],
  ['a length that is not a number', [['content-length', '+3']]],
] as const)('%s is refused inside the seal and reaches no upstream', async (_name, headers) => {
  const { port, seen } = await stage();
  const client = await SealedClient.pair(port);
  const response = await client.fetch({ method: 'POST', headers, body: 'abc' });
  expect(response.head.status).toBe(400);
  expect(response.header('mte-relay-failure')).toBe('request-malformed');
  expect(seen).toHaveLength(0);
});

test.each([
  '/a/../b',
  '/a/%2e%2e/b',
  '/a/.%2E/b',
  '//evil/',
  '/\\evil',
  '/a%2fb',
  '/a%5cb',
  '/a%00b',
  '/a%zz',
  '/a#b',
  '/..',
  '/a/.',
])('the path %s is refused inside the seal and reaches no upstream', async (path) => {
  const { port, seen } = await stage();
  const client = await SealedClient.pair(port);
  const response = await client.fetch({ path });
  expect(response.head.status).toBe(400);
  expect(response.header('mte-relay-failure')).toBe('path-refused');
  expect(JSON.parse(response.text)).toMatchObject({ code: 'path-refused', upstreamSaw: 'no' });
  expect(seen).toHaveLength(0);
});

test.each([
  ['/%5B...slug%5D.js', '/%5B...slug%5D.js'],
  ['/%61dmin', '/admin'],
  ['/a%c3%a9?q=%2e%2e/#'.slice(0, -1), '/a%C3%A9?q=%2e%2e/'],
  ['/.well-known/x', '/.well-known/x'],
  ['/a..b/...', '/a..b/...'],
])('the path %s is forwarded as %s', async (path, forwarded) => {
  const { port, seen } = await stage();
  const client = await SealedClient.pair(port);
  expect((await client.fetch({ path })).head.status).toBe(200);
  expect(seen[0]?.url).toBe(forwarded);
});

test('a redirect is handed to the client, with the upstream’s own address taken out', async () => {
  const { port } = await stage((req, res) => {
    const own = `http://${req.headers.host}`;
    const location = req.url === '/in' ? `${own}/there?x=1` : 'https://elsewhere.example/';
    res.writeHead(302, { location }).end();
  });
  const client = await SealedClient.pair(port);
  expect((await client.fetch({ path: '/in' })).header('location')).toBe('/there?x=1');
  expect((await client.fetch({ path: '/out' })).header('location')).toBe('https://elsewhere.example/');
});

test.each([
  ['//HOST/there', '/there'],
  ['HTTP://HOST/there#part', '/there#part'],
  ['there', 'there'],
  ['/there?x=1', '/there?x=1'],
  ['//HOST.evil.example/there', '//HOST.evil.example/there'],
])('a Location of %s reads %s for the client', async (given, expected) => {
  let host = '';
  const { port, upstreamPort } = await stage((_req, res) => {
    res.writeHead(302, { location: given.replace('HOST', host) }).end();
  });
  host = `127.0.0.1:${upstreamPort}`;
  const client = await SealedClient.pair(port);
  expect((await client.fetch({})).header('location')).toBe(expected.replace('HOST', host));
});

test.each([204, 304])('a response of status %i has no body', async (status) => {
  const { port } = await stage((_req, res) => {
    res.writeHead(status, { etag: '"1"' }).end();
  });
  const client = await SealedClient.pair(port);
  const response = await client.fetch({});
  expect(response.head.status).toBe(status);
  expect(response.body).toHaveLength(0);
  expect(response.header('etag')).toBe('"1"');
});

test('HEAD keeps the length that GET would have', async () => {
  const { port } = await stage((_req, res) => {
    res.writeHead(200, { 'content-length': '12345' }).end();
  });
  const client = await SealedClient.pair(port);
  const response = await client.fetch({ method: 'HEAD' });
  expect(response.header('content-length')).toBe('12345');
  expect(response.body).toHaveLength(0);
});

test('trailers of the upstream come back behind the content', async () => {
  const { port } = await stage((_req, res) => {
    res.writeHead(200, { trailer: 'x-sum' });
    res.write('body');
    res.addTrailers({ 'x-sum': '42' });
    res.end();
  });
  const client = await SealedClient.pair(port);
  const response = await client.fetch({});
  expect(response.text).toBe('body');
  expect(response.trailers).toEqual([['x-sum', '42']]);
});

test('interim responses of the upstream come before the final response', async () => {
  const { port } = await stage((_req, res) => {
    res.writeEarlyHints({ link: '</style.css>; rel=preload' });
    res.writeProcessing();
    res.end('done');
  });
  const client = await SealedClient.pair(port);
  const response = await client.fetch({});
  expect(response.head.status).toBe(200);
  expect(response.text).toBe('done');
  expect(response.informational.map(({ status }) => status)).toEqual([103, 102]);
  expect(response.informational[0]?.headers).toEqual([['link', '</style.css>; rel=preload']]);
});

test('a content coding is passed through untouched, with its field', async () => {
  const packed = gzipSync('hello hello hello');
  const { port, seen } = await stage((_req, res) => {
    res.writeHead(200, { 'content-encoding': 'gzip' });
    res.end(packed);
  });
  const client = await SealedClient.pair(port);
  const response = await client.fetch({ headers: [['accept-encoding', 'gzip']] });
  expect(response.header('content-encoding')).toBe('gzip');
  expect(Buffer.from(response.body)).toEqual(packed);
  expect(seen[0]?.headers['accept-encoding']).toBe('gzip');
});

test('a response that claims thousands of content codings costs the relay nothing: it undoes none (CVE-2026-22036)', async () => {
  const codings = Array.from({ length: 2_500 }, () => 'gzip').join(',');
  const { port } = await stage((_req, res) => res.writeHead(200, { 'content-encoding': codings }).end('plain'));
  const response = await (await SealedClient.pair(port)).fetch({});
  expect(response.header('content-encoding')).toBe(codings);
  expect(response.text).toBe('plain');
});

test.each(['GET', 'HEAD', 'OPTIONS', 'PUT', 'PATCH', 'DELETE', 'PURGE', 'PROPFIND'])(
  '%s reaches the upstream',
  async (method) => {
    const { port, seen } = await stage();
    const client = await SealedClient.pair(port);
    expect((await client.fetch({ method, path: '/x' })).head.status).toBe(200);
    expect(seen.map((request) => request.method)).toEqual([method]);
  },
);

test('the target "*" is refused: the relay asks for paths alone', async () => {
  const { port, seen } = await stage();
  const client = await SealedClient.pair(port);
  const response = await client.fetch({ method: 'OPTIONS', path: '*' });
  expect(response.header('mte-relay-failure')).toBe('path-refused');
  expect(seen).toHaveLength(0);
});

const TRACE = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

test.each([
  ['one that is well formed', [TRACE], TRACE],
  ['none when there are two', [TRACE, TRACE], undefined],
  ['none that is malformed', ['00-zz'], undefined],
  ['none of zeros', [`00-${'0'.repeat(32)}-00f067aa0ba902b7-01`], undefined],
])('the upstream gets one traceparent: %s', async (_which, values, expected) => {
  const { port, seen } = await stage();
  const client = await SealedClient.pair(port);
  const headers = values.map((value): [string, string] => ['traceparent', value]);
  await client.fetch({ headers: [...headers, ['tracestate', 'a=1']] });
  expect(seen[0]?.headers['traceparent']).toBe(expected);
  expect(seen[0]?.headers['tracestate']).toBe(expected && 'a=1');
});

test('a response from inside 48 KiB to beyond 64 KiB comes back byte-equal', async () => {
  const { port } = await stage((req, res) => {
    res.end(Buffer.alloc(Number(req.url?.slice(1)), 'x'));
  });
  const client = await SealedClient.pair(port);
  for (const size of [0, 1, 49_152, 65_400, 65_536, 65_537, 200_001]) {
    const response = await client.fetch({ path: `/${size}` });
    expect(response.body.length, String(size)).toBe(size);
  }
});

test('a request whose client id this relay issued is not new to the upstream', async () => {
  const { port, seen } = await stage();
  const client = await SealedClient.pair(port);
  await client.fetch({
    headers: [['mte-relay-client-id', Buffer.from(client.parameters.clientId).toString('base64url')]],
  });
  expect(JSON.stringify(seen)).not.toContain('mte-relay-client-id');
});
