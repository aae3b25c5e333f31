// The ways through the relay, each with content that arrives in pieces of one byte or of ordinary size.
import type { Socket } from 'node:net';
import { encodeContent } from '@mte-relay/protocol';
import { plaintextOf } from '@mte-relay/testing/sealed-client';
import { TestWebSocket } from '@mte-relay/testing/sealed-websocket';
import { until } from '@mte-relay/testing/until';
import type { WebSocket } from 'ws';
import { type Cut, chunkedBody, chunkOf, contentPieces, sealedUpload, slices } from './pieces.ts';
import { exchangeRaw, type FloodStage, headOf } from './stage.ts';

const CHUNK_BYTES = 65_536;
const MESSAGE_FIELDS = ['content-type: application/mte-relay'];

export interface Way {
  readonly name: string;
  /** Length of the flood. */
  readonly wireBytes: number;
  /** Most of the relay's time that these bytes take in pieces of one byte, over what they take in ordinary pieces. */
  readonly ratioMax: number;
  /** True if something is left to pay per piece: then the sender waits while others are served. */
  readonly isPaced?: boolean;
  /** Makes the flood ready. @returns a function that sends it, and resolves once the relay has taken it all. */
  prepare(stage: FloodStage, wireBytes: number, cut: Cut): Promise<() => Promise<unknown>>;
}

/** A sealed request as one HTTP body. */
function posted(stage: FloodStage, message: Buffer): () => Promise<Buffer> {
  const head = headOf('POST', '/api/mte', ...MESSAGE_FIELDS, `content-length: ${message.length}`);
  return async () => expectOk(await exchangeRaw(stage.relay.port, head, message));
}

function expectOk(response: Buffer): Buffer {
  const line = response.subarray(0, 12).toString('latin1');
  if (line !== 'HTTP/1.1 200') throw new Error(`the relay responded ${response.subarray(0, 200).toString('latin1')}`);
  return response;
}

/** Plaintexts of sealed chunks with one content byte each, so many sealed bytes of them. */
function* tinyChunks(wireBytes: number): Generator<ReturnType<typeof encodeContent>> {
  const plaintext = encodeContent(Uint8Array.of(120));
  for (let sent = 0; sent < wireBytes; sent += plaintext.length + 17) yield plaintext;
}

export const WAYS: readonly Way[] = [
  {
    name: 'sealed upload, pieces of Binary HTTP',
    wireBytes: 3_000_000,
    ratioMax: 15,
    async prepare(stage, wireBytes, cut) {
      const content = contentPieces(wireBytes, cut);
      return posted(stage, await sealedUpload(stage.client, '/up', slices(content, CHUNK_BYTES), { ended: true }));
    },
  },
  {
    name: 'sealed upload, sealed chunks',
    isPaced: true,
    wireBytes: 1_500_000,
    ratioMax: 60,
    async prepare(stage, wireBytes, cut) {
      const plaintexts = cut === 'fine' ? tinyChunks(wireBytes) : slices(contentPieces(wireBytes, cut), CHUNK_BYTES);
      return posted(stage, await sealedUpload(stage.client, '/up', plaintexts, { ended: true }));
    },
  },
  {
    name: 'sealed upload, chunks of HTTP/1.1',
    isPaced: true,
    wireBytes: 1_500_000,
    ratioMax: 25,
    async prepare(stage, wireBytes, cut) {
      const contentBytes = cut === 'fine' ? wireBytes / 6 : wireBytes;
      const content = contentPieces(contentBytes, 'coarse');
      const message = await sealedUpload(stage.client, '/up', slices(content, CHUNK_BYTES), { ended: true });
      const size = cut === 'fine' ? 1 : 16_384;
      const chunks: Buffer[] = [];
      for (let at = 0; at < message.length; at += size) chunks.push(chunkOf(message.subarray(at, at + size)));
      const body = Buffer.concat([...chunks, Buffer.from('0\r\n\r\n')]);
      const head = headOf('POST', '/api/mte', ...MESSAGE_FIELDS, 'transfer-encoding: chunked');
      return async () => expectOk(await exchangeRaw(stage.relay.port, head, body));
    },
  },
  {
    name: 'sealed download, chunks of HTTP/1.1',
    wireBytes: 3_000_000,
    ratioMax: 15,
    async prepare(stage, wireBytes, cut) {
      const { message } = await stage.client.seal(plaintextOf({ path: `/down/${cut}/${wireBytes}` }));
      return posted(stage, Buffer.from(message));
    },
  },
  {
    name: 'pass-through upload, chunks of HTTP/1.1',
    isPaced: true,
    wireBytes: 1_500_000,
    ratioMax: 25,
    async prepare(stage, wireBytes, cut) {
      const body = chunkedBody(wireBytes, cut);
      const head = headOf('POST', '/up', 'transfer-encoding: chunked');
      return async () => expectOk(await exchangeRaw(stage.relay.port, head, body));
    },
  },
  {
    name: 'pass-through download, chunks of HTTP/1.1',
    wireBytes: 6_000_000,
    ratioMax: 15,
    async prepare(stage, wireBytes, cut) {
      const head = headOf('GET', `/down/${cut}/${wireBytes}`);
      return async () => expectOk(await exchangeRaw(stage.relay.port, head));
    },
  },
  {
    name: 'refused upload, chunks of HTTP/1.1',
    wireBytes: 1_500_000,
    ratioMax: 25,
    async prepare(stage, wireBytes, cut) {
      const body = chunkedBody(wireBytes, cut);
      const head = headOf('POST', '/api/mte-pair', 'transfer-encoding: chunked');
      return () => exchangeRaw(stage.relay.port, head, body);
    },
  },
  {
    name: 'sealed WebSocket, messages of the client',
    isPaced: true,
    wireBytes: 1_000_000,
    ratioMax: 60,
    prepare: (stage, wireBytes, cut) => clientFrames(stage, wireBytes, cut, 'messages'),
  },
  {
    name: 'sealed WebSocket, fragments of the client',
    isPaced: true,
    wireBytes: 1_000_000,
    ratioMax: 60,
    prepare: (stage, wireBytes, cut) => clientFrames(stage, wireBytes, cut, 'fragments'),
  },
  {
    name: 'sealed WebSocket, messages of the upstream',
    isPaced: true,
    wireBytes: 1_000_000,
    ratioMax: 60,
    async prepare(stage, wireBytes, cut) {
      const socket = await TestWebSocket.open(stage.client, { path: '/ws' });
      const upstream = stage.webSockets.at(-1) as WebSocket;
      const frame = upstreamFrame(cut === 'fine' ? 1 : 16_384);
      const count = Math.ceil(wireBytes / (frame.length + SEALED_FRAME_BYTES));
      const received = bytesReadBy(tcpOf(socket.outer));
      return async () => {
        tcpOf(upstream).write(Buffer.concat(Array<Buffer>(count).fill(frame)));
        await until(() => received() >= count * (frame.length + SEALED_FRAME_BYTES));
        socket.outer.terminate();
      };
    },
  },
];

/** What sealing adds to a frame of an unmasked WebSocket: its first byte inside, and the tag. */
const SEALED_FRAME_BYTES = 17;

/** The head of a short masked frame (RFC 6455 §5.2). */
const MASKED_FRAME_BYTES = 6;

/** Counts what a connection reads, in place of `ws`, which would take more time than the relay. */
function bytesReadBy(socket: Socket): () => number {
  let bytes = 0;
  socket.removeAllListeners('data').on('data', (piece: Buffer) => {
    bytes += piece.length;
  });
  return () => bytes;
}

/** Sealed frames of a client, as they are on the wire. */
async function clientFrames(
  stage: FloodStage,
  wireBytes: number,
  cut: Cut,
  of: 'messages' | 'fragments',
): Promise<() => Promise<void>> {
  const socket = await TestWebSocket.open(stage.client, { path: '/ws' });
  const upstream = stage.webSockets.at(-1) as WebSocket;
  const data = new Uint8Array(cut === 'fine' ? 1 : 16_384).fill(120);
  const count = Math.ceil(wireBytes / (data.length + SEALED_FRAME_BYTES + MASKED_FRAME_BYTES));
  const frames: Buffer[] = [];
  for (let at = 0; at < count; at += 1) {
    const kind = of === 'messages' || at === 0 ? 'binary' : 'more';
    frames.push(clientFrame(await socket.seal({ kind, final: of === 'messages' || at === count - 1, data })));
  }
  const received = bytesReadBy(tcpOf(upstream));
  return async () => {
    tcpOf(socket.outer).write(Buffer.concat(frames));
    await until(() => received() >= count * (data.length + (of === 'messages' ? MASKED_FRAME_BYTES : 0)));
    socket.outer.terminate();
  };
}

/** A binary message of a client with the mask 0 (RFC 6455 §5.2). */
export function clientFrame(payload: Uint8Array): Buffer {
  const length =
    payload.length < 126 ? [0x80 | payload.length] : [0x80 | 126, payload.length >> 8, payload.length & 0xff];
  return Buffer.concat([Buffer.from([0x82, ...length, 0, 0, 0, 0]), payload]);
}

export function upstreamFrame(bytes: number): Buffer {
  const length = bytes < 126 ? [bytes] : [126, bytes >> 8, bytes & 0xff];
  return Buffer.concat([Buffer.from([0x82, ...length]), Buffer.alloc(bytes, 'x')]);
}

export function tcpOf(ws: WebSocket): Socket {
  return Reflect.get(ws, '_socket') as Socket;
}
