// An upstream may answer and close while the upload still comes (RFC 9112 §9.3, §9.6): its answer is what the client gets,
// though the rest of the upload meets a closed connection.
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
import { expect, onTestFinished, test } from 'vitest';
import { selfSigned } from './support/certificate.ts';
import { SealedClient } from './support/sealed-client.ts';
import { openUpload } from './support/sealed-upload.ts';
import { listenOn, stage } from './support/stage.ts';

const UPLOADS = 25;
const ANSWER_BYTES = 20_000;

/** Answers as soon as the head is there, reads no more and closes, which resets the connection under the upload. */
function hastyUpstream(socket: Socket): void {
  socket.on('error', () => undefined);
  socket.once('data', () => {
    socket.pause();
    const head = `HTTP/1.1 413 Content Too Large\r\nconnection: close\r\ncontent-length: ${ANSWER_BYTES}\r\n\r\n`;
    socket.write(head + 'x'.repeat(ANSWER_BYTES), () => socket.destroy());
  });
}

/** Uploads until it is answered. */
async function upload(client: SealedClient, headers: [string, string][]): Promise<{ status: number; bytes: number }> {
  const { exchange, req, answer } = await openUpload(client);
  req.on('error', () => undefined);
  const head = { method: 'POST', scheme: 'http', authority: 'relay.example', path: '/up', headers };
  req.write(await exchange.seal(encodeRequestStart(head)));
  let answered = false;
  const sending = (async () => {
    while (!answered) {
      req.write(await exchange.seal(encodeContent(new Uint8Array(20_000))));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  })();
  try {
    const parts: Bytes[] = [];
    for await (const part of await answer) parts.push(part);
    const { head: inner, content } = decodeWhole<ResponseHead>('response', concatBytes(parts));
    return { status: inner.status, bytes: content.length };
  } finally {
    answered = true;
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
  const upstreamPort = await listenOn(server);
  onTestFinished(() => void server.close());
  const { port } = await stage(undefined, {
    environment: { UPSTREAM: `${scheme}://localhost:${upstreamPort}`, ...environment },
  });
  const client = await SealedClient.pair(port);
  for (let at = 0; at < UPLOADS; at += 1) {
    expect(await upload(client, headers), `upload ${at}`).toEqual({ status: 413, bytes: ANSWER_BYTES });
  }
}

test('an early answer is heard however the upstream closes behind it', async () => {
  await expectHeard(createTcpServer(hastyUpstream), {}, 'http', []);
});

test('also when the upload announces trailers', async () => {
  await expectHeard(createTcpServer(hastyUpstream), {}, 'http', [['trailer', 'x-sum']]);
});

test('also over TLS', async () => {
  const pair = selfSigned();
  await expectHeard(createTlsServer(pair, hastyUpstream), { UPSTREAM_CA: pair.cert }, 'https', []);
});
