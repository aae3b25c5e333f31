// An upstream may respond and close while the upload still comes (RFC 9112 §9.3, §9.6): the client gets its response,
// though the rest of the upload meets a closed connection.
import { once } from 'node:events';
import { Agent, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import {
  type Bytes,
  concatBytes,
  decodeWhole,
  encodeContent,
  encodeRequestStart,
  type ResponseHead,
} from '@mte-relay/protocol';
import { SealedClient, withSentTime } from '@mte-relay/testing/sealed-client';
import { listen } from '@mte-relay/testing/servers';
import { stage } from '@mte-relay/testing/stage';
import { expect, onTestFinished, test } from 'vitest';
import { selfSigned } from '../support/certificate.ts';
import { openUpload } from '../support/sealed-upload.ts';

const UPLOADS = 25;
const RESPONSE_BYTES = 20_000;

/** Responds as soon as the head is there, reads no more and closes, which resets the connection under the upload. */
function hastyUpstream(socket: Socket): void {
  socket.on('error', () => undefined);
  socket.once('data', () => {
    socket.pause();
    const head = `HTTP/1.1 413 Content Too Large\r\nconnection: close\r\ncontent-length: ${RESPONSE_BYTES}\r\n\r\n`;
    socket.write(head + 'x'.repeat(RESPONSE_BYTES), () => socket.destroy());
  });
}

/** Uploads until the response is complete. */
async function upload(client: SealedClient, headers: [string, string][]): Promise<{ status: number; bytes: number }> {
  const { exchange, req, response } = await openUpload(client);
  req.on('error', () => undefined);
  const head = {
    method: 'POST',
    scheme: 'http',
    authority: 'relay.example',
    path: '/up',
    headers: withSentTime(headers),
  };
  req.write(await exchange.seal(encodeRequestStart(head)));
  let responded = false;
  const sending = (async () => {
    while (!responded) {
      req.write(await exchange.seal(encodeContent(new Uint8Array(20_000))));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  })();
  try {
    const parts: Bytes[] = [];
    for await (const part of await response) parts.push(part);
    const { head: inner, content } = decodeWhole<ResponseHead>('response', concatBytes(parts));
    return { status: inner.status, bytes: content.length };
  } finally {
    responded = true;
    await sending;
    req.destroy();
  }
}

async function expectHeard(
  server: Server,
  environment: Record<string, string>,
  scheme: string,
  headers: [string, string][],
) {
  const upstreamPort = await listen(server);
  onTestFinished(() => void server.close());
  const { port } = await stage(undefined, {
    environment: { UPSTREAM: `${scheme}://localhost:${upstreamPort}`, ...environment },
  });
  const client = await SealedClient.pair(port);
  for (let at = 0; at < UPLOADS; at += 1) {
    expect(await upload(client, headers), `upload ${at}`).toEqual({ status: 413, bytes: RESPONSE_BYTES });
  }
}

test('an early response reaches the client however the upstream closes behind it', async () => {
  await expectHeard(createTcpServer(hastyUpstream), {}, 'http', []);
});

test('also when the upload announces trailers', async () => {
  await expectHeard(createTcpServer(hastyUpstream), {}, 'http', [['trailer', 'x-sum']]);
});

test('also over TLS', async () => {
  const pair = selfSigned();
  await expectHeard(createTlsServer(pair, hastyUpstream), { UPSTREAM_CA: pair.cert }, 'https', []);
});

const LONG_UPLOAD_BYTES = 24_000_000; // more than every buffer on the way together

/** Has read nothing when it responds, and keeps the connection. */
const impatient = (_req: unknown, res: ServerResponse): void => {
  setTimeout(() => res.writeHead(403).end('no'), 300); // by then no more of the upload fits in
};

test('a client that sends all before it reads gets the response too: the relay reads the rest of its upload', async () => {
  const { port } = await stage(impatient);
  const client = await SealedClient.pair(port);
  const { exchange, req, response } = await openUpload(client);
  const head = { method: 'POST', scheme: 'http', authority: 'relay.example', path: '/up', headers: withSentTime() };
  req.write(await exchange.seal(encodeRequestStart(head)));
  for (let sent = 0; sent < LONG_UPLOAD_BYTES; sent += 60_000) {
    req.write(await exchange.seal(encodeContent(new Uint8Array(60_000))));
  }
  const allSent = new Promise((resolve) => req.end(resolve));
  await allSent;
  const parts: Bytes[] = [];
  for await (const part of await response) parts.push(part);
  expect(decodeWhole<ResponseHead>('response', concatBytes(parts)).head.status).toBe(403);
});

test('also on a pass-through route, and the connection goes on', async () => {
  const { port } = await stage(impatient, { environment: { PASS_THROUGH_ROUTES: '/pub/*' } });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  onTestFinished(() => agent.destroy());
  const local = new Set<number | undefined>();
  for (let at = 0; at < 2; at += 1) {
    const req = request({ port, host: '127.0.0.1', path: '/pub/up', method: 'POST', agent });
    req.on('socket', (socket) => local.add(socket.localPort));
    const response = once(req, 'response');
    const sent = new Promise((resolve) => req.end(new Uint8Array(LONG_UPLOAD_BYTES), () => resolve(undefined)));
    await sent;
    const [res] = (await response) as [IncomingMessage];
    expect(res.statusCode).toBe(403);
    await once(res.resume(), 'end');
  }
  expect(local.size).toBe(1);
});
