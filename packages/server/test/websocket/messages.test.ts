import { randomBytes } from 'node:crypto';
import { TestWebSocket } from '@mte-relay/testing/sealed-websocket';
import { webSocketStage } from '@mte-relay/testing/websocket-stage';
import { expect, test } from 'vitest';

test('text and binary messages arrive as what they are, both ways', async () => {
  const { client, socket } = await webSocketStage();
  const ws = await TestWebSocket.open(client, { path: '/chat?room=1' });
  await ws.sendMessage('grüße');
  expect(await ws.nextMessage()).toMatchObject({ kind: 'text', data: Buffer.from('grüße') });
  await ws.sendMessage(Uint8Array.of(0, 255, 1));
  expect(await ws.nextMessage()).toMatchObject({ kind: 'binary', data: Buffer.of(0, 255, 1) });
  const { messages } = await socket();
  expect(messages.map(({ isBinary }) => isBinary)).toEqual([false, true]);
});

test('an empty message is a message', async () => {
  const { client, socket } = await webSocketStage();
  const ws = await TestWebSocket.open(client);
  await ws.sendMessage('');
  await ws.sendMessage(new Uint8Array(0));
  expect(await ws.nextMessage()).toMatchObject({ kind: 'text', data: Buffer.alloc(0) });
  expect(await ws.nextMessage()).toMatchObject({ kind: 'binary', data: Buffer.alloc(0) });
  expect((await socket()).messages).toHaveLength(2);
});

test('messages around the size of a piece and of 1 MiB come back equal', async () => {
  const { client } = await webSocketStage();
  const ws = await TestWebSocket.open(client);
  for (const [bytes, pieces] of [
    [65_534, 1],
    [65_535, 1],
    [65_536, 2],
    [131_071, 3],
    [1_048_576, 17],
  ] as const) {
    const message = new Uint8Array(randomBytes(bytes));
    await ws.sendMessage(message);
    const back = await ws.nextMessage();
    expect(back.data.equals(message), `${bytes} bytes`).toBe(true);
    expect(back.pieces).toBe(pieces);
  }
});

test('a message in pieces arrives as one, with pings between the pieces and a character cut in two', async () => {
  const { client, socket } = await webSocketStage();
  const ws = await TestWebSocket.open(client);
  const bytes = new TextEncoder().encode('grüße');
  await ws.send({ kind: 'text', final: false, data: bytes.subarray(0, 3) });
  await ws.send({ kind: 'ping', data: new Uint8Array(0) });
  await ws.send({ kind: 'more', final: false, data: bytes.subarray(3, 4) });
  await ws.send({ kind: 'more', final: true, data: bytes.subarray(4) });
  expect((await ws.next()).kind).toBe('pong');
  expect((await ws.nextMessage()).data.toString()).toBe('grüße');
  expect((await socket()).messages).toHaveLength(1);
});

test('a message that an upstream sends in pieces arrives as one', async () => {
  const { client, socket } = await webSocketStage();
  const ws = await TestWebSocket.open(client);
  const upstream = (await socket()).ws;
  upstream.send('one ', { fin: false });
  upstream.send('two', { fin: true });
  expect((await ws.nextMessage()).data.toString()).toBe('one two');
});

test('a message that an upstream sends with its handshake is not lost', async () => {
  const { client } = await webSocketStage({
    onSocket(upstream) {
      for (let i = 0; i < 20; i += 1) upstream.send(String(i));
    },
  });
  const ws = await TestWebSocket.open(client);
  for (let i = 0; i < 20; i += 1) expect((await ws.nextMessage()).data.toString()).toBe(String(i));
});

test('compression is spoken with an upstream when the client offers it, and never on the outer hop', async () => {
  const { client, socket } = await webSocketStage({ server: { noServer: true, perMessageDeflate: true } });
  const offer: [string, string] = ['sec-websocket-extensions', 'permessage-deflate; client_max_window_bits'];
  const ws = await TestWebSocket.open(client, { headers: [offer] });
  expect((await socket(0)).ws.extensions).toBe('permessage-deflate');
  expect(ws.outer.extensions).toBe('');
  const message = 'a'.repeat(100_000);
  await ws.sendMessage(message);
  expect((await ws.nextMessage()).data.toString()).toBe(message);
  await TestWebSocket.open(client);
  expect((await socket(1)).ws.extensions).toBe('');
});
