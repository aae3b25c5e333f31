import { createServer as createTcpServer, type Socket } from 'node:net';
import { SealedClient } from '@mte-relay/testing/sealed-client';
import { listen } from '@mte-relay/testing/servers';
import { pairedTo, stage } from '@mte-relay/testing/stage';
import { expect, onTestFinished, test } from 'vitest';
import { upstreamFailureCode } from '../../src/upstream/failures.ts';

test('an unreachable upstream is 502 inside the seal, and has not seen the request', async () => {
  const gone = createTcpServer();
  const port = await listen(gone);
  await new Promise((resolve) => gone.close(resolve));
  const client = await pairedTo(`http://127.0.0.1:${port}`);
  const response = await client.fetch({ method: 'POST', body: 'x' });
  expect(response.head.status).toBe(502);
  expect(response.header('mte-relay-failure')).toBe('upstream-unreachable');
  expect(JSON.parse(response.text)).toMatchObject({ upstreamSaw: 'no' });
});

test('an upstream that closes before it responds is 502, and may have seen the request', async () => {
  const { port, seen } = await stage((req) => req.socket.destroy());
  const client = await SealedClient.pair(port);
  const response = await client.fetch({ method: 'POST', body: 'x' });
  expect(response.head.status).toBe(502);
  expect(JSON.parse(response.text)).toMatchObject({ code: 'upstream-failed', upstreamSaw: 'maybe' });
  expect(seen).toHaveLength(1);
});

test('an upstream that does not respond in time is 504', async () => {
  const { port } = await stage(() => {}, { environment: { UPSTREAM_HEADERS_TIMEOUT_MS: '300' } });
  const client = await SealedClient.pair(port);
  const response = await client.fetch({});
  expect(response.head.status).toBe(504);
  expect(response.header('mte-relay-failure')).toBe('upstream-timeout');
});

test('a vanished host is unreachable to new connections alone: it may have seen a request in progress', () => {
  const error = (code: string, syscall: string): Error => Object.assign(new Error(code), { code, syscall });
  for (const code of ['EHOSTUNREACH', 'ENETUNREACH']) {
    const refused = error(code, 'connect');
    expect(upstreamFailureCode(refused)).toBe('upstream-unreachable');
    const every = Object.assign(new AggregateError([refused, error('ETIMEDOUT', 'connect')], code), { code });
    expect(upstreamFailureCode(every)).toBe('upstream-unreachable');
    expect(upstreamFailureCode(error(code, 'read'))).toBe('upstream-failed');
    expect(upstreamFailureCode(error(code, 'write'))).toBe('upstream-failed');
  }
});

test('an upstream that does not speak HTTP is 502', async () => {
  const server = createTcpServer((socket) => socket.end('SMTP ready\r\n\r\n'));
  const client = await pairedTo(`http://127.0.0.1:${await listen(server)}`);
  onTestFinished(() => void server.close());
  expect((await client.fetch({})).head.status).toBe(502);
});

test('an idle connection that the upstream closes in the moment of use is replaced for GET, and not for POST', async () => {
  const served = new Map<unknown, number>();
  const { port, seen } = await stage((req, res) => {
    const count = (served.get(req.socket) ?? 0) + 1;
    served.set(req.socket, count);
    if (count > 1 || req.url === '/cut') req.socket.destroy();
    else res.end('ok');
  });
  const client = await SealedClient.pair(port);
  expect((await client.fetch({})).text).toBe('ok');
  expect((await client.fetch({})).text).toBe('ok'); // second use was cut off, third went over a new connection
  expect(seen).toHaveLength(3);
  expect((await client.fetch({ method: 'POST', path: '/cut', body: 'x' })).head.status).toBe(502);
  expect(seen.filter(({ url }) => url === '/cut')).toHaveLength(1);
});

test('an upstream that is unreachable when the relay retries a GET may have seen it the first time', async () => {
  const { port, upstream, seen } = await stage((req, res) => {
    if (req.url !== '/cut') return void res.end('ok');
    upstream.close();
    req.socket.destroy();
  });
  const client = await SealedClient.pair(port);
  expect((await client.fetch({})).text).toBe('ok');
  const response = await client.fetch({ path: '/cut' });
  expect(JSON.parse(response.text)).toMatchObject({ code: 'upstream-failed', upstreamSaw: 'maybe' });
  expect(seen.filter(({ url }) => url === '/cut')).toHaveLength(1);
});

test('a body beyond the limit is 413 inside the seal', async () => {
  const { port, seen } = await stage(undefined, { environment: { REQUEST_BODY_MAX_BYTES: '1000' } });
  const client = await SealedClient.pair(port);
  expect((await client.fetch({ method: 'POST', body: 'x'.repeat(1000) })).head.status).toBe(200);
  const response = await client.fetch({ method: 'POST', body: 'x'.repeat(1001) });
  expect(response.head.status).toBe(413);
  expect(response.header('mte-relay-failure')).toBe('request-too-large');
  expect(seen).toHaveLength(1);
});

test('header fields beyond the limit are 413 inside the seal', async () => {
  const { port, seen } = await stage(undefined, { environment: { REQUEST_HEAD_MAX_BYTES: '1024' } });
  const client = await SealedClient.pair(port);
  const response = await client.fetch({ headers: [['x-long', 'a'.repeat(1100)]] });
  expect(response.head.status).toBe(413);
  expect(seen).toHaveLength(0);
});

test.each(['CONNECT', 'TRACE'])('%s is refused inside the seal', async (method) => {
  const { port, seen } = await stage();
  const client = await SealedClient.pair(port);
  expect((await client.fetch({ method })).head.status).toBe(400);
  expect(seen).toHaveLength(0);
});

test('the relay refuses more exchanges at once than the limit with 503 and Retry-After, and counts each off at its end', async () => {
  const waiting: (() => void)[] = [];
  const { port } = await stage((_req, res) => waiting.push(() => res.end('ok')), {
    environment: { EXCHANGES_MAX: '2' },
  });
  const client = await SealedClient.pair(port);
  const under = [client.fetch({}), client.fetch({})];
  await expect.poll(() => waiting.length).toBe(2);
  await expect(client.fetch({})).rejects.toThrow('503 unavailable');
  for (const finish of waiting.splice(0)) finish();
  await Promise.all(under);
  const last = client.fetch({});
  await expect.poll(() => waiting.length).toBe(1);
  waiting[0]?.();
  expect((await last).text).toBe('ok');
});

test('the relay cuts off an upstream that pauses too long inside its response, and the response is not whole', async () => {
  const { port } = await stage(
    (_req, res) => {
      res.writeHead(200);
      res.write('half');
    },
    { environment: { UPSTREAM_IDLE_TIMEOUT_MS: '300' } },
  );
  const client = await SealedClient.pair(port);
  await expect(client.fetch({})).rejects.toThrow();
});

test('connecting to an upstream has a time of its own', async () => {
  const sockets: Socket[] = [];
  const silent = createTcpServer((socket) => void sockets.push(socket)); // accepts, and never shakes hands
  const client = await pairedTo(`https://127.0.0.1:${await listen(silent)}`, { UPSTREAM_CONNECT_TIMEOUT_MS: '300' });
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    silent.close();
  });
  const startedMs = performance.now();
  expect((await client.fetch({})).header('mte-relay-failure')).toBe('upstream-unreachable');
  expect(performance.now() - startedMs).toBeLessThan(5_000);
});
