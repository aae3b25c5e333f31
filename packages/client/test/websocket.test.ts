// client.WebSocket against the real relay and a real WebSocket upstream: the platform's interface, message by message.
import { createHash } from 'node:crypto';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RelayClient, RelayClientError, RelayClientOptions } from '@mte-relay/client';
import { FrameSealer } from '@mte-relay/protocol';
import { relayTo } from '@mte-relay/testing/relay';
import { sdkClient } from '@mte-relay/testing/sdk-client';
import { listen, urlOf } from '@mte-relay/testing/servers';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { type WebSocketStage, type WebSocketStageOptions, webSocketStage } from '@mte-relay/testing/websocket-stage';
import { expect, onTestFinished, test, vi } from 'vitest';

interface Setup {
  readonly on: WebSocketStage;
  readonly client: RelayClient;
  readonly url: string;
}

async function setUp(options: WebSocketStageOptions = {}, clientOptions: RelayClientOptions = {}): Promise<Setup> {
  const on = await webSocketStage(options);
  return { on, client: sdkClient(on, clientOptions), url: on.url };
}

/** Everything that a WebSocket dispatches, in order. */
function recorded(socket: WebSocket): { events: string[]; ended: Promise<CloseEvent> } {
  const events: string[] = [];
  const ended = new Promise<CloseEvent>((resolve) => {
    socket.addEventListener('open', () => events.push('open'));
    socket.addEventListener('message', ({ data }) => events.push(`message ${data}`));
    socket.addEventListener('error', () => events.push('error'));
    socket.addEventListener('close', (event) => {
      events.push(`close ${event.code} ${event.reason} ${event.wasClean}`);
      resolve(event);
    });
  });
  return { events, ended };
}

function opened(socket: WebSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.addEventListener('open', () => resolve());
    socket.addEventListener('error', (event) => reject((event as ErrorEvent).error));
  });
}

function nextMessage(socket: WebSocket): Promise<MessageEvent> {
  return new Promise((resolve) => socket.addEventListener('message', resolve, { once: true }));
}

test('text, binary and empty messages go and come in order, each as its type', async () => {
  const { client, url } = await setUp();
  const socket = new client.WebSocket('/chat?room=1');
  expect(socket.readyState).toBe(socket.CONNECTING);
  expect(socket.url).toBe(`${url.replace('http', 'ws')}/chat?room=1`);
  expect(socket.binaryType).toBe('blob');
  socket.binaryType = 'arraybuffer';
  socket.binaryType = 'other' as BinaryType;
  expect(socket.binaryType).toBe('arraybuffer');
  const got: unknown[] = [];
  const all = new Promise<void>((resolve) => {
    socket.onmessage = ({ data, origin }) => {
      expect(origin).toBe(url.replace('http', 'ws'));
      got.push(typeof data === 'string' ? data : [...new Uint8Array(data)]);
      if (got.length === 7) resolve();
    };
  });
  await opened(socket);
  expect(socket.readyState).toBe(1);
  const reused = new Uint8Array([1, 2, 3]);
  socket.send('grüße 🙂');
  socket.send(reused);
  reused.fill(9); // after send: what was given then is what is sent
  socket.send(new Blob(['\x07']));
  socket.send('');
  socket.send(new ArrayBuffer(0));
  socket.send(new DataView(new Uint8Array([0, 1, 2, 3]).buffer, 1, 2));
  socket.send(5 as unknown as string);
  await all;
  expect(got).toEqual(['grüße 🙂', [1, 2, 3], [7], '', [], [1, 2], '5']);
  socket.binaryType = 'blob';
  const blob = nextMessage(socket);
  socket.send(new Uint8Array([8]));
  expect(await ((await blob).data as Blob).bytes()).toEqual(new Uint8Array([8]));
});

test('the upstream sees the path, the subprotocols and the agent, and its choice comes back', async () => {
  const { client, on } = await setUp({ server: { handleProtocols: () => 'b.2' } });
  const socket = new client.WebSocket('/a/b?c=%20d', ['a', 'b.2']);
  await opened(socket);
  expect(socket.protocol).toBe('b.2');
  expect(socket.extensions).toBe('');
  expect(on.upgrades[0]?.url).toBe('/a/b?c=%20d');
  expect(on.upgrades[0]?.headers).toMatchObject({ 'sec-websocket-protocol': 'a,b.2', 'user-agent': 'mte-relay' });
});

test('5 MB messages and fragments of the upstream arrive whole', async () => {
  const { client, on } = await setUp();
  const socket = new client.WebSocket('/');
  socket.binaryType = 'arraybuffer';
  await opened(socket);
  const big = new Uint8Array(5_000_000).map((_, i) => (i * 31) % 251);
  const echo = nextMessage(socket);
  socket.send(big);
  expect(digest(new Uint8Array((await echo).data))).toBe(digest(big));
  const { ws } = await on.socket();
  const fragmented = nextMessage(socket);
  ws.send('eins ', { fin: false });
  ws.send('zwei ', { fin: false });
  ws.send('drei');
  expect((await fragmented).data).toBe('eins zwei drei');
});

test('pings of the upstream get pongs, also while a large message is on its way', async () => {
  const { client, on } = await setUp({ onSocket: () => undefined });
  const socket = new client.WebSocket('/');
  await opened(socket);
  const { ws, messages } = await on.socket();
  const pong = new Promise<{ data: string; wholeMessages: number }>((resolve) =>
    ws.once('pong', (data) => resolve({ data: data.toString(), wholeMessages: messages.length })),
  );
  socket.send(new Uint8Array(12_000_000));
  ws.ping('are you there');
  const { data, wholeMessages } = await pong;
  expect(data).toBe('are you there');
  expect(wholeMessages).toBe(0);
  await expect.poll(() => messages.length, { timeout: 20_000 }).toBe(1);
});

test('bufferedAmount counts what waits, at once, and sinks to nothing', async () => {
  const { client, on } = await setUp({ onSocket: () => undefined });
  const socket = new client.WebSocket('/');
  await opened(socket);
  expect(socket.bufferedAmount).toBe(0);
  socket.send('ü');
  socket.send(new Uint8Array(100));
  socket.send(new Blob(['abc']));
  expect(socket.bufferedAmount).toBe(105);
  await expect.poll(() => socket.bufferedAmount).toBe(0);
  const { ws, messages } = await on.socket();
  await expect.poll(() => messages.length).toBe(3);
  ws.pause(); // an upstream that takes nothing
  for (let i = 0; i < 40; i += 1) socket.send(new Uint8Array(1_000_000));
  await sleep(300);
  expect(socket.bufferedAmount).toBeGreaterThan(10_000_000); // buffered here, not in the relay
  ws.resume();
  await expect.poll(() => socket.bufferedAmount, { timeout: 15_000 }).toBe(0);
  await expect.poll(() => messages.length, { timeout: 20_000 }).toBe(43);
});

test('close carries code and reason to the other end, in both directions', async () => {
  const { client, on } = await setUp();
  const mine = new client.WebSocket('/');
  const { events, ended } = recorded(mine);
  await opened(mine);
  mine.send('last words');
  mine.close(3001, 'grüße');
  expect(mine.readyState).toBe(2);
  mine.close(); // nothing more
  await ended;
  expect(mine.readyState).toBe(3);
  expect(events).toEqual(['open', 'close 3001 grüße true']);
  const first = await on.socket();
  expect(first.messages.map(({ data }) => data.toString())).toEqual(['last words']);
  expect(await first.closed).toEqual({ code: 3001, reason: 'grüße' });

  const theirs = new client.WebSocket('/');
  const { ended: endedByThem, events: theirEvents } = recorded(theirs);
  await opened(theirs);
  (await on.socket(1)).ws.close(4321, 'bye');
  expect(await endedByThem).toMatchObject({ code: 4321, reason: 'bye', wasClean: true });
  expect(theirEvents).toEqual(['open', 'close 4321 bye true']);

  const wordless = new client.WebSocket('/');
  const { ended: endedWordless } = recorded(wordless);
  await opened(wordless);
  wordless.close();
  expect(await endedWordless).toMatchObject({ code: 1005, reason: '', wasClean: true });
});

test('a message sent behind a close counts and goes nowhere', async () => {
  const { client, on } = await setUp();
  const socket = new client.WebSocket('/');
  const { ended } = recorded(socket);
  await opened(socket);
  socket.close();
  socket.send('four');
  expect(socket.bufferedAmount).toBeGreaterThanOrEqual(4);
  await ended;
  socket.send('more');
  expect(socket.bufferedAmount).toBe(8);
  expect((await on.socket()).messages).toEqual([]);
});

test('arguments are checked as the platform does', async () => {
  const { client, url } = await setUp();
  const { WebSocket } = client;
  for (const bad of ['http://[', 'ftp://x/', '/x#', '/x#fragment']) {
    expect(() => new WebSocket(bad), bad).toThrow(expect.objectContaining({ name: 'SyntaxError' }));
  }
  for (const bad of ['', 'a b', 'a,b', ['a', 'a'], ['a', 'A']]) {
    expect(() => new WebSocket('/', bad), `${bad}`).toThrow(expect.objectContaining({ name: 'SyntaxError' }));
  }
  for (const other of ['ws://localhost:1/', 'https://elsewhere.example/', url.replace('http', 'wss')]) {
    expect(() => new WebSocket(other), other).toThrow(expect.objectContaining({ code: 'origin-not-relayed' }));
  }
  expect([WebSocket.CONNECTING, WebSocket.OPEN, WebSocket.CLOSING, WebSocket.CLOSED]).toEqual([0, 1, 2, 3]);
  const socket = new WebSocket(new URL('/x', url));
  expect(() => socket.send('too early')).toThrow(expect.objectContaining({ name: 'InvalidStateError' }));
  await opened(socket);
  expect(() => (socket.send as () => void)()).toThrow(TypeError);
  for (const code of [0, 999, 1001, 1005, 2999, 5000, 65_536 + 1000]) {
    expect(() => socket.close(code), `${code}`).toThrow(expect.objectContaining({ name: 'InvalidAccessError' }));
  }
  expect(() => socket.close(1000, 'ü'.repeat(62))).toThrow(expect.objectContaining({ name: 'SyntaxError' }));
  expect(socket.readyState).toBe(1);
  const { ended } = recorded(socket);
  socket.close(1000, 'ü'.repeat(61));
  expect((await ended).reason).toBe('ü'.repeat(61));
});

test('closed while it connects, it fails later, once', async () => {
  const { client } = await setUp();
  const socket = new client.WebSocket('/');
  const { events, ended } = recorded(socket);
  socket.close(3000, 'never mind');
  expect(socket.readyState).toBe(2);
  expect(events).toEqual([]);
  await ended;
  await sleep(100);
  expect(events).toEqual(['error', 'close 1006  false']);
});

test('an upstream that refuses the upgrade, and a subprotocol that the client did not offer, end in 1006', async () => {
  const { client } = await setUp({
    onUpgrade: (_req, socket) => socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n'),
  });
  const socket = new client.WebSocket('/');
  const { events, ended } = recorded(socket);
  const said = new Promise<RelayClientError>((resolve) =>
    socket.addEventListener('error', (event) => resolve((event as ErrorEvent).error)),
  );
  await ended;
  expect(events).toEqual(['error', 'close 1006  false']);
  expect(await said).toMatchObject({ code: 'websocket-refused', message: expect.stringContaining('403') });
});

test('handlers of on… attributes are listeners in their place', async () => {
  const { client } = await setUp();
  const socket = new client.WebSocket('/');
  const order: string[] = [];
  expect(socket.onopen).toBe(null);
  socket.onopen = () => order.push('replaced');
  socket.addEventListener('open', () => order.push('second'));
  const first = function (this: WebSocket): void {
    order.push(`first ${this === socket}`);
  };
  socket.onopen = first;
  expect(socket.onopen).toBe(first);
  socket.onclose = () => order.push('never');
  socket.onclose = null;
  await opened(socket);
  expect(order).toEqual(['first true', 'second']);
  const { ended } = recorded(socket);
  socket.close();
  await ended;
  expect(order).not.toContain('never');
});

test('the client pairs again with a relay that has forgotten the session before a WebSocket opens', async () => {
  const first = await webSocketStage();
  const client = sdkClient(first);
  let pairings = 0;
  client.on('pair', () => {
    pairings += 1;
  });
  await client.pair();
  await first.relay.close();
  await endsWithTest(relayTo(first.upstreamUrl)).listen(first.port);
  await sleep(50); // Node's fetch would try the old relay's connection before it has seen its end
  const socket = new client.WebSocket('/');
  await opened(socket);
  expect(pairings).toBe(2);
});

test('closing the client closes its WebSockets with 1001, and it opens no more', async () => {
  const { client, on } = await setUp();
  const socket = new client.WebSocket('/');
  await opened(socket);
  client.close();
  expect(await (await on.socket()).closed).toEqual({ code: 1001, reason: '' });
  expect(() => new client.WebSocket('/')).toThrow(expect.objectContaining({ code: 'closed' }));
});

test('closing the client ends a WebSocket whose peer does not read, also one that is closing', async () => {
  const on = await webSocketStage();
  const halves: Socket[] = [];
  const wire = createServer((near) => {
    const far = connect({ port: on.port, host: '127.0.0.1' });
    near.on('error', () => far.destroy());
    far.on('error', () => near.destroy());
    near.on('data', (piece) => far.write(piece));
    far.on('data', (piece) => near.write(piece));
    halves.push(near, far);
  });
  const url = urlOf(await listen(wire));
  onTestFinished(() => {
    for (const half of halves) half.destroy();
    wire.close();
  });
  const client = sdkClient({ url, pin: on.pin });
  const sockets = [new client.WebSocket('/'), new client.WebSocket('/')] as const;
  const all = sockets.map(recorded);
  await Promise.all(sockets.map(opened));
  for (const half of halves) half.pause();
  for (const socket of sockets) for (let i = 0; i < 16; i += 1) socket.send(new Uint8Array(1_000_000));
  sockets[0].close();
  client.close();
  for (const { ended } of all) expect(await ended).toMatchObject({ code: 1006, wasClean: false });
}, 30_000);

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

test('a direction whose frames are used up is closed cleanly, and nothing leaves behind the close', async () => {
  const { on, client } = await setUp();
  const socket = new client.WebSocket('/');
  await opened(socket);
  const { events, ended } = recorded(socket);
  // 2^32 frames would take hours: the sealer reports in their place that one is left, then none.
  const left = vi.spyOn(FrameSealer.prototype, 'left', 'get');
  onTestFinished(() => left.mockRestore());
  left.mockReturnValueOnce(1).mockReturnValueOnce(1).mockReturnValueOnce(0).mockReturnValueOnce(0);
  socket.send('one too many');
  socket.send('and one more');
  socket.close(4000, 'of the app');
  expect(await ended).toMatchObject({ code: 1001, reason: 'frames used up', wasClean: true });
  expect(events).toEqual(['close 1001 frames used up true']);
  const upstream = await on.socket();
  expect(await upstream.closed).toEqual({ code: 1001, reason: 'frames used up' });
  expect(upstream.messages).toEqual([]);
});
