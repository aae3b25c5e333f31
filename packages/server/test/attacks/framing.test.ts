// Requests and responses whose framing two parsers could read differently: CVE-2026-1525, 2026-29057, 2026-6733,
// 2026-48931, 2024-27982, 2024-22019, 2025-23167, 2022-32213 to 32215, and what inner messages could smuggle.
import { connect, createServer, type Socket } from 'node:net';
import { SealedClient } from '@mte-relay/testing/sealed-client';
import { listen, urlOf } from '@mte-relay/testing/servers';
import { pairedTo, stage } from '@mte-relay/testing/stage';
import { expect, onTestFinished, test } from 'vitest';

const ROUTES = { environment: { PASS_THROUGH_ROUTES: '/pub/*' } };
const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n';

test.each(['DELETE', 'OPTIONS', 'GET', 'HEAD', 'POST', 'PURGE'])(
  'a body of %s that looks like a request stays a body',
  async (method) => {
    const { port, seen } = await stage();
    const client = await SealedClient.pair(port);
    const framings = [[], [['transfer-encoding', 'chunked']], [['transfer-encoding', ',chunked']]] as const;
    for (const headers of framings) await client.fetch({ method, headers, body: `0\r\n\r\n${SMUGGLED}` });
    expect(seen.map(({ url }) => url)).toEqual(['/', '/', '/']);
    for (const { headers } of seen) expect(headers['transfer-encoding']).toBeUndefined();
  },
);

test('a length beside a chunked body, or one in another case, reaches no upstream', async () => {
  const { port, seen } = await stage();
  const client = await SealedClient.pair(port);
  for (const headers of [
    [
      ['content-length', '5'],
      ['content-length', '50'],
    ],
    [['Content-Length', '5']],
    [
      ['content-length', '5'],
      ['Content-Length', '50'],
    ],
  ] as const) {
    const response = await client.fetch({ method: 'POST', headers, body: 'hello' });
    expect(response.head.status).toBe(400);
  }
  expect(seen).toHaveLength(0);
});

test.each([
  ['two lengths', 'POST /pub/x HTTP/1.1\r\nhost: r\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!'],
  [
    'a length beside chunked',
    'POST /pub/x HTTP/1.1\r\nhost: r\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
  ],
  ['",chunked"', `POST /pub/x HTTP/1.1\r\nhost: r\r\ntransfer-encoding: ,chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`],
  [
    '"chunked, identity"',
    `POST /pub/x HTTP/1.1\r\nhost: r\r\ntransfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  ],
  [
    'space before the colon',
    `POST /pub/x HTTP/1.1\r\nhost: r\r\ntransfer-encoding : chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  ],
  ['a folded line', 'POST /pub/x HTTP/1.1\r\nhost: r\r\nx: a\r\n content-length: 5\r\ncontent-length : 5\r\n\r\nhello'],
  ['a bare CR in the head', 'GET /pub/x HTTP/1.1\r\nhost: r\r\nx: a\r\n\rX: b\r\n\r\n'],
  ['a bare LF as line end', 'GET /pub/x HTTP/1.1\nhost: r\nx: a\n\n'],
  [
    'a chunk size that is not a number',
    'POST /pub/x HTTP/1.1\r\nhost: r\r\ntransfer-encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n',
  ],
  ['NUL in a header', 'GET /pub/x HTTP/1.1\r\nhost: r\r\nx: a\0b\r\n\r\n'],
  ['no host', 'GET /pub/x HTTP/1.1\r\n\r\n'],
])('an outer request with %s is refused or read as one, never as two', async (_name, bytes) => {
  const { port, seen } = await stage(undefined, ROUTES);
  await exchangeRaw(port, bytes);
  expect(seen.filter(({ url }) => url === '/smuggled')).toHaveLength(0);
  expect(seen.length).toBeLessThanOrEqual(1);
});

test('chunk extensions do not grow without end', async () => {
  const { port } = await stage(undefined, ROUTES);
  const response = await exchangeRaw(
    port,
    `POST /pub/x HTTP/1.1\r\nhost: r\r\ntransfer-encoding: chunked\r\n\r\n5;${'a'.repeat(200_000)}\r\nhello\r\n0\r\n\r\n`,
  );
  expect(response).not.toMatch(/^HTTP\/1\.1 200/);
});

test('the relay drops a response without a request', async () => {
  const sockets = new Set<Socket>();
  let asked = 0;
  const upstream = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', () => {
      asked += 1;
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nq${asked}`);
      // A second response, which the next request on this connection must not get.
      setTimeout(() => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\npoisoned'), 20);
    });
  });
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    upstream.close();
  });
  const client = await pairedTo(urlOf(await listen(upstream)));
  const texts: string[] = [];
  for (let i = 0; i < 4; i += 1) {
    texts.push((await client.fetch({ method: 'POST', body: 'x' })).text);
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
  expect(texts).toEqual(['q1', 'q2', 'q3', 'q4']);
});

test.each([
  ['two lengths', 'content-length: 2\r\ncontent-length: 20\r\n\r\nhi'],
  ['a length beside chunked', 'content-length: 20\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n'],
  ['a coding that nobody has accepted', 'transfer-encoding: gzip, chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n'],
  ['CR in a header', 'x: a\rb\r\ncontent-length: 2\r\n\r\nhi'],
])('the relay does not pass on an upstream response with %s as whole', async (_name, rest) => {
  const upstream = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', () => socket.end(`HTTP/1.1 200 OK\r\n${rest}`));
  });
  onTestFinished(() => void upstream.close());
  const response = await (await pairedTo(urlOf(await listen(upstream)))).fetch({});
  expect(response.head.status).toBe(502);
});

/** Sends bytes as they are; what came back until the connection ended or half a second passed. */
function exchangeRaw(port: number, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(Buffer.from(bytes, 'latin1')));
    socket.on('data', (piece) => {
      text += piece.toString('latin1');
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(text));
    setTimeout(() => socket.destroy(), 500);
  });
}

test('whitespace around an upstream’s field values does not belong to them', async () => {
  const upstream = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () =>
      socket.end('HTTP/1.1 200 OK\r\nx-a: \t padded \t \r\nx-b: \r\ncontent-length: 2\r\n\r\nok'),
    );
  });
  onTestFinished(() => void upstream.close());
  const response = await (await pairedTo(urlOf(await listen(upstream)))).fetch({});
  expect([response.header('x-a'), response.header('x-b'), response.text]).toEqual(['padded', '', 'ok']);
});
