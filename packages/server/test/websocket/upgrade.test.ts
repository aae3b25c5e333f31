import type { Duplex } from 'node:stream';
import { openOuter, TestWebSocket } from '@mte-relay/testing/sealed-websocket';
import { TEST_ORIGIN } from '@mte-relay/testing/settings';
import { TestBrowser } from '@mte-relay/testing/test-browser';
import { webSocketStage } from '@mte-relay/testing/websocket-stage';
import { expect, test } from 'vitest';

/** The response to an upgrade that may be refused. */
async function upgrade(
  client: Parameters<typeof TestWebSocket.open>[0],
  request: Parameters<typeof TestWebSocket.open>[1] = {},
) {
  const ws = new TestWebSocket(await openOuter(client.port));
  return { ws, response: await ws.begin(client, request) };
}

function refusing(lines: string): (req: unknown, socket: Duplex) => void {
  return (_req, socket) => void socket.end(`HTTP/1.1 ${lines}`);
}

test('the upstream chooses among the client’s subprotocols', async () => {
  const { client, upgrades } = await webSocketStage({
    server: { noServer: true, handleProtocols: (offered) => [...offered][1] as string },
  });
  const offers: [string, string][] = [
    ['sec-websocket-protocol', 'v2.chat, v1.chat'],
    ['sec-websocket-protocol', 'v0.chat'],
  ];
  const { response } = await upgrade(client, { headers: offers });
  expect(response.header('sec-websocket-protocol')).toBe('v1.chat');
  expect(upgrades[0]?.headers['sec-websocket-protocol']).toBe('v2.chat,v1.chat,v0.chat');
});

test('without an offer there is no subprotocol', async () => {
  const { client, upgrades } = await webSocketStage();
  const { response } = await upgrade(client);
  expect(response.head.status).toBe(200);
  expect(response.header('sec-websocket-protocol')).toBeUndefined();
  expect(upgrades[0]?.headers['sec-websocket-protocol']).toBeUndefined();
});

test('an upstream may choose none of them, and the client learns it', async () => {
  const { client, upgrades } = await webSocketStage({ server: { noServer: true, handleProtocols: () => false } });
  const { ws, response } = await upgrade(client, { headers: [['sec-websocket-protocol', 'v2.chat, v1.chat']] });
  expect(response.head.status).toBe(200);
  expect(response.header('sec-websocket-protocol')).toBeUndefined();
  expect(upgrades[0]?.headers['sec-websocket-protocol']).toBe('v2.chat,v1.chat');
  await ws.send({ kind: 'text', final: true, data: new TextEncoder().encode('hello') });
  expect((await ws.nextMessage()).data.toString()).toBe('hello');
});

test('an upstream that chooses what was not offered has failed', async () => {
  const { client } = await webSocketStage({ server: { noServer: true, handleProtocols: () => 'v9.chat' } });
  const { response } = await upgrade(client, { headers: [['sec-websocket-protocol', 'v1.chat']] });
  expect(response.header('mte-relay-failure')).toBe('upstream-failed');
});

test.each(['a, a', 'bad name', 'a,(b)'])('the subprotocol offer "%s" is malformed', async (offer) => {
  const { client, upgrades } = await webSocketStage();
  const { response } = await upgrade(client, { headers: [['sec-websocket-protocol', offer]] });
  expect(response.header('mte-relay-failure')).toBe('request-malformed');
  expect(upgrades).toHaveLength(0);
});

test('the relay requests the very path, with end-to-end fields, the forwarding chain and nothing of the hop', async () => {
  const { client, upgrades } = await webSocketStage({ environment: { HEADERS: '{"x-edge":"1"}' } });
  const path = '/a"b|c/{d}^`<e>?q=%2e%2e&x="|{}';
  const headers: [string, string][] = [
    ['authorization', 'Bearer t'],
    ['x-twice', '1'],
    ['x-twice', '2'],
    ['connection', 'x-hop'],
    ['x-hop', '1'],
    ['upgrade', 'h2c'],
    ['sec-websocket-key', 'AAAAAAAAAAAAAAAAAAAAAA=='],
    ['sec-websocket-version', '8'],
    ['x-forwarded-for', '6.6.6.6'],
    ['x-edge', 'client'],
    ['__proto__', 'lawful'],
  ];
  await upgrade(client, { path, headers });
  const seen = upgrades[0];
  expect(seen?.url).toBe(path);
  const raw = seen?.rawHeaders ?? [];
  const values = (name: string): string[] =>
    raw.filter((_, i) => i % 2 === 1 && raw[i - 1]?.toLowerCase() === name).map(String);
  expect(values('authorization')).toEqual(['Bearer t']);
  expect(values('x-twice')).toEqual(['1', '2']);
  expect(values('__proto__')).toEqual(['lawful']);
  expect(values('x-hop')).toEqual([]);
  expect(values('upgrade')).toEqual(['websocket']);
  expect(values('sec-websocket-version')).toEqual(['13']);
  expect(values('sec-websocket-key')[0]).not.toBe('AAAAAAAAAAAAAAAAAAAAAA==');
  expect(values('x-forwarded-for')).toEqual(['127.0.0.1']);
  expect(values('x-forwarded-host')).toEqual(['relay.example']);
  expect(values('x-edge')).toEqual(['1']);
});

test('a WebSocket carries a browser’s records, and a refusal sets more of them', async () => {
  const { client: paired, upgrades } = await webSocketStage({
    onUpgrade: refusing('403 Forbidden\r\nset-cookie: sid=7; HttpOnly; Path=/\r\ncontent-length: 0\r\n\r\n'),
  });
  const browser = await TestBrowser.pair(paired.port);
  const cookie = [...browser.jar].map((pair) => pair.join('=')).join('; ');
  const open = async (): Promise<void> => {
    const outer = await openOuter(paired.port, { origin: TEST_ORIGIN, cookie: `sid=planted; ${cookie}` });
    const request = { headers: [['origin', TEST_ORIGIN], ...browser.fields()] as const };
    const response = await new TestWebSocket(outer).begin(browser.client, request);
    expect(response.head.status).toBe(403);
    expect(response.header('set-cookie')).toBeUndefined();
    browser.keep(response.head.headers);
  };
  await open();
  await open();
  expect(upgrades.map(({ headers }) => headers.cookie)).toEqual([undefined, 'sid=7']);
  expect(upgrades[0]?.headers.origin).toBe(TEST_ORIGIN);
});

test('a refusal of the upstream is sealed with its status, fields and body', async () => {
  const { client, upstreamPort } = await webSocketStage({
    onUpgrade: (_req, socket) => {
      const location = `location: http://127.0.0.1:${upstreamPort}/login\r\n`;
      socket.end(
        `HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Bearer\r\n${location}content-length: 8\r\n\r\nno token`,
      );
    },
  });
  const { ws, response } = await upgrade(client);
  expect(response.head.status).toBe(401);
  expect(response.text).toBe('no token');
  expect(response.header('www-authenticate')).toBe('Bearer');
  expect(response.header('location')).toBe('/login');
  expect(response.header('mte-relay-failure')).toBeUndefined();
  expect(await ws.outerClosed).toEqual({ code: 1000, reason: '' });
});

test('a refusal too long to seal comes without its body', async () => {
  const body = 'x'.repeat(200_000);
  const { client } = await webSocketStage({
    onUpgrade: refusing(`503 Unavailable\r\nretry-after: 5\r\ncontent-length: ${body.length}\r\n\r\n${body}`),
  });
  const { response } = await upgrade(client);
  expect(response.head.status).toBe(503);
  expect(response.header('retry-after')).toBe('5');
  expect(response.header('content-length')).toBeUndefined();
  expect(response.text).toBe('');
});

test('an upstream that responds 200 has not accepted', async () => {
  const { client } = await webSocketStage({ onUpgrade: refusing('200 OK\r\ncontent-length: 2\r\n\r\nhi') });
  const { response } = await upgrade(client);
  expect(response.head.status).toBe(502);
  expect(response.header('mte-relay-failure')).toBe('upstream-failed');
});

test.each([
  ['breaks off', '', 'upstream-failed'],
  [
    'proves no key',
    '101 Switching\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: x\r\n\r\n',
    'upstream-failed',
  ],
])('an upstream that %s fails the upgrade', async (_what, lines, code) => {
  const { client } = await webSocketStage({
    onUpgrade: (_req, socket) => void (lines === '' ? socket.destroy() : socket.end(`HTTP/1.1 ${lines}`)),
  });
  const { response } = await upgrade(client);
  expect(response.header('mte-relay-failure')).toBe(code);
});

test('a failure names an upstream that is unreachable, or does not respond in time', async () => {
  const silent = await webSocketStage({
    environment: { UPSTREAM_HEADERS_TIMEOUT_MS: '150' },
    onUpgrade: (_req, socket) => socket.resume(),
  });
  expect((await upgrade(silent.client)).response.header('mte-relay-failure')).toBe('upstream-timeout');
  const absent = await webSocketStage({ environment: { UPSTREAM: 'http://127.0.0.1:1' } });
  expect((await upgrade(absent.client)).response.header('mte-relay-failure')).toBe('upstream-unreachable');
});
