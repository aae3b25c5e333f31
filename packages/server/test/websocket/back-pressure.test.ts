import { setTimeout as delay } from 'node:timers/promises';
import { TestWebSocket } from '@mte-relay/testing/sealed-websocket';
import { webSocketStage } from '@mte-relay/testing/websocket-stage';
import { expect, test } from 'vitest';

const MESSAGE_BYTES = 65_535;
const MESSAGES = 1_000; // 65 MB: more than the kernel's buffers and the relay's take together

/** Waits until a number has stayed as it is for half a second. */
async function settled(read: () => number): Promise<number> {
  let value = read();
  for (let same = 0; same < 10; ) {
    await delay(50);
    const now = read();
    same = now === value ? same + 1 : 0;
    value = now;
  }
  return value;
}

test('a client that reads slowly holds the upstream back, and gets everything in the end', async () => {
  const { client, socket } = await webSocketStage({ onSocket: () => undefined });
  const ws = await TestWebSocket.open(client);
  ws.outer.pause();
  const upstream = (await socket()).ws;
  for (let i = 0; i < MESSAGES; i += 1) upstream.send(new Uint8Array(MESSAGE_BYTES).fill(i % 256));
  const held = await settled(() => upstream.bufferedAmount);
  expect(held).toBeGreaterThan((MESSAGES * MESSAGE_BYTES) / 2);
  ws.outer.resume();
  for (let i = 0; i < MESSAGES; i += 1) expect((await ws.nextMessage()).data[0]).toBe(i % 256);
});

test('an upstream that reads slowly holds the client back, and gets everything in the end', async () => {
  const { client, socket } = await webSocketStage({ onSocket: () => undefined });
  const ws = await TestWebSocket.open(client);
  const upstream = await socket();
  upstream.ws.pause();
  for (let i = 0; i < MESSAGES; i += 1) await ws.sendMessage(new Uint8Array(MESSAGE_BYTES).fill(i % 256));
  const held = await settled(() => ws.outer.bufferedAmount);
  expect(held).toBeGreaterThan((MESSAGES * MESSAGE_BYTES) / 2);
  upstream.ws.resume();
  while (upstream.messages.length < MESSAGES) await delay(20);
  expect(upstream.messages.every(({ data }, i) => data.length === MESSAGE_BYTES && data[0] === i % 256)).toBe(true);
});

test('a hundred WebSockets of one session carry their own messages side by side', async () => {
  const { client } = await webSocketStage();
  await Promise.all(
    Array.from({ length: 100 }, async (_, i) => {
      const ws = await TestWebSocket.open(client, { path: `/${i}` });
      for (let j = 0; j < 10; j += 1) {
        await ws.sendMessage(`${i}.${j}`);
        expect((await ws.nextMessage()).data.toString()).toBe(`${i}.${j}`);
      }
      await ws.send({ kind: 'close', code: 1000, reason: String(i) });
      expect(await ws.next()).toEqual({ kind: 'close', code: 1000, reason: String(i) });
    }),
  );
});
