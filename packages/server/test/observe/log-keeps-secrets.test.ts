// The log at its most talkative holds nothing sealed, secret or sent in a request: a whole mix of traffic is
// sent with marked contents, and everything that the process has printed is searched for each mark in every encoding.
import { connect, createServer as createTcpServer, type Socket } from 'node:net';
import { CONTENT_TYPE_PAIRING, FLAG_COOKIE_RECORDS } from '@mte-relay/protocol';
import { type RelayProcess, relayBefore, runRelayCommand } from '@mte-relay/testing/relay-process';
import { beginPairing, plaintextOf, postPairing, SealedClient, send } from '@mte-relay/testing/sealed-client';
import { openOuter, TestWebSocket } from '@mte-relay/testing/sealed-websocket';
import { listen } from '@mte-relay/testing/servers';
import { TEST_SECRET } from '@mte-relay/testing/settings';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';

/** Strings that stand where a secret would, each in one place of the traffic only, so that a find says where from. */
const marks = new Map<string, string>();
function mark(where: string): string {
  const word = `mark${marks.size.toString(36).padStart(2, '0')}z${Buffer.from(where).toString('hex').slice(0, 10)}`;
  marks.set(`${where} (${marks.size})`, word);
  return word;
}

/** Every form in which bytes are likely to be printed. */
function formsOf(bytes: Uint8Array): string[] {
  const buffer = Buffer.from(bytes);
  return [
    buffer.toString('latin1'),
    buffer.toString('hex'),
    buffer.toString('hex').toUpperCase(),
    buffer.toString('base64').replace(/=+$/, ''),
    buffer.toString('base64url'),
    [...buffer].join(','),
    JSON.stringify({ ...buffer }).slice(1, -1),
  ];
}

/** Names of the secrets that a text contains. */
function found(text: string, secrets: ReadonlyMap<string, Uint8Array>): string[] {
  return [...secrets].filter(([, bytes]) => formsOf(bytes).some((form) => text.includes(form))).map(([name]) => name);
}

/** The random bytes of a jar key. */
function jarKeyIn(setCookie: string): [string, Uint8Array] {
  const [name = '', value = ''] = setCookie.split(/[=;]/);
  return [name, Buffer.from(value.slice(1), 'base64url')];
}

/** A client whose secrets the test has kept. */
async function pairKeepingSecrets(
  port: number,
  flags = 0,
): Promise<{ client: SealedClient; secrets: Map<string, Uint8Array> }> {
  const authority = mark(`authority of ${flags}`);
  const attempt = await beginPairing(port, { flags, authority });
  const reply = await postPairing(port, attempt.message);
  const pairing = await attempt.finish(reply.body);
  const { parameters, secrets } = pairing;
  const kept = new Map<string, Uint8Array>([
    ['request secret', secrets.request.slice()],
    ['response secret', secrets.response.slice()],
    ['exporter', secrets.exporter.slice()],
    ['whole session id', parameters.sid.slice()],
    ['client id token', parameters.clientId.slice()],
    ['client id', parameters.clientId.slice(0, 16)],
    ...(reply.headers['set-cookie'] ?? []).map(jarKeyIn),
  ]);
  return { client: new SealedClient(port, pairing, { authority }), secrets: kept };
}

test('the most talkative log has no content, no secret and no path of any traffic', async () => {
  const responseMark = mark('answer body');
  const relay = await relayBefore(
    (req, res) => {
      if (req.url?.startsWith('/break')) return void req.socket.destroy();
      if (req.url?.startsWith('/garbage')) {
        return void req.socket.end(`HTTP/1.1 200 OK\r\n${mark('malformed answer')}\r\nx : y\r\n\r\n`);
      }
      if (req.url?.startsWith('/odd-length')) {
        return void req.socket.end(`HTTP/1.1 200 OK\r\ncontent-length: ${mark('odd length')}\r\n\r\nx`);
      }
      req.resume();
      res.setHeader('x-answer', mark('answer header'));
      res.setHeader(`x-${mark('answer header name')}`, 'a');
      res.setHeader('set-cookie', [`sid=${mark('set-cookie')}; HttpOnly`, `t=${mark('plain set-cookie')}`]);
      res.setHeader('location', `/${mark('location')}`);
      res.end(responseMark);
    },
    {
      LOG_LEVEL: 'trace',
      PASS_THROUGH_ROUTES: '/plain/*',
      CLIENT_IDLE_TIMEOUT_MS: '1000',
      REQUEST_HEAD_MAX_BYTES: '20000',
      HEADERS: JSON.stringify({ 'x-operator': mark('HEADERS value') }),
      REQUEST_HEADERS: JSON.stringify({ 'x-api-key': mark('REQUEST_HEADERS value') }),
      DRAIN_DELAY_MS: '0',
      SHUTDOWN_TIMEOUT_MS: '1000',
    },
  );
  const first = await pairKeepingSecrets(relay.port);
  const second = await pairKeepingSecrets(relay.port, FLAG_COOKIE_RECORDS);

  await sealedTraffic(relay, first.client);
  await sealedTraffic(relay, second.client);
  await outerTraffic(relay, first.client);
  await plainTraffic(relay);
  await webSockets(relay, first.client);
  const unreachable = await failingUpstream();

  relay.child.kill('SIGTERM');
  await relay.exited;
  const printed = relay.output() + unreachable;

  const secrets = new Map<string, Uint8Array>([
    ...[...marks].map(([where, word]) => [where, Buffer.from(word)] as const),
    ...[...first.secrets].map(([name, bytes]) => [`first ${name}`, bytes] as const),
    ...[...second.secrets].map(([name, bytes]) => [`second ${name}`, bytes] as const),
    ['CLIENT_ID_SECRET', Buffer.from(TEST_SECRET)],
  ]);
  expect(found(printed, secrets)).toEqual([]);

  // That nothing was found means something: the search finds each of them in each form, and the log was really there.
  for (const [name, bytes] of secrets) {
    for (const form of formsOf(bytes)) expect(found(`x${form}y`, secrets), `${name} as ${form}`).toContain(name);
  }
  const lines = relay.lines();
  expect(lines.length).toBeGreaterThan(100);
  for (const level of ['trace', 'debug', 'info', 'warning']) {
    expect(
      lines.some((line) => line['level'] === level),
      level,
    ).toBe(true);
  }
  expect(found(printed, new Map([['a request id', Buffer.from('known-id-1')]]))).toEqual(['a request id']);
  const routes = new Set(lines.map((line) => line['route']));
  expect([...routes].sort()).toEqual(
    expect.arrayContaining(['cancel', 'exchange', 'pairing', 'pass_through', 'websocket']),
  );
  expect(marks.size).toBeGreaterThan(40);
});

test('no printed problem of a configuration shows a secret in it', async () => {
  const bad = {
    UPSTREAM: `https://user:${mark('upstream password')}@api.example`,
    CORS_ORIGINS: 'https://a.example/x',
    CLIENT_ID_SECRET: mark('short secret'),
    RELAY_IDENTITY_SEED: mark('short seed'),
    REDIS_URL: `redis://user:${mark('redis password')}@:x/`,
    LOG_LEVEL: 'trace',
  };
  for (const command of ['start', 'check']) {
    const { code, stdout, stderr } = await runRelayCommand([command], bad);
    expect(code).toBe(78);
    for (const name of ['UPSTREAM', 'CLIENT_ID_SECRET', 'RELAY_IDENTITY_SEED', 'REDIS_URL']) {
      expect(stderr).toContain(`${name}: `);
      const value = bad[name as keyof typeof bad];
      const secret = /:([^:@]+)@/.exec(value)?.[1] ?? value;
      expect(found(stdout + stderr, new Map([[name, Buffer.from(secret)]]))).toEqual([]);
    }
  }
});

/** Exchanges that work, that the relay refuses, that the upstream fails, that do not open, and cancels. */
async function sealedTraffic(relay: RelayProcess, client: SealedClient): Promise<void> {
  const inner = {
    method: 'POST',
    path: `/api/${mark('path')}?q=${mark('query')}`,
    headers: [
      ['authorization', `Bearer ${mark('authorization')}`],
      ['cookie', `a=${mark('inner cookie')}`],
      ['x-inner', mark('inner header')],
      [`x-${mark('inner header name')}`, 'v'],
      ['x-request-id', mark('inner request id')],
      ['user-agent', mark('inner user agent')],
      ['mte-relay-client-id', mark('client id field')],
    ] as [string, string][],
    body: mark('body'),
    authority: client.authority,
  };
  const response = await client.fetch(inner, { cookie: `sid=${mark('outer cookie')}`, 'x-request-id': 'known-id-1' });
  expect(response.text).toContain('mark');
  await client.fetch({ ...inner, body: `${mark('large body')}${'x'.repeat(60_000)}` });
  for (const path of ['/break', '/garbage', '/odd-length']) {
    await client.fetch({ ...inner, method: 'POST', path: `${path}/${mark(`path of ${path}`)}?${mark('its query')}` });
  }
  const refused = [
    { path: `/../${mark('refused path')}` },
    { method: 'TRACE', path: `/${mark('path of TRACE')}` },
    { headers: [['content-length', mark('content-length')]] as [string, string][] },
    { headers: [['connection', mark('connection')]] as [string, string][] },
    { headers: [['x-long', mark('long header').repeat(2_000)]] as [string, string][] },
    { method: mark('method'), path: '/' },
    { authority: mark('foreign authority') },
  ];
  for (const request of refused) await client.fetch(request);
  const { message } = await client.seal(plaintextOf(inner));
  await client.post(message);
  await client.post(message);
  await client.post(message.subarray(0, 60));
  await client.cancel(client.nextN + 50);
  const garbage = await client.seal(new Uint8Array(Buffer.from(mark('no HTTP message'))));
  expect((await client.post(garbage.message)).status).toBe(200);
  expect(relay.child.exitCode).toBeNull();
}

/** Bytes that anybody can send to the public port. */
async function outerTraffic({ port }: RelayProcess, client: SealedClient): Promise<void> {
  const body = new Uint8Array(Buffer.from(mark('outer body')));
  const named = { 'x-outer': mark('outer header'), 'x-request-id': `no id ${mark('malformed request id')}` };
  for (const path of ['/api/mte', '/api/mte-pair']) {
    await send(port, path, { headers: { ...named, 'content-type': mark('content type') }, body });
    await send(port, path, { headers: { ...named, origin: `https://${mark('origin')}.example` }, body });
    await send(port, path, { headers: { 'content-type': 'application/mte-relay' }, body });
    await send(port, path, { headers: { 'content-type': CONTENT_TYPE_PAIRING }, body });
    await send(port, `${path}?${mark('outer query')}`, { headers: { 'content-type': 'application/mte-relay' }, body });
  }
  await send(port, `/api/mte-echo?msg=${mark('echo')}`, { method: 'GET' });
  await send(port, `/${mark('unknown path')}?${mark('unknown query')}`, { method: 'GET' });
  await send(port, `/visible/${mark('visible path')}`, {
    headers: { 'content-type': 'application/mte-relay' },
    body: (await client.seal(plaintextOf({ path: '/other' }))).message,
  });
  for (const text of [
    `${mark('not HTTP')}\r\n\r\n`,
    `GET /${mark('malformed path')} HTTP/1.1\r\nhost: a\r\nbad name ${mark('malformed header')}: x\r\n\r\n`,
    `POST /api/mte HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: ${mark('smuggled')}\r\n\r\n`,
    `POST /api/mte HTTP/1.1\r\nhost: a\r\ncontent-type: application/mte-relay\r\ncontent-length: 500\r\n\r\n${mark('unfinished')}`,
  ]) {
    await raw(port, text);
  }
}

async function plainTraffic({ port }: RelayProcess): Promise<void> {
  const headers = {
    authorization: `Basic ${mark('plain authorization')}`,
    cookie: mark('plain cookie'),
    'x-forwarded-for': mark('forwarded for'),
  };
  const body = new Uint8Array(Buffer.from(mark('plain body')));
  for (const path of ['/plain/a', '/break', '/garbage', '/odd-length'].map((path) =>
    path.replace(/^\/(?!plain)/, '/plain/'),
  )) {
    await send(port, `${path}/${mark('plain path')}?${mark('plain query')}`, { headers, body });
  }
}

async function webSockets({ port }: RelayProcess, client: SealedClient): Promise<void> {
  await TestWebSocket.open(client, {
    path: `/ws/${mark('path of a WebSocket')}`,
    headers: [['x-ws', mark('header of a WebSocket')]],
  }).catch(() => undefined);
  const rude = await openOuter(port);
  rude.send(mark('text where bytes belong'));
  await new Promise((resolve) => rude.on('close', resolve));
  const broken = await openOuter(port);
  broken.on('error', () => undefined);
  (broken as unknown as { _socket: Socket })._socket.write(mark('bytes that are no frame'));
  await new Promise((resolve) => broken.on('close', resolve));
  const plain = new WebSocket(`ws://127.0.0.1:${port}/plain/${mark('path of a plain WebSocket')}`);
  await new Promise((resolve) => plain.on('error', resolve));
}

/** The log of a relay whose upstream is unreachable, refuses TLS, or does not speak HTTP. */
async function failingUpstream(): Promise<string> {
  const odd = createTcpServer((socket) => socket.end(`${mark('no HTTP answer')}\r\n\r\n`));
  onTestFinished(() => void odd.close());
  let printed = '';
  for (const upstream of ['http://127.0.0.1:9', `http://127.0.0.1:${await listen(odd)}`, 'https://127.0.0.1:9']) {
    const relay = await relayBefore(() => {}, {
      LOG_LEVEL: 'trace',
      UPSTREAM: upstream,
      PASS_THROUGH_ROUTES: '/plain/*',
      DRAIN_DELAY_MS: '0',
      SHUTDOWN_TIMEOUT_MS: '1000',
    });
    const { client } = await pairKeepingSecrets(relay.port);
    const response = await client.fetch({
      method: 'POST',
      path: `/${mark('failing path')}`,
      body: mark('failing body'),
    });
    expect(response.head.status).toBe(502);
    await send(relay.port, `/plain/${mark('failing plain path')}`, { body: new Uint8Array(3) });
    relay.child.kill('SIGTERM');
    await relay.exited;
    expect(relay.lines().map(({ msg }) => msg)).toContain('upstream failed');
    printed += relay.output();
  }
  return printed;
}

/** Sends exactly this and waits until the relay has had enough of it. */
function raw(port: number, text: string): Promise<void> {
  return new Promise((resolve) => {
    const socket = endsWithTest(connect(port, '127.0.0.1', () => socket.write(text)));
    socket.on('error', () => {});
    socket.resume();
    socket.on('close', () => resolve());
  });
}
