import type { HookRequest } from '@mte-relay/server';
import { openOuter, TestWebSocket } from '@mte-relay/testing/sealed-websocket';
import { TEST_ORIGIN } from '@mte-relay/testing/settings';
import { webSocketStage } from '@mte-relay/testing/websocket-stage';
import { expect, test } from 'vitest';

async function failureOf(
  client: Parameters<typeof TestWebSocket.open>[0],
  upgrade: Parameters<typeof TestWebSocket.open>[1],
) {
  const ws = new TestWebSocket(await openOuter(client.port));
  const response = await ws.begin(client, upgrade);
  return { status: response.head.status, code: response.header('mte-relay-failure') };
}

test('MTE_ROUTES bind the inner path', async () => {
  const { client, upgrades } = await webSocketStage({ environment: { MTE_ROUTES: '/chat/*' } });
  await TestWebSocket.open(client, { path: '/chat/1?x' });
  for (const path of ['/admin', '/chat', '/admin?x=/chat/1']) {
    expect(await failureOf(client, { path }), path).toEqual({ status: 404, code: 'route-refused' });
  }
  expect(upgrades.map(({ url }) => url)).toEqual(['/chat/1?x']);
});

test.each(['/chat/../admin', '/chat/%2e%2e/admin', '/chat/..%2fadmin', '//evil/chat', '/chat\\..\\admin', '*'])(
  'the ambiguous path %s is refused',
  async (path) => {
    const { client, upgrades } = await webSocketStage();
    expect(await failureOf(client, { path })).toEqual({ status: 400, code: 'path-refused' });
    expect(upgrades).toHaveLength(0);
  },
);

test('an inner request that is not a plain GET is malformed', async () => {
  const { client, upgrades } = await webSocketStage();
  for (const upgrade of [{ method: 'POST' }, { method: 'CONNECT' }, { body: new Uint8Array(1) }]) {
    expect((await failureOf(client, upgrade)).code).toBe('request-malformed');
  }
  expect(upgrades).toHaveLength(0);
});

test('an origin that is not listed is refused before the outer handshake is done', async () => {
  const { port } = await webSocketStage();
  for (const origin of ['https://evil.example', `${TEST_ORIGIN}.evil`, 'null']) {
    await expect(openOuter(port, { origin }), origin).rejects.toThrow('403');
  }
  (await openOuter(port, { origin: TEST_ORIGIN })).terminate();
});

test('an origin of one domain cannot use a session of another', async () => {
  const { client, port } = await webSocketStage({
    headers: { host: 'relay.example' },
    environment: {
      UPSTREAM: '',
      DOMAIN_MAP: JSON.stringify({
        'relay.example': { upstream: 'http://127.0.0.1:1' },
        'other.example': { upstream: 'http://127.0.0.1:1', cors_origins: 'https://other.example' },
      }),
    },
  });
  const ws = new TestWebSocket(await openOuter(port, { host: 'other.example', origin: 'https://other.example' }));
  ws.outer.send(await ws.sealOpening(client));
  expect(await ws.outerClosed).toEqual({ code: 4403, reason: 'origin-refused' });
});

test('a hook decides on upgrades as on exchanges', async () => {
  const seen: HookRequest[] = [];
  const { client, upgrades } = await webSocketStage({
    hooks: {
      onRequest(request) {
        seen.push(request);
        request.setHeader('x-checked', 'yes');
        return request.header('authorization') ? undefined : { status: 401, body: 'who are you?' };
      },
    },
  });
  expect((await failureOf(client, { path: '/chat' })).status).toBe(401);
  expect(upgrades).toHaveLength(0);
  await TestWebSocket.open(client, { path: '/chat', headers: [['authorization', 'Bearer t']] });
  expect(upgrades[0]?.headers['x-checked']).toBe('yes');
  expect(seen.map(({ method, target }) => `${method} ${target}`)).toEqual(['GET /chat', 'GET /chat']);
});

test('a hook’s refusal too long to seal comes without its body', async () => {
  const { client } = await webSocketStage({
    hooks: { onRequest: () => ({ status: 451, headers: { 'x-why': 'law' }, body: 'x'.repeat(70_000) }) },
  });
  const response = await new TestWebSocket(await openOuter(client.port)).begin(client);
  expect(response.head.status).toBe(451);
  expect(response.header('x-why')).toBe('law');
  expect(response.header('content-length')).toBeUndefined();
  expect(response.text).toBe('');
});

test('a hook’s refusal whose header fields are too long to seal is a failure of the response', async () => {
  const { client } = await webSocketStage({
    hooks: { onRequest: () => ({ status: 403, headers: { 'x-why': 'x'.repeat(70_000) } }) },
  });
  const ws = new TestWebSocket(await openOuter(client.port));
  const response = await ws.begin(client);
  expect([response.head.status, response.header('mte-relay-failure')]).toEqual([502, 'upstream-failed']);
  expect(await ws.outerClosed).toEqual({ code: 1000, reason: '' });
});
