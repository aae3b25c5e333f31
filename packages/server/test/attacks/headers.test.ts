// Headers that attack a proxy: CVE-2022-31150, 2022-35948, 2023-23936, 2026-1527 (control characters), CVE-2026-33805
// (Connection), CVE-2025-64484 (aliases), CVE-2026-3635 (forwarded), CVE-2026-40575 (routing by header), CVE-2026-21710.
import { concatBytes, encodeRequest, type Fields } from '@mte-relay/protocol';
import type { RelayHooks } from '@mte-relay/server';
import { openResponse, plaintextOf, SealedClient, send, withSentTime } from '@mte-relay/testing/sealed-client';
import { stage } from '@mte-relay/testing/stage';
import { expect, test } from 'vitest';

const HEAD = { method: 'GET', scheme: 'http', authority: 'relay.example', path: '/', headers: withSentTime() };
const CONTROLS = ['\r', '\n', '\0', '\r\nx-injected: 1'];

test.each(CONTROLS.map((control) => [JSON.stringify(control), control]))(
  '%s in method, path, scheme, authority, name or value gets 400 inside the seal',
  async (_shown, control) => {
    const { port, seen } = await stage();
    const client = await SealedClient.pair(port);
    const heads = [
      { ...HEAD, method: `GET${control}` },
      { ...HEAD, path: `/a${control}b` },
      { ...HEAD, scheme: `http${control}` },
      { ...HEAD, authority: `a${control}` },
      { ...HEAD, headers: [[`x${control}`, '1']] as Fields },
      { ...HEAD, headers: [['x', `1${control}2`]] as Fields },
      { ...HEAD, headers: [['content-type', `text/plain${control}`]] as Fields },
      { ...HEAD, headers: [['upgrade', `websocket${control}`]] as Fields },
    ];
    for (const head of heads) {
      const { exchange, message } = await client.seal(
        encodeRequest({ ...head, headers: withSentTime(head.headers) }, new Uint8Array(0)),
      );
      const response = await openResponse(exchange, await client.post(message));
      expect(response.head.status, JSON.stringify(head)).toBe(400);
      expect(response.header('mte-relay-failure')).toBe('request-malformed');
    }
    expect(seen).toHaveLength(0);
    expect((await client.fetch({})).head.status).toBe(200); // and the relay goes on
  },
);

test('an outer Connection cannot strip what the relay adds on a pass-through route', async () => {
  const { port, seen } = await stage(undefined, {
    environment: { PASS_THROUGH_ROUTES: '/pub/*', HEADERS: '{"x-service-name":"mte-relay"}' },
  });
  await send(port, '/pub/x', {
    method: 'GET',
    headers: { connection: 'x-forwarded-for, x-service-name, x-mine, close', 'x-mine': '1', authorization: 'Bearer x' },
  });
  expect(seen[0]?.headers).toMatchObject({
    'x-forwarded-for': '127.0.0.1',
    'x-service-name': 'mte-relay',
    authorization: 'Bearer x',
  });
  expect(seen[0]?.headers['x-mine']).toBeUndefined();
});

test('no client can speak in the name of HEADERS', async () => {
  const { port, seen } = await stage(undefined, { environment: { HEADERS: '{"x-service-name":"mte-relay"}' } });
  const client = await SealedClient.pair(port);
  await client.fetch({ headers: [['x-service-name', 'forged']] });
  expect(seen[0]?.rawHeaders.filter((text) => text === 'forged')).toHaveLength(0);
  expect(seen[0]?.headers['x-service-name']).toBe('mte-relay');
});

test('aliases of forwarding fields are dropped on the outer hop too', async () => {
  const { port, seen } = await stage(undefined, { environment: { PASS_THROUGH_ROUTES: '/pub/*' } });
  await send(port, '/pub/x', {
    method: 'GET',
    headers: { X_Forwarded_For: '6.6.6.6', 'X-Forwarded_Host': 'evil', 'X-Real-IP': '6.6.6.6' },
  });
  expect(JSON.stringify(seen[0]?.rawHeaders)).not.toMatch(/6\.6\.6\.6|evil/);
});

test('aliases of what ends at the relay end there too', async () => {
  const { port, seen } = await stage();
  const client = await SealedClient.pair(port);
  const names = ['x_real_ip', 'proxy_authorization', 'mte_relay_client_id', 'transfer_encoding', 'x_forwarded-proto'];
  await client.fetch({ headers: [...names.map((name): [string, string] => [name, 'alias']), ['my_own', 'kept']] });
  expect(seen[0]?.rawHeaders).not.toContain('alias');
  expect(seen[0]?.headers['my_own']).toBe('kept');
});

test('a Connection on the outer hop cannot strip what a trusted proxy adds', async () => {
  const { port, seen } = await stage(undefined, {
    environment: {
      PASS_THROUGH_ROUTES: '/pub/*',
      TRUSTED_PROXIES: '127.0.0.1',
      OUTER_FIELDS_PASSED: 'x-tenant,ssl-client-cert',
    },
  });
  const headers = { connection: 'close, x-tenant, ssl-client-cert', 'x-tenant': 'one', 'ssl-client-cert': 'its own' };
  await send(port, '/pub/x', { method: 'GET', headers });
  const client = await SealedClient.pair(port);
  await client.fetch({ headers: [['connection', 'x-tenant']] }, headers);
  expect(seen).toHaveLength(2);
  for (const { headers: arrived } of seen) {
    expect(arrived).toMatchObject({ 'x-tenant': 'one', 'ssl-client-cert': 'its own' });
  }
});

test('a field that is trusted and passed is the client’s where the proxy sends none', async () => {
  const { port, seen } = await stage(undefined, {
    environment: {
      TRUSTED_PROXIES: '127.0.0.1',
      OUTER_FIELDS_PASSED: 'x-forwarded-user',
      REQUEST_FIELDS_TRUSTED: 'x-forwarded-user',
    },
  });
  const client = await SealedClient.pair(port);
  await client.fetch({ headers: [['x_forwarded_user', 'client']] });
  await client.fetch({ headers: [['x_forwarded_user', 'client']] }, { 'x-forwarded-user': 'proxy' });
  const users = seen.map(({ headers }) => [headers['x_forwarded_user'], headers['x-forwarded-user']]);
  expect(users).toEqual([
    ['client', undefined],
    [undefined, 'proxy'],
  ]);
});

test('a client cannot speak in the name of a hook: not under an alias, and not in a trailer', async () => {
  const trailers: string[][] = [];
  const names: string[] = [];
  const hooks: RelayHooks = {
    onRequest(request) {
      names.push(...request.headers.map(([name]) => name));
      request.setHeader('x-checked-user', 'alice');
      return undefined;
    },
  };
  const { port, seen } = await stage(
    (req, res) => {
      req.resume().on('end', () => {
        trailers.push(req.rawTrailers);
        res.end();
      });
    },
    { hooks },
  );
  const client = await SealedClient.pair(port);
  const forged: Fields = ['x-checked-user', 'x_checked_user', 'x-ms-client-principal'].map((name) => [name, 'forged']);
  const trailing: Fields = [...forged, ['x-sum', '1']];
  const body = new Uint8Array(3);
  const { exchange, message } = await client.seal(
    encodeRequest({ ...HEAD, method: 'POST', headers: withSentTime(forged) }, body, { trailers: trailing }),
  );
  expect((await openResponse(exchange, await client.post(message))).head.status).toBe(200);
  expect(names).toEqual(['x-checked-user', 'x_checked_user']); // the hook itself believes no forged caller
  expect(seen[0]?.rawHeaders).not.toContain('forged');
  expect(seen[0]?.headers['x-checked-user']).toBe('alice');
  expect(trailers).toEqual([['x-sum', '1']]);
});

test('no header chooses the route', async () => {
  const { port, seen } = await stage(undefined, {
    environment: { MTE_ROUTES: '/api/*', PASS_THROUGH_ROUTES: '/health' },
  });
  const claims = {
    'x-forwarded-uri': '/health',
    'x-original-url': '/health',
    'x-rewrite-url': '/health',
    'user-agent': 'kube-probe/1.0',
  };
  expect((await send(port, '/secret', { method: 'GET', headers: claims })).status).toBe(404);
  const client = await SealedClient.pair(port);
  const inner = Object.entries({ ...claims, 'x-original-url': '/api/x' });
  expect((await client.fetch({ path: '/secret', headers: inner })).head.status).toBe(404);
  expect(seen).toHaveLength(0);
  // Nor behind the relay: some servers serve the path that such a field names.
  const allowed = { 'x-original-url': '/secret', X_Rewrite_Url: '/secret' };
  await client.fetch({
    path: '/api/x',
    headers: Object.entries(allowed).map(([name, value]) => [name.toLowerCase(), value]),
  });
  await send(port, '/health', { method: 'GET', headers: allowed });
  expect(seen).toHaveLength(2);
  for (const { rawHeaders } of seen) expect(rawHeaders).not.toContain('/secret');
});

test('escaped separators stay escaped and match no rule as separators', async () => {
  const { port, seen } = await stage(undefined, { environment: { MTE_ROUTES: '/api/*,/exact' } });
  const client = await SealedClient.pair(port);
  for (const path of ['/exact%3Fx', '/exact%3Bx', '/exact%23x', '/secret%3F/api/x']) {
    expect((await client.fetch({ path })).head.status, path).toBe(404);
  }
  expect((await client.fetch({ path: '/api/a%3Fb%23c%3Bd' })).head.status).toBe(200);
  expect(seen.map(({ url }) => url)).toEqual(['/api/a%3Fb%23c%3Bd']);
});

test('fields named like parts of an object are ordinary fields, both ways', async () => {
  const { port, seen } = await stage((_req, res) => {
    res.setHeader('__proto__', 'p');
    res.setHeader('constructor', 'c');
    res.end();
  });
  const client = await SealedClient.pair(port);
  const response = await client.fetch({
    headers: [
      ['__proto__', 'p'],
      ['constructor', 'c'],
      ['hasownproperty', 'h'],
    ],
  });
  expect(response.header('__proto__')).toBe('p');
  expect(response.header('constructor')).toBe('c');
  expect(seen[0]?.rawHeaders).toEqual(
    expect.arrayContaining(['__proto__', 'p', 'constructor', 'c', 'hasownproperty', 'h']),
  );
});

test('more fields than the limit are refused inside the seal', async () => {
  const { port, seen } = await stage();
  const client = await SealedClient.pair(port);
  const many = Array.from({ length: 257 }, (_, i): [string, string] => [`x-${i}`, '']);
  expect((await client.fetch({ headers: many })).head.status).toBe(413);
  expect((await client.fetch({ headers: many.slice(0, 200) })).head.status).toBe(200);
  expect(seen).toHaveLength(1);
});

test('Binary HTTP whose lengths run beyond the message is refused inside the seal', async () => {
  const { port, seen } = await stage();
  const client = await SealedClient.pair(port);
  const whole = plaintextOf({ method: 'POST', body: 'hello' });
  const beyond = concatBytes([
    whole.subarray(0, whole.length - 7),
    Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
  ]);
  for (const plaintext of [whole.subarray(0, whole.length - 3), beyond, new Uint8Array(0), Uint8Array.of(9)]) {
    const { exchange, message } = await client.seal(plaintext);
    const response = await openResponse(exchange, await client.post(message));
    expect([400, 413]).toContain(response.head.status);
  }
  expect(seen).toHaveLength(0);
});
