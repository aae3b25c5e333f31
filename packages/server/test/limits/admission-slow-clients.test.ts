import { connect, type Socket } from 'node:net';
import { encodeContent, encodeRequestStart, FLAG_COOKIE_RECORDS, SealedExchange } from '@mte-relay/protocol';
import { nodeSuite } from '@mte-relay/protocol/node';
import { plaintextOf, SealedClient, withSentTime } from '@mte-relay/testing/sealed-client';
import { type Stage, stage } from '@mte-relay/testing/stage';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { expect, test } from 'vitest';
import { relaySeries } from '../support/admin.ts';

const HEAD_LIMIT = 'mte_relay_limited_total{limit="CLIENT_HEAD_TIMEOUT_MS"}';
const IDLE_LIMIT = 'mte_relay_limited_total{limit="CLIENT_IDLE_TIMEOUT_MS"}';
const MESSAGE_HEAD = ['POST /api/mte HTTP/1.1', 'host: relay', 'content-type: application/mte-relay'];

/** A connection, everything that comes over it, and its end. */
function open(port: number): { socket: Socket; text: () => string; closed: Promise<number> } {
  const socket = endsWithTest(connect(port, '127.0.0.1'));
  const beganMs = performance.now();
  const pieces: Buffer[] = [];
  socket.on('data', (piece: Buffer) => pieces.push(piece));
  socket.on('error', () => {});
  const closed = new Promise<number>((resolve) => socket.on('close', () => resolve(performance.now() - beganMs)));
  return { socket, text: () => Buffer.concat(pieces).toString('latin1'), closed };
}

async function limitedBy(staged: Stage, limit: string): Promise<number | undefined> {
  return (await relaySeries(staged)).get(limit);
}

test('header fields that trickle in get 408 at CLIENT_HEAD_TIMEOUT_MS', async () => {
  const staged = await stage(undefined, { environment: { CLIENT_HEAD_TIMEOUT_MS: '400' } });
  const { socket, text, closed } = open(staged.port);
  socket.write('POST /api/mte HTTP/1.1\r\nhost: relay\r\n');
  const trickle = setInterval(() => socket.write('x-a: b\r\n'), 50);
  const tookMs = await closed;
  clearInterval(trickle);
  expect(text()).toMatch(/^HTTP\/1\.1 408 [\s\S]*"code":"timeout"/);
  expect(tookMs).toBeGreaterThan(350);
  expect(tookMs).toBeLessThan(5_000);
  expect(await limitedBy(staged, HEAD_LIMIT)).toBe(1);
});

test('a connection on which nothing comes at all is closed by then too', async () => {
  const staged = await stage(undefined, { environment: { CLIENT_HEAD_TIMEOUT_MS: '400' } });
  const { closed } = open(staged.port);
  expect(await closed).toBeLessThan(5_000);
});

test('a body that stops gets 408, and the upstream sees nothing of it', async () => {
  const staged = await stage(undefined, { environment: { CLIENT_IDLE_TIMEOUT_MS: '300' } });
  const client = await SealedClient.pair(staged.port);
  const { message } = await client.seal(plaintextOf({ method: 'POST', body: 'x' }));
  const { socket, text, closed } = open(staged.port);
  socket.write(`${[...MESSAGE_HEAD, `content-length: ${message.length}`].join('\r\n')}\r\n\r\n`);
  socket.write(message.subarray(0, message.length - 1));
  expect(await closed).toBeLessThan(5_000);
  expect(text()).toMatch(/^HTTP\/1\.1 408 [\s\S]*"code":"timeout"/);
  expect(await limitedBy(staged, IDLE_LIMIT)).toBe(1);
  expect(staged.seen).toHaveLength(0);
  expect((await relaySeries(staged)).get('mte_relay_in_flight{kind="exchange"}')).toBe(0);
});

test('bytes that trickle in without becoming a chunk get 408, however busy they look', async () => {
  const staged = await stage(undefined, { environment: { CLIENT_IDLE_TIMEOUT_MS: '400' } });
  const client = await SealedClient.pair(staged.port);
  const { message } = await client.seal(plaintextOf({ method: 'POST', body: 'x'.repeat(5_000) }));
  const { socket, text, closed } = open(staged.port);
  socket.write(`${[...MESSAGE_HEAD, `content-length: ${message.length}`].join('\r\n')}\r\n\r\n`);
  let at = 0;
  const trickle = setInterval(() => socket.write(message.subarray(at, ++at)), 20);
  const tookMs = await closed;
  clearInterval(trickle);
  expect(text()).toMatch(/^HTTP\/1\.1 408 [\s\S]*"code":"timeout"/);
  expect(tookMs).toBeGreaterThan(380);
  expect(tookMs).toBeLessThan(5_000);
  expect(await limitedBy(staged, IDLE_LIMIT)).toBe(1);
  expect(staged.seen).toHaveLength(0);
});

test('an upload that stops after it was let in ends, and aborts the upstream’s request', async () => {
  let aborted = false;
  const staged = await stage(
    (req) => {
      req.resume();
      req.on('close', () => {
        aborted = !req.complete;
      });
    },
    { environment: { CLIENT_IDLE_TIMEOUT_MS: '300' } },
  );
  const client = await SealedClient.pair(staged.port);
  const { socket, text, closed } = open(staged.port);
  await beginUpload(client, socket);
  await expect.poll(() => staged.seen.length).toBe(1);
  await closed;
  expect(text()).toMatch(/^HTTP\/1\.1 408 /);
  await expect.poll(() => aborted).toBe(true);
  expect(await limitedBy(staged, IDLE_LIMIT)).toBe(1);
});

test('an upload that goes on slowly takes as long as it takes', async () => {
  let received = 0;
  const staged = await stage(
    (req, res) => {
      req.on('data', (piece: Buffer) => {
        received += piece.length;
      });
      req.on('end', () => res.end('all of it'));
    },
    { environment: { CLIENT_IDLE_TIMEOUT_MS: '300' } },
  );
  const client = await SealedClient.pair(staged.port);
  const { socket, text } = open(staged.port);
  const exchange = await beginUpload(client, socket);
  for (let i = 0; i < 8; i += 1) {
    await new Promise((resolve) => setTimeout(resolve, 120));
    writeChunk(socket, await exchange.seal(encodeContent(new Uint8Array(10))));
  }
  expect(text()).toBe('');
  await expect.poll(() => received).toBe(90);
  expect(await limitedBy(staged, IDLE_LIMIT)).toBe(0);
});

test('the relay cuts off a client that reads nothing of its response, and ends the upstream request', async () => {
  let ended = false;
  const staged = await stage(
    (_req, res) => {
      const piece = Buffer.alloc(65_536);
      const more = (): void => {
        while (!res.destroyed && res.write(piece));
      };
      res.on('drain', more);
      res.on('close', () => {
        ended = true;
      });
      more();
    },
    { environment: { CLIENT_IDLE_TIMEOUT_MS: '400' } },
  );
  const client = await SealedClient.pair(staged.port);
  const { message } = await client.seal(plaintextOf({}));
  const socket = endsWithTest(connect(staged.port, '127.0.0.1'));
  socket.on('error', () => {});
  socket.pause();
  socket.write(`${[...MESSAGE_HEAD, `content-length: ${message.length}`].join('\r\n')}\r\n\r\n`);
  socket.write(message);
  await expect.poll(() => ended, { timeout: 10_000 }).toBe(true);
  expect(await limitedBy(staged, IDLE_LIMIT)).toBe(1);
  expect((await relaySeries(staged)).get('mte_relay_in_flight{kind="exchange"}')).toBe(0);
});

test('a slow reader that takes a little is served on', async () => {
  const total = 6_000_000;
  const staged = await stage((_req, res) => res.end(Buffer.alloc(total)), {
    environment: { CLIENT_IDLE_TIMEOUT_MS: '500' },
  });
  const client = await SealedClient.pair(staged.port);
  const { message } = await client.seal(plaintextOf({}));
  const socket = endsWithTest(connect(staged.port, '127.0.0.1'));
  socket.write(`${[...MESSAGE_HEAD, 'connection: close', `content-length: ${message.length}`].join('\r\n')}\r\n\r\n`);
  socket.write(message);
  let received = 0;
  socket.on('data', (piece: Buffer) => {
    received += piece.length;
    socket.pause();
    setTimeout(() => socket.resume(), 10);
  });
  await new Promise((resolve) => socket.on('end', resolve));
  expect(received).toBeGreaterThan(total);
  expect(await limitedBy(staged, IDLE_LIMIT)).toBe(0);
});

test('a client that waits for a slow upstream, or for the next event, is not cut off', async () => {
  const staged = await stage(
    (_req, res) => {
      setTimeout(() => {
        res.write('first');
        setTimeout(() => res.end('second'), 900);
      }, 900);
    },
    { environment: { CLIENT_IDLE_TIMEOUT_MS: '300' } },
  );
  const client = await SealedClient.pair(staged.port);
  expect((await client.fetch({})).text).toBe('firstsecond');
  expect(await limitedBy(staged, IDLE_LIMIT)).toBe(0);
});

test('an upload that the upstream holds back is not the client’s fault', async () => {
  let takeIt = (): void => {};
  const staged = await stage(
    (req, res) => {
      takeIt = () => req.resume();
      req.on('end', () => res.end('all of it'));
    },
    { environment: { CLIENT_IDLE_TIMEOUT_MS: '300' } },
  );
  const client = await SealedClient.pair(staged.port, { flags: FLAG_COOKIE_RECORDS });
  const body = new Uint8Array(8_000_000);
  const { socket, text } = open(staged.port);
  const exchange = await beginUpload(client, socket);
  for (let at = 0; at < body.length; at += 50_000) {
    writeChunk(socket, await exchange.seal(encodeContent(body.subarray(at, at + 50_000))));
  }
  await expect.poll(() => staged.seen.length).toBe(1);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  expect(text()).toBe('');
  expect(await limitedBy(staged, IDLE_LIMIT)).toBe(0);
  takeIt();
});

test('the relay closes a kept-alive connection without a request in the end, and no limit counts it', async () => {
  const staged = await stage(undefined, { environment: { KEEP_ALIVE_TIMEOUT_MS: '300' } });
  const { socket, text, closed } = open(staged.port);
  socket.write('GET /api/mte-relay HTTP/1.1\r\nhost: relay\r\n\r\n');
  expect(await closed).toBeLessThan(5_000);
  expect(text()).toMatch(/^HTTP\/1\.1 200 /);
  expect(await limitedBy(staged, IDLE_LIMIT)).toBe(0);
});

/** Sends a request whose body has begun. */
async function beginUpload(client: SealedClient, socket: Socket): Promise<SealedExchange> {
  const exchange = await SealedExchange.begin(nodeSuite(), client.keys, 1, client.nextN++);
  socket.write(`${[...MESSAGE_HEAD, 'transfer-encoding: chunked'].join('\r\n')}\r\n\r\n`);
  writeChunk(socket, exchange.header);
  const head = { method: 'POST', scheme: 'http', authority: 'relay.example', path: '/up', headers: withSentTime() };
  writeChunk(socket, await exchange.seal(encodeRequestStart(head)));
  writeChunk(socket, await exchange.seal(encodeContent(new Uint8Array(10))));
  return exchange;
}

/** One chunk of HTTP/1.1. */
function writeChunk(socket: Socket, bytes: Uint8Array): void {
  socket.write(Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]));
}
