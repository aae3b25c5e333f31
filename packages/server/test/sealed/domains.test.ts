// DOMAIN_MAP with real relays: which domain a request belongs to, what is its own, and that none reaches another's.
import { type ConfigError, createRelay, loadSettings, type Relay } from '@mte-relay/server';
import { discoveredKey, SealedClient, send } from '@mte-relay/testing/sealed-client';
import { serve } from '@mte-relay/testing/servers';
import { TestBrowser } from '@mte-relay/testing/test-browser';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { expect, onTestFinished, test } from 'vitest';

const ONE = 'one.example';
const TWO = 'two.example:8443';
const SECRET_ONE = '2DkV4DDabehO8cifDktdF9elKJL0CKrk';
const SECRET_TWO = 'kJ8m2QwX0zTgVn5rB7cYhL4pD9sFeA1u';

interface Scene {
  readonly port: number;
  readonly relay: Relay;
  /** Requests that each upstream has seen. */
  readonly seen: { one: string[]; two: string[] };
}

async function upstreamOf(seen: string[], name: string): Promise<string> {
  const { url } = endsWithTest(
    await serve((req, res) => {
      seen.push(`${req.method} ${req.url} ${req.headers.cookie ?? ''}`.trim());
      res.setHeader('set-cookie', `sid=of-${name}; HttpOnly`);
      res.setHeader('x-got', `${req.headers['x-api-key']} ${req.headers['x-forwarded-user']}`);
      res.end(name);
    }),
  );
  return url;
}

async function scene(environment: Record<string, string> = {}): Promise<Scene> {
  const seen: Scene['seen'] = { one: [], two: [] };
  const relay = createRelay({
    environment: {
      DOMAIN_MAP: JSON.stringify({
        [ONE]: {
          upstream: await upstreamOf(seen.one, 'one'),
          cors_origins: ['https://page.one.example'],
          headers: { 'x-of': 'one' },
          request_headers: { 'x-api-key': 'of one' },
          request_fields_trusted: ['x-forwarded-user'],
        },
        [TWO]: {
          upstream: await upstreamOf(seen.two, 'two'),
          cors_origins: 'https://page.two.example',
          client_id_secret: SECRET_TWO,
          pass_through_routes: ['/health'],
          mte_routes: '/api/*',
        },
      }),
      CLIENT_ID_SECRET: SECRET_ONE,
      HEADERS: '{"x-of":"every domain without its own"}',
      LOG_LEVEL: 'off',
      SHUTDOWN_TIMEOUT_MS: '0',
      ...environment,
    },
  });
  const port = await relay.listen(0);
  onTestFinished(() => relay.close());
  return { port, relay, seen };
}

test('each host has its own upstream, identity, routes and headers; what it leaves out is shared', async () => {
  const { port, relay, seen } = await scene();
  expect(relay.pins.get(ONE)).not.toBe(relay.pins.get(TWO));
  const one = await SealedClient.pair(port, { authority: ONE, headers: { host: ONE } });
  const two = await SealedClient.pair(port, { authority: TWO, headers: { host: TWO } });
  const responseOne = await one.fetch({ path: '/anywhere' }, { host: ONE });
  const responseTwo = await two.fetch({ path: '/api/x' }, { host: TWO });
  expect([responseOne.text, responseOne.header('x-of')]).toEqual(['one', 'one']);
  expect([responseTwo.text, responseTwo.header('x-of')]).toEqual(['two', 'every domain without its own']);
  expect((await two.fetch({ path: '/anywhere' }, { host: TWO })).header('mte-relay-failure')).toBe('route-refused');
  expect((await send(port, '/health', { method: 'GET', headers: { host: TWO } })).status).toBe(200);
  expect((await send(port, '/health', { method: 'GET', headers: { host: ONE } })).status).toBe(404);
  expect(seen).toEqual({ one: ['GET /anywhere'], two: ['GET /api/x', 'GET /health'] });
});

test('domains with one secret are one identity', async () => {
  const { relay } = await scene({
    DOMAIN_MAP: JSON.stringify({ a: { upstream: 'http://x' }, b: { upstream: 'http://y' } }),
    CORS_ORIGINS: 'https://a.example',
  });
  expect(relay.pins.get('a')).toBe(relay.pins.get('b'));
});

test('a host in other case, or with a port that the map does not name, is the same host', async () => {
  const { port } = await scene();
  for (const host of ['ONE.example', 'one.example:4430', TWO.toUpperCase()]) {
    expect((await send(port, '/api/mte-relay', { method: 'GET', headers: { host } })).status, host).toBe(200);
  }
});

test('an unknown host gets 421 on every path and for every authority', async () => {
  const { port, seen } = await scene();
  for (const host of ['other.example', 'one.example.evil', 'two.example', 'xone.example', '']) {
    for (const path of ['/api/mte-relay', '/api/mte-echo?msg=x', '/health', '/']) {
      const response = await send(port, path, { method: 'GET', headers: { host } });
      expect(response, `${host}${path}`).toMatchObject({ status: 421, code: 'domain-unknown' });
    }
  }
  const pairing = SealedClient.pair(port, { authority: 'other.example', headers: { host: ONE } });
  await expect(pairing).rejects.toThrow('pairing refused: 421 domain-unknown');
  expect(seen).toEqual({ one: [], two: [] });
});

test('keys of the API and trusted fields are a domain’s own', async () => {
  const { port } = await scene();
  const got: unknown[] = [];
  for (const host of [ONE, TWO]) {
    const client = await SealedClient.pair(port, { authority: host, headers: { host } });
    const response = await client.fetch({ path: '/api/x', headers: [['x-forwarded-user', 'alice']] }, { host });
    got.push(response.header('x-got'));
  }
  expect(got).toEqual(['of one alice', 'undefined undefined']);
});

test('a session of one domain reaches that domain alone, whatever Host is', async () => {
  const { port, seen } = await scene();
  const one = await SealedClient.pair(port, { authority: ONE, headers: { host: ONE } });
  for (const host of [TWO, 'other.example']) {
    const response = await one.fetch({ path: '/api/x' }, { host });
    expect(response.text).toBe('one');
  }
  expect(seen.two).toEqual([]);
});

test('a key of one domain does not pair with the other', async () => {
  const { port, relay } = await scene();
  expect(relay.pins.size).toBe(2);
  const pairing = SealedClient.pair(port, { authority: TWO, headers: { host: ONE } });
  await expect(pairing).rejects.toThrow('pairing refused: 422 key-unknown');
});

test('pages are judged by the origins of the domain that they address, also when Host is not known', async () => {
  const { port } = await scene();
  const one = await SealedClient.pair(port, { authority: ONE, headers: { host: ONE } });
  const asked = async (origin: string, host: string): Promise<number> => {
    const { message } = await one.seal(new Uint8Array(1), 1);
    return (await one.post(message, { origin, host })).status;
  };
  expect(await asked('https://page.one.example', ONE)).toBe(200);
  expect(await asked('https://page.two.example', ONE)).toBe(403);
  expect(await asked('https://page.one.example', 'internal.svc')).toBe(200);
  expect(await asked('https://page.two.example', 'internal.svc')).toBe(403);
  const preflight = (origin: string, host: string): Promise<unknown> =>
    send(port, '/api/mte', {
      method: 'OPTIONS',
      headers: { host, origin, 'access-control-request-method': 'POST' },
    }).then(({ headers }) => headers['access-control-allow-origin']);
  expect(await preflight('https://page.one.example', ONE)).toBe('https://page.one.example');
  expect(await preflight('https://page.two.example', ONE)).toBeUndefined();
});

test('a cookie that one domain set does not open in another', async () => {
  const { port, seen } = await scene();
  const one = await TestBrowser.pair(port, { authority: ONE, headers: { host: ONE } });
  await one.fetch({ path: '/', outer: { host: ONE } });
  expect(one.records.size).toBe(1);
  await one.fetch({ path: '/', outer: { host: ONE } });
  const two = await TestBrowser.pair(port, { authority: TWO, headers: { host: TWO } });
  for (const [id, record] of one.records) two.records.set(id, record);
  for (const [name, value] of one.jar) two.jar.set(name, value);
  await two.fetch({ path: '/api/x', outer: { host: TWO } });
  expect(seen).toEqual({ one: ['GET /', 'GET / sid=of-one'], two: ['GET /api/x'] });
});

test('behind an ingress that rewrites Host, pairing and exchange work', async () => {
  const { port } = await scene();
  const headers = { host: 'relay.internal.svc' };
  const publicKey = await discoveredKey(port, { host: ONE });
  const client = await SealedClient.pair(port, { authority: ONE, headers, publicKey });
  expect((await client.fetch({ path: '/' }, headers)).text).toBe('one');
});

test('the host that a trusted proxy names counts, and that of any other does not', async () => {
  const headers = { host: 'relay.internal.svc', 'x-forwarded-host': ONE };
  const trusting = await scene({ TRUSTED_PROXIES: '127.0.0.1' });
  const client = await SealedClient.pair(trusting.port, { authority: ONE, headers });
  expect((await client.fetch({ path: '/' }, headers)).text).toBe('one');
  const wary = await scene();
  expect((await send(wary.port, '/api/mte-relay', { method: 'GET', headers })).status).toBe(421);
});

test.each([
  ['{', ['DOMAIN_MAP']],
  ['[]', ['DOMAIN_MAP']],
  ['{}', ['DOMAIN_MAP']],
  ['{"a b":{}}', ['DOMAIN_MAP["a b"]']],
  ['{"a":"http://x"}', ['DOMAIN_MAP["a"]']],
  ['{"a":{"upstream":"http://x"},"A":{"upstream":"http://y"}}', ['DOMAIN_MAP["A"]']],
  ['{"a":{"upstream":"ftp://x"},"b":{}}', ['DOMAIN_MAP["a"].upstream', 'DOMAIN_MAP["b"].upstream']],
  ['{"a":{"upstream":"http://x","cors_origin":"x"}}', ['DOMAIN_MAP["a"].cors_origin']],
  ['{"a":{"upstream":"http://x","port":1}}', ['DOMAIN_MAP["a"].port']],
  ['{"a":{"upstream":"http://x","client_id_secret":"short"}}', ['DOMAIN_MAP["a"].client_id_secret']],
  [
    '{"a":{"upstream":"http://x","client_id_secret":123456789012345678901234567890123}}',
    ['DOMAIN_MAP["a"].client_id_secret'],
  ],
  ['{"a":{"upstream":"http://x","client_id_secret_file":"/nowhere"}}', ['DOMAIN_MAP["a"].client_id_secret_file']],
])('the map %s is refused by host and name', (DOMAIN_MAP, names) => {
  const shared = { CORS_ORIGINS: 'https://a.example', CLIENT_ID_SECRET: SECRET_ONE };
  let problems: ConfigError['problems'] = [];
  try {
    loadSettings({ ...shared, DOMAIN_MAP });
  } catch (error) {
    problems = (error as ConfigError).problems;
  }
  expect(problems.map(({ name }) => name)).toEqual(names);
  expect(JSON.stringify(problems)).not.toContain('12345');
});

test('DOMAIN_MAP excludes UPSTREAM', () => {
  const environment = {
    ...{ UPSTREAM: 'http://x', CORS_ORIGINS: 'https://a.example', CLIENT_ID_SECRET: SECRET_ONE },
    DOMAIN_MAP: '{"a":{"upstream":"http://x"}}',
  };
  expect(() => loadSettings(environment)).toThrow(
    'UPSTREAM: set together with DOMAIN_MAP; expected only one of the two',
  );
});
