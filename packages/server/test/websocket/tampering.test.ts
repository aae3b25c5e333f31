// An intermediary tampers with the outer messages: the relay delivers none of them and ends the WebSocket.
import { setTimeout as delay } from 'node:timers/promises';
import { encodeFrame, MESSAGE_TYPE_WEBSOCKET } from '@mte-relay/protocol';
import { plaintextOf, SealedClient } from '@mte-relay/testing/sealed-client';
import { openOuter, TestWebSocket } from '@mte-relay/testing/sealed-websocket';
import { webSocketStage } from '@mte-relay/testing/websocket-stage';
import { expect, test } from 'vitest';

const text = (value: string) => ({ kind: 'text', final: true, data: new TextEncoder().encode(value) }) as const;

const TAMPERINGS: Record<string, (first: Uint8Array, second: Uint8Array) => Uint8Array[]> = {
  reordered: (first, second) => [second, first],
  'lost, with the next one behind it': (_first, second) => [second],
  'cut by a byte': (first) => [first.subarray(0, -1)],
  'cut to nothing': () => [new Uint8Array(0)],
  'longer by a byte': (first) => [Buffer.concat([first, Buffer.of(0)])],
  'changed in its first bit': (first) => [Buffer.concat([Buffer.of((first[0] as number) ^ 0x80), first.subarray(1)])],
  'changed in its tag': (first) => [Buffer.concat([first.subarray(0, -1), Buffer.of((first.at(-1) as number) ^ 1)])],
};

test.each(Object.keys(TAMPERINGS))('a frame that is %s ends the WebSocket and is not delivered', async (how) => {
  const { client, socket } = await webSocketStage();
  const ws = await TestWebSocket.open(client);
  const sent = TAMPERINGS[how]?.(await ws.seal(text('pay 1')), await ws.seal(text('pay 2'))) ?? [];
  for (const message of sent) ws.outer.send(message);
  expect(await ws.outerClosed).toEqual({ code: 4400, reason: 'unopenable' });
  const upstream = await socket();
  expect((await upstream.closed).code).toBe(1006);
  expect(upstream.messages).toEqual([]);
});

test('a frame sent twice is delivered once', async () => {
  const { client, socket } = await webSocketStage();
  const ws = await TestWebSocket.open(client);
  const frame = await ws.seal(text('pay 1'));
  ws.outer.send(frame);
  ws.outer.send(frame);
  expect(await ws.outerClosed).toEqual({ code: 4400, reason: 'unopenable' });
  const upstream = await socket();
  expect((await upstream.closed).code).toBe(1006);
  expect(upstream.messages).toHaveLength(1);
});

test('a frame of another WebSocket of the session, and one of the relay’s own sent back, do not open', async () => {
  const { client, socket } = await webSocketStage();
  const one = await TestWebSocket.open(client);
  const other = await TestWebSocket.open(client);
  one.outer.send(await other.seal(text('swapped')));
  expect((await one.outerClosed).code).toBe(4400);
  await other.send(text('counter in step again')); // its frame 1, for the relay still waits for frame 0
  expect((await other.outerClosed).code).toBe(4400);
  const third = await TestWebSocket.open(client);
  (await socket(2)).ws.send('hello');
  await third.next();
  third.outer.send(third.received[1] as Buffer);
  expect((await third.outerClosed).code).toBe(4400);
  expect((await socket(2)).messages).toEqual([]);
});

test('an opening message works once, and its frames with it', async () => {
  const { client, upgrades } = await webSocketStage();
  const ws = await TestWebSocket.open(client);
  const replay = new TestWebSocket(await openOuter(client.port));
  replay.outer.send(ws.opening);
  expect(await replay.outerClosed).toEqual({ code: 4409, reason: 'replayed' });
  expect(upgrades).toHaveLength(1);
  await ws.sendMessage('untouched');
  expect((await ws.nextMessage()).data.toString()).toBe('untouched');
});

test('an exchange and a WebSocket share their numbers', async () => {
  const { client } = await webSocketStage();
  const n = client.nextN;
  await client.fetch({ path: '/' });
  const ws = new TestWebSocket(await openOuter(client.port));
  ws.outer.send(await ws.sealOpening(client, {}, n));
  expect(await ws.outerClosed).toEqual({ code: 4409, reason: 'replayed' });
});

test('an opening message that was changed claims nothing', async () => {
  const { client, upgrades } = await webSocketStage();
  const ws = new TestWebSocket(await openOuter(client.port));
  const opening = await ws.sealOpening(client);
  for (const at of [1, 2, 20, 30, 42, 43, opening.length - 1]) {
    const forger = new TestWebSocket(await openOuter(client.port));
    const changed = Buffer.from(opening);
    changed[at] = (changed[at] as number) ^ 1;
    forger.outer.send(changed);
    expect([4400, 4401], `byte ${at}`).toContain((await forger.outerClosed).code);
  }
  const cut = new TestWebSocket(await openOuter(client.port));
  cut.outer.send(opening.subarray(0, 50));
  expect((await cut.outerClosed).code).toBe(4400);
  expect(upgrades).toHaveLength(0);
  ws.outer.send(opening);
  expect((await ws.response()).head.status).toBe(200);
});

test('an unknown session, another session’s secrets and a message that was sealed for a POST are refused', async () => {
  const { client, port, upgrades } = await webSocketStage();
  const other = await SealedClient.pair(port);
  const mixed = new TestWebSocket(await openOuter(port));
  mixed.outer.send(
    await mixed.sealOpening({ ...client, keys: { ...other.keys, sid: client.keys.sid } } as SealedClient, {}, 0),
  );
  expect(await mixed.outerClosed).toEqual({ code: 4400, reason: 'unopenable' });
  const unknown = new TestWebSocket(await openOuter(port));
  const keys = { ...client.keys, sid: new Uint8Array(16).fill(7) };
  unknown.outer.send(await unknown.sealOpening({ ...client, keys } as SealedClient, {}, 0));
  expect(await unknown.outerClosed).toEqual({ code: 4401, reason: 'session-unknown' });
  const posted = new TestWebSocket(await openOuter(port));
  posted.outer.send((await client.seal(plaintextOf({ path: '/' }))).message);
  expect(await posted.outerClosed).toEqual({ code: 4400, reason: 'malformed' });
  const { message } = await client.seal(plaintextOf({ path: '/' }), MESSAGE_TYPE_WEBSOCKET);
  expect((await client.post(message)).code).toBe('malformed');
  expect(upgrades).toHaveLength(0);
});

test('a frame before the response, and any text on the outer hop, is malformed', async () => {
  const { client, upgrades } = await webSocketStage({ onUpgrade: (_req, socket) => socket.resume() });
  const early = new TestWebSocket(await openOuter(client.port));
  early.outer.send(await early.sealOpening(client));
  while (upgrades.length === 0) await delay(5);
  early.outer.send(encodeFrame(text('unsealed')));
  expect(await early.outerClosed).toEqual({ code: 4400, reason: 'malformed' });
  const plain = new TestWebSocket(await openOuter(client.port));
  plain.outer.send('GET / HTTP/1.1');
  expect(await plain.outerClosed).toEqual({ code: 4400, reason: 'malformed' });
});

test('text on the outer hop of an open WebSocket ends it', async () => {
  const { client, socket } = await webSocketStage();
  const ws = await TestWebSocket.open(client);
  ws.outer.send('plain');
  expect(await ws.outerClosed).toEqual({ code: 4400, reason: 'malformed' });
  expect((await (await socket()).closed).code).toBe(1006);
});

test.each([
  ['no known kind', Uint8Array.of(0x83)],
  ['reserved bits', Uint8Array.of(0xc1)],
  ['nothing at all', new Uint8Array(0)],
  ['a continuation without a message', Uint8Array.of(0x80, 1)],
  ['an empty piece before the last one', Uint8Array.of(0x01)],
  ['a ping in pieces', Uint8Array.of(0x09)],
  ['a ping of 126 bytes', new Uint8Array(127).fill(0x89, 0, 1)],
  ['a close code of one byte', Uint8Array.of(0x88, 3)],
  ['close code 1006', Uint8Array.of(0x88, 0x03, 0xee)],
  ['a close reason that is not UTF-8', Uint8Array.of(0x88, 0x03, 0xe8, 0xff)],
])('a well sealed frame with %s ends with 1002 inside the seal', async (_what, plaintext) => {
  const { client, socket } = await webSocketStage();
  const ws = await TestWebSocket.open(client);
  ws.outer.send(await ws.sealPlaintext(plaintext));
  expect(await ws.next()).toEqual({ kind: 'close', code: 1002, reason: 'malformed' });
  expect((await (await socket()).closed).code).toBe(1006);
});
