// The fine points of the egress as a proxy, by node:http and bare sockets, before the real relay and a real backend.
import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Backend } from '@mte-relay/testing/backend';
import { contentOf } from '@mte-relay/testing/content';
import type { RunningProcess } from '@mte-relay/testing/processes';
import { relayProcessTo, startRelay } from '@mte-relay/testing/relay-process';
import { requiredSettings } from '@mte-relay/testing/settings';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { until } from '@mte-relay/testing/until';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CallResponse, call, type Egress, startEgress } from './support/egress.ts';

const UPLOAD_BYTES = 40_000_000;
const MAX_CONCURRENT = 250;

const backend = new Backend();
const processes: RunningProcess[] = [];
let url: string;
let relayAuthority: string;
let egress: Egress;

beforeAll(async () => {
  await backend.start();
  const relay = await startRelay(requiredSettings(backend.url));
  relayAuthority = `127.0.0.1:${relay.port}`;
  egress = await startEgress(['--max-concurrent', String(MAX_CONCURRENT), '--log-level', 'trace'], {
    MTE_RELAY_URL: `http://${relayAuthority}`,
    MTE_RELAY_ALLOW_HOSTS: 'x,caller.example',
    MTE_RELAY_PINS: `sha256-${Buffer.alloc(32).toString('base64')}, ${relay.pin}`,
  });
  url = egress.url;
  processes.push(relay, egress);
});

afterAll(async () => {
  await Promise.all(processes.map((running) => running.stop('SIGKILL')));
  backend.stop();
});

/** Sends bytes and gives everything that comes back until the other side ends. */
async function exchangeRaw(bytes: string): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.write(bytes);
  return (await contentOf(socket)).toString('latin1');
}

test('method, target, field lines and body arrive as they were sent', async () => {
  let seen: IncomingMessage | undefined;
  let body = '';
  backend.handler = async (req, res) => {
    seen = req;
    body = (await contentOf(req)).toString();
    res.end();
  };
  const headers = ['Host', 'x', 'Content-Length', '2', 'X-One', '1', 'X-Two', 'a', 'x-one', '2', 'X-Latin', '\xe9'];
  await call(url, "/a//b;c/%C3%A9?q='1'&r=%2F..%2f", { method: 'PROPFIND', headers }, Buffer.from('hi'));
  expect(seen).toMatchObject({ method: 'PROPFIND', url: "/a//b;c/%C3%A9?q='1'&r=%2F..%2f" });
  expect(body).toBe('hi');
  const own = /^(?:host|connection|content-length|x-forwarded-.*|forwarded|via|traceparent|x-request-id|user-agent)$/;
  const lines = seen?.rawHeaders.flatMap((name, at, raw) =>
    at % 2 || own.test(name) ? [] : [`${name}: ${raw[at + 1]}`],
  );
  expect(lines).toEqual(['x-one: 1', 'x-two: a', 'x-one: 2', 'x-latin: \xe9']);
  expect(seen?.headers['content-length']).toBe('2');
});

test('a GET may have a body; a POST without one has none', async () => {
  backend.handler = async (req, res) => {
    res.end(`${req.headers['content-length']} ${req.headers['transfer-encoding']} ${await contentOf(req)}`);
  };
  const get = await call(url, '/search', { method: 'GET', headers: { 'content-length': 5 } }, 'query');
  expect(get.body.toString()).toBe('5 undefined query');
  const post = await call(url, '/', { method: 'POST', headers: { 'content-length': 0 } });
  expect(post.body.toString()).toBe('0 undefined ');
});

test("fields of the caller's hop end here, and the relay's authority stands for its Host", async () => {
  let seen: IncomingMessage['headers'] = {};
  backend.handler = (req, res) => {
    seen = req.headers;
    res.end();
  };
  await call(url, '/', {
    headers: {
      host: 'caller.example:8081',
      connection: 'close, X-Hop, Content-Length',
      'x-hop': 'mine',
      'keep-alive': 'timeout=5',
      'proxy-authorization': 'Basic x',
      te: 'trailers',
      'x-forwarded-for': '6.6.6.6',
      'mte-relay-client-id': 'forged',
    },
  });
  expect(seen['x-forwarded-host']).toBe(relayAuthority);
  expect(seen['x-forwarded-for']).toBe('127.0.0.1');
  expect(JSON.stringify(seen)).not.toMatch(/caller\.example|mine|timeout=5|Basic x|trailers|6\.6\.6\.6|forged/);
});

test('bytes of field values come as they were, also when the content comes later', async () => {
  backend.handler = async (_req, res) => {
    res.writeHead(200, { 'X-Latin': '\xe9' }).write(Buffer.alloc(0)); // the head alone
    await sleep(300);
    res.end(Buffer.alloc(1));
  };
  expect((await call(url, '/later')).headers['x-latin']).toBe('\xe9');
});

test('status and field lines of the response come as they were, cookies and trailers too', async () => {
  backend.handler = (_req, res) => {
    res.writeHead(418, [
      'Set-Cookie',
      'a=1; HttpOnly',
      'Set-Cookie',
      'b=2',
      'Link',
      '<a>',
      'Link',
      '<b>',
      'Trailer',
      'x-sum',
    ]);
    res.write('tea');
    res.addTrailers({ 'x-sum': '42' });
    res.end();
  };
  const response = await call(url, '/');
  expect(response.status).toBe(418);
  expect(response.headers['set-cookie']).toEqual(['a=1; HttpOnly', 'b=2']);
  expect(response.rawHeaders.filter((_, at, raw) => raw[at - 1] === 'link')).toEqual(['<a>', '<b>']);
  expect(response.body.toString()).toBe('tea');
  expect(response.trailers).toEqual({ 'x-sum': '42' });
});

test('trailers of a request that announces them reach the backend, those of its own hop do not', async () => {
  let trailers: string[] = [];
  let announced: string | undefined;
  backend.handler = async (req, res) => {
    const body = await contentOf(req);
    trailers = req.rawTrailers;
    announced = req.headers.trailer;
    res.end(body);
  };
  const { hostname, port } = new URL(url);
  const req = request({ hostname, port, path: '/up', method: 'PUT', headers: { trailer: 'X-Sum' } });
  req.write('first ');
  setTimeout(() => {
    req.addTrailers([
      ['X-Sum', '42'],
      ['Proxy-Authorization', 'Basic x'],
      ['Authorization', 'Basic y'],
    ]);
    req.end('last');
  }, 100);
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  expect(res.statusCode).toBe(200);
  expect((await contentOf(res)).toString()).toBe('first last');
  expect(announced).toBe('x-sum');
  expect(trailers).toEqual(['x-sum', '42']);
});

test.each([204, 304])('status %d has no body and leaves the connection usable', async (status) => {
  backend.handler = (_req, res) => res.writeHead(status, { etag: '"e"' }).end();
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const first = await call(url, '/', { agent });
  expect(first).toMatchObject({ status, body: Buffer.alloc(0), headers: { etag: '"e"' } });
  expect(first.headers['transfer-encoding']).toBeUndefined();
  backend.handler = (_req, res) => res.end('next');
  expect((await call(url, '/', { agent })).body.toString()).toBe('next');
  agent.destroy();
});

test('a redirect is handed out, not followed', async () => {
  backend.handler = (_req, res) => res.writeHead(302, { location: '/elsewhere' }).end();
  const before = backend.ran.length;
  expect(await call(url, '/from')).toMatchObject({ status: 302, headers: { location: '/elsewhere' } });
  expect(backend.ran.slice(before)).toEqual(['GET /from']);
});

test('connections are kept: ten requests in a row use one', async () => {
  backend.handler = (_req, res) => res.end('x');
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ports = new Set<number | undefined>();
  for (let i = 0; i < 10; i += 1) {
    const req = request(`${url}/${i}`, { agent }).end();
    const [res] = (await once(req, 'response')) as [IncomingMessage];
    ports.add(req.socket?.localPort);
    await contentOf(res);
    await new Promise(setImmediate); // the agent takes its socket back in the next turn
  }
  expect(ports.size).toBe(1);
  agent.destroy();
});

test('request and response stream at the same time', async () => {
  backend.handler = (req, res) => {
    res.writeHead(200);
    req.pipe(res);
  };
  const req = request(`${url}/echo`, { method: 'POST' });
  req.write('ping');
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  expect(`${(await once(res, 'data'))[0]}`).toBe('ping');
  req.write('pong');
  expect(`${(await once(res, 'data'))[0]}`).toBe('pong');
  req.end();
  await once(res.resume(), 'end');
});

test('the head of a response does not wait for its content', async () => {
  let send: () => void = () => undefined;
  backend.handler = (_req, res) => {
    res.writeHead(200, { etag: '"e"' }).flushHeaders();
    send = () => res.end('content');
  };
  const req = request(`${url}/late`).end();
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  expect(res.headers.etag).toBe('"e"');
  send();
  expect((await contentOf(res)).toString()).toBe('content');
});

test('a slow reader pauses the backend', async () => {
  const total = 64 * 1024 * 1024;
  let written = 0;
  backend.handler = (_req, res) => {
    const piece = Buffer.alloc(65_536);
    const more = (): void => {
      while (written < total && !res.destroyed) {
        written += piece.length;
        if (!res.write(piece)) return void res.once('drain', more);
      }
      res.end();
    };
    more();
  };
  const req = request(`${url}/big`).end();
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  res.pause();
  let before = -1;
  await until(async () => {
    const still = written === before && written > 0;
    before = written;
    await sleep(300);
    return still;
  });
  expect(written).toBeLessThan(total / 2);
  let received = 0;
  for await (const piece of res) received += (piece as Buffer).length;
  expect(received).toBe(total);
});

test('a slow backend pauses the caller, until it reads', async () => {
  let read: () => void = () => undefined;
  backend.handler = (req, res) => {
    read = () => void contentOf(req).then((body) => res.end(`${body.length}`));
  };
  const req = request(`${url}/big`, { method: 'POST', headers: { 'content-length': UPLOAD_BYTES } });
  const piece = Buffer.alloc(UPLOAD_BYTES / 1_000);
  let writtenPieces = 0;
  const write = (): void => {
    while (writtenPieces < 1_000) {
      writtenPieces += 1;
      if (!req.write(piece)) return void req.once('drain', write);
    }
    req.end();
  };
  write();
  await until(async () => {
    const before = writtenPieces;
    await sleep(500);
    return writtenPieces === before;
  });
  expect(writtenPieces).toBeLessThan(750);
  read();
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  expect((await contentOf(res)).toString()).toBe(String(UPLOAD_BYTES));
});

test('a caller that breaks its upload off breaks it off upstream: it never looks complete', async () => {
  let outcome = '';
  backend.handler = (req) => {
    req.resume();
    req.on('end', () => {
      outcome = 'complete';
    });
    req.on('error', () => {
      outcome = 'broken off';
    });
  };
  const req = request(`${url}/up`, { method: 'POST' });
  req.on('error', () => undefined);
  const before = backend.ran.length;
  req.write('some of it');
  await until(() => backend.ran.length > before);
  req.destroy();
  await until(() => outcome !== '', 1_000);
  expect(outcome).toBe('broken off');
});

test('a response that the backend cuts off is cut off for the caller', async () => {
  backend.handler = (_req, res) => {
    res.write('some of it');
    setTimeout(() => res.destroy(), 50);
  };
  await expect(call(url, '/')).rejects.toThrow(/aborted/);
});

test("a body beyond the relay's limit is the relay's 413", async () => {
  const relay = await relayProcessTo(backend.url, { REQUEST_BODY_MAX_BYTES: '1000' });
  const small = endsWithTest(await startEgress(['--relay', relay.url, '--pin', relay.pin]));
  backend.handler = (req, res) => req.resume().on('end', () => res.end());
  const post = (bytes: number): Promise<CallResponse> => call(small.url, '/', { method: 'POST' }, Buffer.alloc(bytes));
  expect((await post(1000)).status).toBe(200);
  expect(await post(1001)).toMatchObject({ status: 413, headers: { 'mte-relay-failure': 'request-too-large' } });
});

test("the relay's own word on a path is passed on", async () => {
  const before = backend.ran.length;
  const response = await call(url, '/a/../b');
  expect(response).toMatchObject({ status: 400, headers: { 'mte-relay-failure': 'path-refused' } });
  expect(JSON.parse(response.body.toString())).toMatchObject({ code: 'path-refused', upstreamSaw: 'no' });
  expect(backend.ran.length).toBe(before);
});

test('WebSocket is 501; another upgrade that is asked for is ignored', async () => {
  backend.handler = (_req, res) => res.end('plain');
  const upgrade = (to: string): Promise<string> =>
    exchangeRaw(`GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: ${to}\r\n\r\n`);
  const refused = await upgrade('websocket');
  expect(refused).toMatch(/^HTTP\/1\.1 501 /);
  expect(refused).toContain('"code":"websocket-unsupported"');
  expect(await upgrade('h2c')).toMatch(/^HTTP\/1\.1 200 [\s\S]*plain/);
});

test('CONNECT is 501, and a target that is not a path is 400: the egress is not a forward proxy', async () => {
  const before = backend.ran.length;
  const connected = await exchangeRaw('CONNECT api.example:443 HTTP/1.1\r\nHost: api.example:443\r\n\r\n');
  expect(connected).toMatch(/^HTTP\/1\.1 501 /);
  expect(connected).toContain('"code":"connect-unsupported"');
  for (const target of ['http://api.example/x', '/x#y']) {
    const response = await exchangeRaw(`GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    expect(response).toMatch(/^HTTP\/1\.1 400 /);
    expect(response).toContain('"code":"target-unsupported","mayHaveRun":false');
  }
  expect(backend.ran.length).toBe(before);
});

test('too many fields are refused before anything is sent', async () => {
  const before = backend.ran.length;
  const headers = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`x-${i}`, 'v']));
  const response = await call(url, '/', { method: 'POST', headers });
  expect(response).toMatchObject({ status: 400, headers: { 'mte-relay-failure': 'misuse' } });
  expect(backend.ran.length).toBe(before);
});

test('200 requests at a time get a response each, and each its own', async () => {
  let together = 0;
  let most = 0;
  backend.handler = async (req, res) => {
    together += 1;
    most = Math.max(most, together);
    const body = await contentOf(req);
    setTimeout(() => {
      together -= 1;
      res.end(`${req.url} ${body}`);
    }, 300);
  };
  const agent = new Agent({ maxSockets: 200 });
  const responses = await Promise.all(
    Array.from({ length: 200 }, (_, i) => call(url, `/${i}`, { method: 'POST', agent }, `body ${i}`)),
  );
  expect(responses.map(({ body }) => body.toString())).toEqual(
    Array.from({ length: 200 }, (_, i) => `/${i} body ${i}`),
  );
  expect(most).toBeGreaterThan(100);
  agent.destroy();
});

test('more requests at a time than allowed are 503 at once, and the others go on', async () => {
  const held: (() => void)[] = [];
  backend.handler = (_req, res) => held.push(() => res.end('done'));
  const agent = new Agent({ maxSockets: Number.POSITIVE_INFINITY });
  const running = Array.from({ length: MAX_CONCURRENT }, () => call(url, '/', { agent }));
  await until(() => held.length === MAX_CONCURRENT);
  const refused = await call(url, '/', { agent });
  expect(refused).toMatchObject({ status: 503, headers: { 'retry-after': '1', 'mte-relay-failure': 'too-many' } });
  expect(JSON.parse(refused.body.toString())).toMatchObject({ code: 'too-many', mayHaveRun: false });
  for (const end of held) end();
  expect((await Promise.all(running)).every(({ body }) => body.toString() === 'done')).toBe(true);
  agent.destroy();
});

test('nothing of a request gets into the log, at any level', async () => {
  backend.handler = (_req, res) => res.writeHead(200, { 'x-a': 'walnut' }).end('quince');
  const headers = { authorization: 'hazelnut', 'content-length': 6 };
  await call(url, '/medlar?persimmon', { method: 'POST', headers }, 'loquat');
  await until(() => /"msg":"request"\}\n$/.test(egress.output()));
  expect(egress.output()).toContain('"method":"POST"');
  expect(egress.output()).not.toMatch(/medlar|persimmon|hazelnut|walnut|loquat|quince/);
});
