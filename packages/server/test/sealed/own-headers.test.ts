// HEADERS: on every request to the upstream and on every response, over what anybody else sets, and within bounds.
import { type ConfigError, loadSettings } from '@mte-relay/server';
import { SealedClient, send } from '@mte-relay/testing/sealed-client';
import { requiredSettings, TEST_ORIGIN } from '@mte-relay/testing/settings';
import { stage } from '@mte-relay/testing/stage';
import { expect, test } from 'vitest';

const OWN = {
  environment: { HEADERS: '{"X-Service-Name":"mte-relay"}', PASS_THROUGH_ROUTES: '/health', MTE_ROUTES: '/api/*' },
};
const MESSAGE = { 'content-type': 'application/mte-relay' };

test('every response of the relay bears them: discovery, echo, preflights, refusals of every kind', async () => {
  const { port } = await stage(undefined, OWN);
  const asked: [string, string, Record<string, string>, number][] = [
    ['GET', '/api/mte-relay', {}, 200],
    ['HEAD', '/api/mte-relay', {}, 200],
    ['GET', '/api/mte-echo?msg=test', {}, 200],
    ['OPTIONS', '/api/mte', { origin: TEST_ORIGIN }, 204],
    ['OPTIONS', '/api/mte-relay', { origin: TEST_ORIGIN }, 204],
    ['GET', '/elsewhere', {}, 404],
    ['GET', '/api/mte', {}, 405],
    ['POST', '/api/mte', {}, 415],
    ['POST', '/api/mte', MESSAGE, 400],
    ['POST', '/api/mte', { ...MESSAGE, origin: 'https://evil.example' }, 403],
    ['POST', '/api/mte-pair', { 'content-type': 'application/mte-relay-pairing' }, 400],
    ['GET', '/health', {}, 200],
  ];
  for (const [method, path, headers, status] of asked) {
    const response = await send(port, path, { method, headers });
    expect([response.status, response.headers['x-service-name']], `${method} ${path}`).toEqual([status, 'mte-relay']);
  }
});

test('sealed responses bear them inside and outside, the relay’s own failures too', async () => {
  const { port, upstream } = await stage(undefined, OWN);
  const client = await SealedClient.pair(port);
  const response = await client.fetch({ path: '/api/a' });
  expect([response.header('x-service-name'), response.outer.headers['x-service-name']]).toEqual([
    'mte-relay',
    'mte-relay',
  ]);
  const refused = await client.fetch({ path: '/other' });
  expect([refused.head.status, refused.header('x-service-name')]).toEqual([404, 'mte-relay']);
  upstream.closeAllConnections();
  await new Promise((resolve) => upstream.close(resolve));
  const failed = await client.fetch({ path: '/api/a' });
  expect([failed.head.status, failed.header('x-service-name')]).toEqual([502, 'mte-relay']);
});

test('the upstream gets them once, over a client’s own, and a client’s Connection does not remove them', async () => {
  const { port, seen } = await stage(undefined, OWN);
  const client = await SealedClient.pair(port);
  await client.fetch({ path: '/api/a', headers: [['x-service-name', 'forged']] });
  await client.fetch({
    path: '/api/a',
    headers: [
      ['connection', 'x-service-name, x-hop'],
      ['x-hop', '1'],
    ],
  });
  await send(port, '/health', { method: 'GET', headers: { 'x-service-name': 'forged' } });
  await send(port, '/health', { method: 'GET', headers: { connection: 'close, x-service-name' } });
  const valuesSeen = seen.map(({ rawHeaders }) =>
    rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === 'x-service-name'),
  );
  expect(valuesSeen).toEqual(Array(4).fill(['mte-relay']));
  expect(seen[1]?.headers['x-hop']).toBeUndefined();
});

test('they stand over the upstream’s of the same name, once', async () => {
  const { port } = await stage((_req, res) => res.setHeader('x-service-name', ['a', 'b']).end(), OWN);
  const response = await (await SealedClient.pair(port)).fetch({ path: '/api/a' });
  expect(response.head.headers.filter(([name]) => name === 'x-service-name')).toEqual([
    ['x-service-name', 'mte-relay'],
  ]);
  expect((await send(port, '/health', { method: 'GET' })).headers['x-service-name']).toBe('mte-relay');
});

test.each([
  ...['connection', 'Keep-Alive', 'proxy-authorization', 'te', 'trailer', 'Transfer-Encoding', 'upgrade', 'expect'],
  ...['host', 'content-length', 'content-type', 'content-encoding', 'set-cookie', 'cookie', 'vary', 'date'],
  ...['access-control-allow-origin', 'forwarded', 'x-forwarded-for', 'mte-relay-failure', 'mte-relay-client-id'],
])('%s is refused by name, its value not shown', (name) => {
  expect(problemOf({ [name]: 'hunter2' })).toMatchObject({
    name: 'HEADERS',
    seen: `got 7 characters (not shown) as "${name}"`,
  });
});

test.each([
  ...['Authorization', 'x-api-key', 'X_Api_Key', 'apikey', 'x-auth-token', 'x-amz-security-token', 'x-vault-token'],
  ...['client-secret', 'x-password', 'x-functions-key', 'Ocp-Apim-Subscription-Key', 'x-auth', 'x-jwt', 'x-auth-key'],
])('%s looks like a credential: HEADERS and RESPONSE_HEADERS refuse it, REQUEST_HEADERS takes it', (name) => {
  const problem = { seen: `got 7 characters (not shown) as "${name}"` };
  for (const setting of ['HEADERS', 'RESPONSE_HEADERS']) {
    const found = problemOf({ [name]: 'hunter2' }, setting);
    expect(found).toMatchObject({ ...problem, name: setting, expected: expect.stringContaining('REQUEST_HEADERS') });
  }
  expect(problemOf({ [name]: 'hunter2' }, 'REQUEST_HEADERS')).toBeUndefined();
});

test.each(['x-service-name', 'surrogate-key', 'cache-control', 'strict-transport-security', 'x-zone', 'authority'])(
  '%s does not look like a credential',
  (name) => {
    expect(problemOf({ [name]: '1' })).toBeUndefined();
  },
);

test.each([{ 'a b': '1' }, { a: '1\r\nb: 2' }, { a: 1 }, { a: 'ü' }, { '': '1' }])('%o is refused', (headers) => {
  expect(problemOf(headers)?.name).toBe('HEADERS');
});

function problemOf(headers: object, setting = 'HEADERS'): ConfigError['problems'][number] | undefined {
  try {
    loadSettings({ ...requiredSettings('http://x'), [setting]: JSON.stringify(headers) });
  } catch (error) {
    return (error as ConfigError).problems[0];
  }
  return undefined;
}
