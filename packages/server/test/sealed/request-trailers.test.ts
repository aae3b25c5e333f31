// Trailers of a request reach the upstream, sealed or passed through; names that must not stand in a trailer section do
// not (RFC 9110 §6.5.1).
import { once } from 'node:events';
import { type ClientRequest, request } from 'node:http';
import {
  type Bytes,
  concatBytes,
  decodeWhole,
  encodeContent,
  encodeEnd,
  encodeRequest,
  encodeRequestStart,
  type Fields,
  type InnerCode,
  type RequestHead,
  type ResponseHead,
} from '@mte-relay/protocol';
import { openResponse, SealedClient, withSentTime } from '@mte-relay/testing/sealed-client';
import { stage } from '@mte-relay/testing/stage';
import { expect, test } from 'vitest';
import { openUpload } from '../support/sealed-upload.ts';

const CONTENT = new TextEncoder().encode('content');
const MAY_NOT_CROSS: Fields = [
  'content-length',
  'transfer-encoding',
  'host',
  'trailer',
  'connection',
  'te',
  'authorization',
  'cookie',
  'content-type',
  'content-encoding',
  'content-range',
  'range',
  'if-match',
  'cache-control',
  'x-forwarded-for',
  'x_forwarded_for',
  'forwarded',
  'x-real-ip',
  'x-request-id',
  'traceparent',
  'mte-relay-client-id',
  'x-service-name', // set by HEADERS
  'x_service_name',
  'x-api-key', // set by REQUEST_HEADERS
  'x-tenant', // of a proxy, by OUTER_FIELDS_PASSED
  'x_tenant',
  'x-ms-client-principal',
  'ssl_client_cert',
  'via',
].map((name) => [name, 'forged']);
const TRAILERS: Fields = [['x-sum', '42'], ['content-digest', 'sha-256=:AA==:'], ['x-sum', '43'], ...MAY_NOT_CROSS];
const CROSSED = ['x-sum', '42', 'content-digest', 'sha-256=:AA==:', 'x-sum', '43'];

interface Arrived {
  readonly announced: string | undefined;
  readonly length: string | undefined;
  readonly body: string;
  readonly trailers: string[];
  readonly complete: boolean;
}

/** A relay before an upstream that notes what arrived and responds with its last trailer. */
async function trailerStage(): Promise<{ port: number; arrived: Arrived[] }> {
  const arrived: Arrived[] = [];
  const { port } = await stage(
    (req, res) => {
      let body = '';
      req.on('data', (piece: Buffer) => {
        body += piece.toString();
      });
      req.on('close', () => {
        const { trailer: announced, 'content-length': length } = req.headers;
        arrived.push({ announced, length, body, trailers: req.rawTrailers, complete: req.complete });
      });
      req.on('end', () => {
        res.setHeader('x-answer', ['1', '2']);
        res.write('took ');
        res.addTrailers([
          ['x-late', 'yes'],
          ['set-cookie', 'a=1'],
          ['mte-relay-failure', 'forged'],
        ]);
        res.end(body);
      });
      req.on('error', () => undefined);
    },
    {
      environment: {
        HEADERS: '{"x-service-name":"relay"}',
        REQUEST_HEADERS: '{"x-api-key":"1"}',
        OUTER_FIELDS_PASSED: 'x-tenant',
        PASS_THROUGH_ROUTES: '/pub/*',
      },
    },
  );
  return { port, arrived };
}

function headOf(headers: Fields): RequestHead {
  return { method: 'POST', scheme: 'http', authority: 'relay.example', path: '/up', headers: withSentTime(headers) };
}

async function whole(response: AsyncIterable<Bytes>): Promise<ReturnType<typeof decodeWhole<ResponseHead>>> {
  const parts: Bytes[] = [];
  for await (const part of response) parts.push(part);
  return decodeWhole<ResponseHead>('response', concatBytes(parts));
}

test('trailers of a sealed request that is here whole need no announcement', async () => {
  const { port, arrived } = await trailerStage();
  const client = await SealedClient.pair(port);
  const head = headOf([['content-length', String(CONTENT.length)]]);
  const { exchange, message } = await client.seal(encodeRequest(head, CONTENT, { trailers: TRAILERS }));
  const response = await openResponse(exchange, await client.post(message));
  expect(response.head.status).toBe(200);
  expect(response.text).toBe('took content');
  expect(response.head.headers.filter(([name]) => name === 'x-answer')).toHaveLength(2);
  expect(response.trailers).toEqual([['x-late', 'yes']]);
  expect(arrived).toEqual([
    {
      announced: 'x-sum, content-digest',
      length: undefined,
      body: 'content',
      trailers: CROSSED,
      complete: true,
    },
  ]);
});

test('a request without content may have trailers', async () => {
  const { port, arrived } = await trailerStage();
  const client = await SealedClient.pair(port);
  const { exchange, message } = await client.seal(
    encodeRequest(headOf([]), new Uint8Array(0), { trailers: [['x-sum', '0']] }),
  );
  expect((await openResponse(exchange, await client.post(message))).head.status).toBe(200);
  expect(arrived).toMatchObject([{ body: '', trailers: ['x-sum', '0'] }]);
});

test('trailers that alone may not cross leave an ordinary request', async () => {
  const { port, arrived } = await trailerStage();
  const client = await SealedClient.pair(port);
  const { exchange, message } = await client.seal(encodeRequest(headOf([]), CONTENT, { trailers: MAY_NOT_CROSS }));
  expect((await openResponse(exchange, await client.post(message))).head.status).toBe(200);
  expect(arrived).toMatchObject([{ length: '7', announced: undefined, trailers: [] }]);
});

test('a sealed upload announces its trailers and streams', async () => {
  const { port, arrived } = await trailerStage();
  const client = await SealedClient.pair(port);
  const { exchange, req, response } = await openUpload(client);
  req.write(
    await exchange.seal(
      concatBytes([encodeRequestStart(headOf([['trailer', 'X-Sum, Cookie']])), encodeContent(CONTENT)]),
    ),
  );
  req.end(await exchange.sealFinal(concatBytes([encodeContent(CONTENT), encodeEnd(TRAILERS)])));
  const { head, content, trailers } = await whole(await response);
  expect(head.status).toBe(200);
  expect(Buffer.from(content).toString()).toBe('took contentcontent');
  expect(trailers).toEqual([['x-late', 'yes']]);
  expect(arrived).toMatchObject([{ announced: 'x-sum', trailers: CROSSED, complete: true }]);
});

test('an upload with announced trailers that is cut off never ends gracefully at the upstream', async () => {
  const { port, arrived } = await trailerStage();
  const client = await SealedClient.pair(port);
  const { exchange, req } = await openUpload(client);
  req.on('error', () => undefined);
  req.write(
    await exchange.seal(concatBytes([encodeRequestStart(headOf([['trailer', 'x-sum']])), encodeContent(CONTENT)])),
  );
  await expect.poll(() => arrived.length, { timeout: 200 }).toBe(0);
  setTimeout(() => req.destroy(), 100);
  await expect.poll(() => arrived, { timeout: 2_000 }).toMatchObject([{ complete: false, trailers: [] }]);
});

test.each([
  ['is down', 'upstream-unreachable', undefined],
  ['breaks off', 'upstream-failed', 'destroy'],
  ['says nothing', 'upstream-timeout', 'wait'],
] as const)('an upstream that %s is a sealed %s, trailers or not', async (_what, code: InnerCode, act) => {
  const { port, upstream } = await stage(
    (req) => {
      if (act === 'destroy') req.socket.destroy();
    },
    { environment: { UPSTREAM_HEADERS_TIMEOUT_MS: '200' } },
  );
  if (act === undefined) upstream.close();
  const client = await SealedClient.pair(port);
  const { exchange, message } = await client.seal(encodeRequest(headOf([]), CONTENT, { trailers: [['x-sum', '1']] }));
  const response = await openResponse(exchange, await client.post(message));
  expect(response.header('mte-relay-failure')).toBe(code);
});

test('a large upload and a large response with trailers flow both ways', async () => {
  const size = 3_000_000;
  const { port } = await stage((req, res) => {
    res.writeHead(200, { trailer: 'x-late' });
    req.on('data', (piece: Buffer) => {
      if (!res.write(piece)) req.pause();
    });
    res.on('drain', () => req.resume());
    req.on('end', () => {
      res.addTrailers({ 'x-late': String(req.trailers['x-sum']) });
      res.end();
    });
  });
  const client = await SealedClient.pair(port);
  const { exchange, req, response } = await openUpload(client);
  req.write(await exchange.seal(encodeRequestStart(headOf([['trailer', 'x-sum']]))));
  const sent = (async () => {
    for (let at = 0; at < size; at += 60_000) {
      if (!req.write(await exchange.seal(encodeContent(new Uint8Array(60_000).fill(at % 251)))))
        await once(req, 'drain');
    }
    req.end(await exchange.sealFinal(encodeEnd([['x-sum', 'all']])));
  })();
  const { content, trailers } = await whole(await response);
  await sent;
  expect(content).toHaveLength(size);
  expect(trailers).toEqual([['x-late', 'all']]);
});

/** A request on a pass-through route that announces a trailer. */
function plainUpload(port: number): ClientRequest {
  const headers = { trailer: 'X-Sum', 'transfer-encoding': 'chunked' };
  return request({ port, host: '127.0.0.1', method: 'POST', path: '/pub/up', headers });
}

test('trailers of a passed-through request and of its response cross', async () => {
  const { port, arrived } = await trailerStage();
  const req = plainUpload(port);
  req.write('content');
  // The framing ones are refused by Node's own parser.
  const sent = TRAILERS.filter(([name]) => !['trailer', 'transfer-encoding', 'content-length'].includes(name));
  req.addTrailers(sent.map(([name, value]): [string, string] => [name, value]));
  req.end();
  const [res] = await once(req, 'response');
  let text = '';
  for await (const piece of res) text += piece;
  expect(res.statusCode).toBe(200);
  expect(text).toBe('took content');
  expect(res.rawTrailers).toEqual(['x-late', 'yes']);
  expect(arrived).toMatchObject([{ announced: 'x-sum', trailers: CROSSED }]);
});

test('a passed-through upload with announced trailers that the client cuts off is cut off upstream', async () => {
  const { port, arrived } = await trailerStage();
  const req = plainUpload(port);
  req.on('error', () => undefined);
  req.write('content');
  setTimeout(() => req.destroy(), 150);
  await expect.poll(() => arrived, { timeout: 2_000 }).toMatchObject([{ complete: false, trailers: [] }]);
});
