// Requests of one connection, sent before the responses to earlier ones: the relay runs one at a time, in their order, and none
// behind a response that closes the connection (RFC 9112 §9.3.2, §9.6).
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { CONTENT_TYPE_MESSAGE } from '@mte-relay/protocol';
import { plaintextOf, SealedClient } from '@mte-relay/testing/sealed-client';
import { type Stage, stage } from '@mte-relay/testing/stage';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { expect, test } from 'vitest';
import { PIPELINED_MAX } from '../../src/limits/fixed.ts';

const ROUTES = { environment: { PASS_THROUGH_ROUTES: '/pub/*', EXCHANGES_MAX: '50' } };
const get = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: r\r\n\r\n`;
const post = (path: string, body = 'x'): string =>
  `POST ${path} HTTP/1.1\r\nhost: r\r\ncontent-length: ${body.length}\r\n\r\n${body}`;

interface Wire {
  readonly socket: Socket;
  /** What has arrived. */
  text(): string;
  readonly closed: Promise<void>;
}

/** Sends bytes as they are. */
function wireTo(port: number, bytes: string | Buffer): Wire {
  let text = '';
  const socket = endsWithTest(connect(port, '127.0.0.1', () => socket.write(bytes)));
  socket.on('data', (piece) => {
    text += piece.toString('latin1');
  });
  socket.on('error', () => undefined);
  return { socket, text: () => text, closed: new Promise((resolve) => socket.once('close', () => resolve())) };
}

function statusesIn(text: string): number[] {
  return [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
}

/** An upstream that responds when it is told to. */
async function slowStage(): Promise<Stage & { readonly waiting: { url: string; respond: () => void }[] }> {
  const waiting: { url: string; respond: () => void }[] = [];
  const staged = await stage((req, res) => {
    waiting.push({ url: req.url as string, respond: () => void res.end(`to ${req.url}`) });
  }, ROUTES);
  return { ...staged, waiting };
}

test('pipelined requests run one at a time, in their order, whatever their methods', async () => {
  const { port, seen, waiting } = await slowStage();
  const paths = ['/pub/1', '/pub/2', '/pub/3', '/pub/4'];
  const wire = wireTo(port, `${get('/pub/1')}${post('/pub/2')}${post('/pub/3')}${get('/pub/4')}`);
  for (const [at, path] of paths.entries()) {
    await expect.poll(() => seen.length).toBe(at + 1);
    await sleep(20);
    expect(seen.map(({ url }) => url)).toEqual(paths.slice(0, at + 1));
    waiting[at]?.respond();
    await expect.poll(() => wire.text()).toContain(`to ${path}`);
  }
  expect(statusesIn(wire.text())).toEqual([200, 200, 200, 200]);
});

test('sealed messages on one connection run one at a time too', async () => {
  const { port, seen, waiting } = await slowStage();
  const client = await SealedClient.pair(port);
  const messages = await Promise.all(
    ['/1', '/2'].map((path) => client.seal(plaintextOf({ method: 'POST', path, body: 'x' }))),
  );
  const posts = messages.flatMap(({ message }) => [
    Buffer.from(
      `POST /api/mte HTTP/1.1\r\nhost: r\r\ncontent-type: ${CONTENT_TYPE_MESSAGE}\r\ncontent-length: ${message.length}\r\n\r\n`,
    ),
    message,
  ]);
  const wire = wireTo(port, Buffer.concat(posts));
  await expect.poll(() => seen.length).toBe(1);
  await sleep(20);
  expect(seen.map(({ url }) => url)).toEqual(['/1']);
  waiting[0]?.respond();
  await expect.poll(() => seen.length).toBe(2);
  waiting[1]?.respond();
  await expect.poll(() => statusesIn(wire.text())).toEqual([200, 200]);
});

test('the content of a waiting request arrives whole, however large', async () => {
  const staged = await stage(async (req, res) => {
    if (req.url === '/pub/1') await sleep(100);
    let length = 0;
    for await (const piece of req) length += (piece as Buffer).length;
    res.end(`took ${length}`);
  }, ROUTES);
  const wire = wireTo(staged.port, `${get('/pub/1')}${post('/pub/2', 'y'.repeat(3_000_000))}${get('/pub/3')}`);
  await expect.poll(() => wire.text(), { timeout: 5_000 }).toContain('took 3000000');
  await expect.poll(() => statusesIn(wire.text())).toEqual([200, 200, 200]);
});

test('one connection with thousands of pipelined requests takes one place, and is closed', async () => {
  const { port, seen, relay } = await slowStage();
  const wire = wireTo(port, get('/pub/slow').repeat(20_000));
  await wire.closed;
  expect(seen.length).toBeLessThanOrEqual(1);
  const other = wireTo(port, get('/api/mte-echo?msg=hi'));
  await expect.poll(() => statusesIn(other.text())).toEqual([200]);
  expect(await relay.metrics()).toMatch(/requests_total\{route="pass_through",outcome="refused"\} 0$/m);
});

test(`up to ${PIPELINED_MAX} requests wait for their turn, one more closes the connection`, async () => {
  const { port, seen, waiting } = await slowStage();
  const wire = wireTo(port, get('/pub/1') + get('/pub/2').repeat(PIPELINED_MAX));
  for (let at = 0; at <= PIPELINED_MAX; at += 1) {
    await expect.poll(() => waiting.length, { interval: 2 }).toBe(at + 1);
    waiting[at]?.respond();
  }
  await expect.poll(() => statusesIn(wire.text()).length).toBe(PIPELINED_MAX + 1);
  const ran = seen.length;
  const beyond = wireTo(port, get('/pub/1') + get('/pub/2').repeat(PIPELINED_MAX + 1));
  await beyond.closed;
  expect(seen.length - ran).toBeLessThanOrEqual(1);
});

test.each([
  ['a path that nobody serves', get('/nothing')],
  ['a path that is refused', get('/pub/../x')],
  ['a head without Host', 'GET /pub/1 HTTP/1.1\r\n\r\n'],
  ['an expectation that nobody meets', 'POST /pub/1 HTTP/1.1\r\nhost: r\r\nexpect: x\r\ncontent-length: 1\r\n\r\nx'],
  ['a client that asks for it', 'GET /pub/1 HTTP/1.1\r\nhost: r\r\nconnection: close\r\n\r\n'],
  [
    'a POST that is refused before its content is here',
    'POST /nothing HTTP/1.1\r\nhost: r\r\ncontent-length: 1\r\n\r\nx',
  ],
  ['an endpoint of the relay', 'POST /api/mte HTTP/1.1\r\nhost: r\r\ncontent-length: 1\r\n\r\nx'],
])('a POST behind a response that closes the connection does not run: %s', async (_name, first) => {
  const { port, seen } = await stage(undefined, ROUTES);
  const wire = wireTo(port, first + post('/pub/behind'));
  await wire.closed;
  await sleep(20);
  expect(statusesIn(wire.text())).toHaveLength(1);
  expect(wire.text()).toMatch(/connection: close/i);
  expect(seen.filter(({ url }) => url === '/pub/behind')).toHaveLength(0);
});

test('requests that wait when the client disconnects do not run', async () => {
  const { port, seen, waiting, relay } = await slowStage();
  const wire = wireTo(port, get('/pub/1') + post('/pub/2') + post('/pub/3'));
  await expect.poll(() => waiting.length).toBe(1);
  wire.socket.destroy();
  await expect.poll(async () => /in_flight\{kind="pass_through"\} 0$/m.test(await relay.metrics())).toBe(true);
  await sleep(20);
  expect(seen).toHaveLength(1);
});

test.each([
  ['garbage', '\0\0garbage\r\n\r\n'],
  ['a head with two lengths', 'POST /pub/2 HTTP/1.1\r\nhost: r\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx'],
])('%s behind a request whose response is in progress: the connection closes, without a byte', async (_name, bytes) => {
  const { port } = await stage(async (_req, res) => {
    res.writeHead(200, { 'content-length': 1000 }).write('the beginning');
  }, ROUTES);
  const wire = wireTo(port, get('/pub/1'));
  await expect.poll(() => wire.text()).toContain('the beginning');
  wire.socket.write(bytes);
  await wire.closed;
  expect(statusesIn(wire.text())).toEqual([200]);
  expect(wire.text().endsWith('the beginning')).toBe(true);
});

test('a chunk that cannot be parsed while the response is in progress: the connection closes, without a byte', async () => {
  const { port } = await stage(async (_req, res) => {
    res.writeHead(200, { 'content-length': 1000 }).write('the beginning');
  }, ROUTES);
  const chunked = 'POST /pub/1 HTTP/1.1\r\nhost: r\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n';
  const wire = wireTo(port, chunked);
  await expect.poll(() => wire.text()).toContain('the beginning');
  wire.socket.write('nothing that is a size\r\n');
  await wire.closed;
  expect(statusesIn(wire.text())).toEqual([200]);
  expect(wire.text().endsWith('the beginning')).toBe(true);
});

test('half a head behind a long response: that response arrives whole, then the head is refused', async () => {
  const { port } = await stage(
    async (_req, res) => {
      res.writeHead(200, { 'content-length': 27 }).write('the beginning');
      await sleep(1_500);
      res.end('and its ending');
    },
    { environment: { ...ROUTES.environment, CLIENT_HEAD_TIMEOUT_MS: '300' } },
  );
  const wire = wireTo(port, `${get('/pub/1')}GET /pub/2 HT`);
  await wire.closed;
  expect(statusesIn(wire.text())).toEqual([200, 408]);
  expect(wire.text()).toMatch(/the beginningand its endingHTTP\/1\.1 408 /);
});

test('CONNECT is refused, and behind a response in progress closes the connection without a byte', async () => {
  const { port } = await slowStage();
  const alone = wireTo(port, 'CONNECT r:80 HTTP/1.1\r\nhost: r:80\r\n\r\n');
  await alone.closed;
  expect(statusesIn(alone.text())).toEqual([400]);
  const behind = wireTo(port, `${get('/pub/1')}CONNECT r:80 HTTP/1.1\r\nhost: r:80\r\n\r\n`);
  await behind.closed;
  expect(behind.text()).toBe('');
});

test.each([
  ['', 'the idle time between requests'],
  ['content-length: 10\r\n', 'the idle time of an incomplete request'],
])(
  'a connection whose only request had an expectation that nobody meets is closed: %j, by %s',
  async (length) => {
    const limits = { KEEP_ALIVE_TIMEOUT_MS: '100', CLIENT_IDLE_TIMEOUT_MS: '200' };
    const { port } = await stage(undefined, { environment: { ...ROUTES.environment, ...limits } });
    const wire = wireTo(port, `POST /pub/1 HTTP/1.1\r\nhost: r\r\nexpect: x\r\n${length}\r\n`);
    await wire.closed;
    expect(statusesIn(wire.text())).toEqual([417]);
  },
  10_000,
);
