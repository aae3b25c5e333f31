// Content whose reader does not read it, on each way, in pieces of one byte or of ordinary size.
import { encodeContent } from '@mte-relay/protocol';
import { plaintextOf } from '@mte-relay/testing/sealed-client';
import { TestWebSocket } from '@mte-relay/testing/sealed-websocket';
import type { WebSocket } from 'ws';
import { type Cut, chunkedBody, contentPieces, sealedUpload, slices } from './pieces.ts';
import { type FloodStage, headOf, sendRawTo } from './stage.ts';
import { clientFrame, tcpOf, upstreamFrame } from './ways.ts';

/** More than the buffers of the system take. */
const WIRE_BYTES = 12_000_000;
const CHUNK_BYTES = 65_536;

export interface StuckWay {
  readonly name: string;
  /** Most of the memory in pieces of one byte over that in ordinary pieces; default 3. */
  readonly ratioMax?: number;
  /** True for one of which every piece is paced, so that it takes half a minute: `npm run floods` has it. */
  readonly isSlow?: boolean;
  /** Begins one flood; it ends with the test. */
  begin(stage: FloodStage, cut: Cut): Promise<unknown>;
}

export const STUCK_WAYS: readonly StuckWay[] = [
  {
    name: 'sealed upload, pieces of Binary HTTP',
    begin: (stage, cut) => upload(stage, slices(contentPieces(WIRE_BYTES, cut), CHUNK_BYTES)),
  },
  {
    name: 'sealed upload, sealed chunks',
    isSlow: true,
    begin: (stage, cut) => {
      const tiny = Array(cut === 'fine' ? 150_000 : 0).fill(encodeContent(Uint8Array.of(120)));
      return upload(stage, cut === 'fine' ? tiny : slices(contentPieces(WIRE_BYTES, cut), CHUNK_BYTES));
    },
  },
  {
    name: 'pass-through upload, chunks of HTTP/1.1',
    isSlow: true,
    begin: async (stage, cut) =>
      sendRawTo(stage.relay.port, headOf('POST', '/stuck', 'transfer-encoding: chunked'), chunkedBody(WIRE_BYTES, cut)),
  },
  {
    name: 'sealed download, chunks of HTTP/1.1',
    async begin(stage, cut) {
      const { message } = await stage.client.seal(plaintextOf({ path: `/down/${cut}/${WIRE_BYTES}` }));
      const length = `content-length: ${message.length}`;
      const head = headOf('POST', '/api/mte', 'content-type: application/mte-relay', length);
      sendRawTo(stage.relay.port, head, message).pause();
    },
  },
  {
    name: 'pass-through download, chunks of HTTP/1.1',
    async begin(stage, cut) {
      sendRawTo(stage.relay.port, headOf('GET', `/down/${cut}/${WIRE_BYTES}`)).pause();
    },
  },
  {
    name: 'sealed WebSocket, messages of the client',
    isSlow: true,
    async begin(stage, cut) {
      const socket = await TestWebSocket.open(stage.client, { path: '/ws' });
      tcpOf(stage.webSockets.at(-1) as WebSocket).pause();
      const data = new Uint8Array(cut === 'fine' ? 1 : 16_384);
      const frames: Buffer[] = [];
      for (let at = 0; at < (cut === 'fine' ? 100_000 : 700); at += 1)
        frames.push(clientFrame(await socket.seal({ kind: 'binary', final: true, data })));
      tcpOf(socket.outer).write(Buffer.concat(frames));
    },
  },
  {
    name: 'sealed WebSocket, messages of the upstream',
    isSlow: true,
    ratioMax: 8, // the messages of one read, each some objects of `ws`
    async begin(stage, cut) {
      const socket = await TestWebSocket.open(stage.client, { path: '/ws' });
      tcpOf(socket.outer).pause();
      const frame = upstreamFrame(cut === 'fine' ? 1 : 16_384);
      const count = cut === 'fine' ? 300_000 : 700;
      tcpOf(stage.webSockets.at(-1) as WebSocket).write(Buffer.concat(Array<Buffer>(count).fill(frame)));
    },
  },
];

async function upload(stage: FloodStage, plaintexts: Iterable<Uint8Array<ArrayBuffer>>): Promise<void> {
  const message = await sealedUpload(stage.client, '/stuck', plaintexts, { ended: false });
  const length = `content-length: ${message.length + 1}`;
  sendRawTo(stage.relay.port, headOf('POST', '/api/mte', 'content-type: application/mte-relay', length), message);
}
