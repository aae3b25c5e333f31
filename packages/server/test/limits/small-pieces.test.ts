// Content in pieces of one byte leaves the relay in larger ones, on every way; what is left to pay per piece is paced.
import { connect } from 'node:net';
import { Writable } from 'node:stream';
import {
  concatBytes,
  encodeContent,
  encodeEnd,
  encodeRequestStart,
  MESSAGE_TYPE_EXCHANGE,
  SealedExchange,
} from '@mte-relay/protocol';
import { nodeSuite } from '@mte-relay/protocol/node';
import { relayBefore } from '@mte-relay/testing/relay-process';
import { SealedClient, send, withSentTime } from '@mte-relay/testing/sealed-client';
import { TestWebSocket } from '@mte-relay/testing/sealed-websocket';
import { type Stage, stage } from '@mte-relay/testing/stage';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { webSocketStage } from '@mte-relay/testing/websocket-stage';
import { describe, expect, test, vi } from 'vitest';
import { PACED_PIECES, PACED_SHARE, PACED_WAIT_MAX_MS } from '../../src/limits/fixed.ts';
import { Pacer, PIECE_COST_MS, PieceMeter } from '../../src/limits/pacer.ts';
import { JoinedPieces, JoinedWrites, PieceList } from '../../src/limits/small-pieces.ts';

const CONTENT_BYTES = 20_000;
/** Without joining, each byte of content takes at least six on the wire. */
const WIRE_MAX_BYTES = 2 * CONTENT_BYTES;
const TINY_CHUNKS = Buffer.from(`${'1\r\nx\r\n'.repeat(CONTENT_BYTES)}0\r\n\r\n`);

/** Bytes that the upstream has read from all its connections. */
function readByUpstream({ upstream }: Stage): () => number {
  const sockets: { bytesRead: number }[] = [];
  upstream.on('connection', (socket) => sockets.push(socket));
  return () => sockets.reduce((sum, { bytesRead }) => sum + bytesRead, 0);
}

/** Responds with the number of content bytes. */
async function countContent(req: AsyncIterable<Buffer>, res: { end(text: string): unknown }): Promise<void> {
  let bytes = 0;
  for await (const piece of req) bytes += piece.length;
  res.end(String(bytes));
}

/** Sends raw bytes and resolves with all that comes back. */
function exchangeRaw(port: number, ...parts: readonly Uint8Array[]): Promise<string> {
  return new Promise((resolve) => {
    const socket = endsWithTest(connect(port, '127.0.0.1'));
    let received = '';
    socket.on('data', (piece: Buffer) => {
      received += piece.toString('latin1');
    });
    socket.on('close', () => resolve(received));
    for (const part of parts) socket.write(part);
  });
}

function headOf(line: string, ...fields: string[]): Buffer {
  return Buffer.from(`${[`${line} HTTP/1.1`, 'host: relay', 'connection: close', ...fields].join('\r\n')}\r\n\r\n`);
}

async function sealedUpload(client: SealedClient, of: 'pieces' | 'chunks'): Promise<Uint8Array> {
  const exchange = await SealedExchange.begin(nodeSuite(), client.keys, MESSAGE_TYPE_EXCHANGE, client.nextN++);
  const head = { method: 'POST', scheme: 'http', authority: client.authority, path: '/', headers: withSentTime() };
  const pieces = Array.from({ length: CONTENT_BYTES }, () => encodeContent(Uint8Array.of(120)));
  const sealed = [exchange.header, await exchange.seal(encodeRequestStart(head))];
  for (const plaintext of of === 'chunks' ? pieces : [concatBytes(pieces)]) sealed.push(await exchange.seal(plaintext));
  return concatBytes([...sealed, await exchange.sealFinal(encodeEnd())]);
}

describe('pieces of one byte are joined', () => {
  test.each(['pieces', 'chunks'] as const)('in a sealed upload, as %s', async (of) => {
    const staged = await stage(countContent);
    const client = await SealedClient.pair(staged.port);
    const message = await sealedUpload(client, of);
    const read = readByUpstream(staged);
    const outer = await client.post(message as Uint8Array<ArrayBuffer>);
    expect(outer.status).toBe(200);
    expect(read()).toBeGreaterThan(CONTENT_BYTES);
    expect(read()).toBeLessThan(WIRE_MAX_BYTES);
  });

  test('in a pass-through upload', async () => {
    const staged = await stage(countContent, { environment: { PASS_THROUGH_ROUTES: '/*' } });
    const read = readByUpstream(staged);
    const response = await exchangeRaw(staged.port, headOf('POST /', 'transfer-encoding: chunked'), TINY_CHUNKS);
    expect(response).toContain(String(CONTENT_BYTES));
    expect(read()).toBeLessThan(WIRE_MAX_BYTES);
  });

  test('in a sealed download and in one that is passed through', async () => {
    const staged = await stage(
      (req) => {
        req.socket.write('HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n');
        req.socket.end(Buffer.concat([Buffer.from(`c350\r\n${'y'.repeat(50_000)}\r\n`), TINY_CHUNKS]));
      },
      { environment: { PASS_THROUGH_ROUTES: '/*' } },
    );
    const client = await SealedClient.pair(staged.port);
    const { outer, body } = await client.fetch({ path: '/' });
    expect(body).toHaveLength(50_000 + CONTENT_BYTES);
    expect(outer.body.length).toBeLessThan(50_000 + WIRE_MAX_BYTES);
    expect((await exchangeRaw(staged.port, headOf('GET /'))).length).toBeLessThan(50_000 + WIRE_MAX_BYTES);
    expect((await send(staged.port, '/', { method: 'GET' })).body).toHaveLength(50_000 + CONTENT_BYTES);
  });

  test('in a message of a sealed WebSocket', async () => {
    const staged = await webSocketStage({ environment: { WEBSOCKET_FRAGMENTS_MAX: '10000' } });
    const read = readByUpstream(staged);
    const socket = await TestWebSocket.open(staged.client);
    const before = read();
    const frames: Uint8Array[] = [];
    for (let at = 0; at < 5_000; at += 1) {
      const kind = at === 0 ? 'binary' : 'more';
      frames.push(await socket.seal({ kind, final: at === 4_999, data: Uint8Array.of(1) }));
    }
    for (const frame of frames) socket.outer.send(frame);
    expect((await socket.nextMessage()).data).toHaveLength(5_000);
    expect(read() - before).toBeLessThan(2 * 5_000);
  });
});

describe('the pieces', () => {
  const bytes = (text: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(text));
  const textOf = (piece: Uint8Array): string => Buffer.from(piece).toString();

  test('keep their order, beside large ones', () => {
    const list = new PieceList();
    const large = 'L'.repeat(5_000);
    for (const text of ['a', 'b', large, 'c', 'd', 'e', large]) list.add(bytes(text));
    expect(list.take().map(textOf)).toEqual(['ab', large, 'cde', large]);
    expect(list.take()).toEqual([]);
  });

  test('do not change the first piece, which stays itself while it is alone', () => {
    const joined = new JoinedPieces();
    const first = bytes('first');
    joined.add(first);
    joined.add(bytes('second'));
    expect(textOf(joined.take())).toBe('firstsecond');
    expect(textOf(first)).toBe('first');
    joined.add(first);
    expect(joined.take().buffer).toBe(first.buffer);
  });

  test('are written at the end of the turn, and wait as one while the sink is busy', async () => {
    const written: string[] = [];
    const done: (() => void)[] = [];
    const writes = new JoinedWrites((piece, onWritten) => {
      written.push(textOf(piece));
      done.push(onWritten);
    });
    for (const text of ['a', 'b']) writes.write(bytes(text));
    expect(written).toEqual([]);
    await new Promise(setImmediate);
    expect(written).toEqual(['ab']);
    for (const text of ['c', 'd', 'e']) {
      writes.write(bytes(text));
      await new Promise(setImmediate);
    }
    expect(written).toEqual(['ab']);
    done[0]?.();
    expect(written).toEqual(['ab', 'cde']);
  });
});

test('a small piece does not stay behind bytes that others have written to the sink', async () => {
  const written: string[] = [];
  const done: (() => void)[] = [];
  const sink = new Writable({
    write(piece: Buffer, _encoding, onWritten) {
      written.push(piece.toString());
      done.push(onWritten);
    },
  });
  sink.write('head');
  const writes = new JoinedWrites((piece, onWritten) => void sink.write(piece, onWritten));
  writes.write(new Uint8Array(Buffer.from('event')));
  await new Promise(setImmediate);
  done[0]?.();
  await new Promise(setImmediate);
  expect(written).toEqual(['head', 'event']);
});

describe('the pace of small pieces', () => {
  const costMs = PACED_PIECES * PIECE_COST_MS.message;

  function meterAfter(pacer: Pacer, pieces: number): PieceMeter {
    const meter = new PieceMeter(pacer, 'message');
    for (let i = 0; i < pieces; i += 1) meter.take();
    return meter;
  }

  test('gives them their share of the time, all sources together', () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    try {
      const pacer = new Pacer();
      const one = meterAfter(pacer, PACED_PIECES).waitMs();
      expect(costMs / (costMs + one)).toBeCloseTo(PACED_SHARE);
      expect(meterAfter(pacer, PACED_PIECES).waitMs()).toBeCloseTo(2 * one);
    } finally {
      vi.useRealTimers();
    }
  });

  test('delays no source longer than its bound, however many have come and gone', () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    try {
      const pacer = new Pacer();
      for (let i = 0; i < 10_000; i += 1) meterAfter(pacer, PACED_PIECES).waitMs();
      expect(meterAfter(pacer, PACED_PIECES).waitMs()).toBe(PACED_WAIT_MAX_MS);
      vi.advanceTimersByTime(PACED_WAIT_MAX_MS);
      expect(meterAfter(pacer, PACED_PIECES).waitMs()).toBeLessThan(100);
    } finally {
      vi.useRealTimers();
    }
  });

  test('does not delay few pieces, nor many that come slowly', () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    try {
      expect(meterAfter(new Pacer(), PACED_PIECES - 1).waitMs()).toBe(0);
      const slow = meterAfter(new Pacer(), PACED_PIECES);
      vi.advanceTimersByTime(Math.ceil(costMs / PACED_SHARE));
      expect(slow.waitMs()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });
});

test('chunks of one byte from connections that come and go delay an upload of many lines within the bound', async () => {
  const { port } = await relayBefore((req, res) => countContent(req, res), { PASS_THROUGH_ROUTES: '/pub/*' });
  const head = (path: string): Buffer => headOf(`POST ${path}`, 'transfer-encoding: chunked');
  const tiny = Buffer.concat([head('/nothing'), TINY_CHUNKS.subarray(0, -5)]);
  for (let at = 0; at < 150; at += 1) {
    await new Promise<void>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => socket.write(tiny));
      socket.once('data', () => socket.destroy());
      socket.on('error', () => undefined);
      socket.on('close', () => resolve());
    });
  }
  const beganMs = performance.now();
  const lines = Buffer.from(`${'b\r\nhello line\n\r\n'.repeat(5_000)}0\r\n\r\n`); // of two reads
  expect(await exchangeRaw(port, head('/pub/up'), lines)).toContain('55000');
  expect(performance.now() - beganMs).toBeLessThan(2 * PACED_WAIT_MAX_MS);
});
