// A direction that has sealed all frames that its key may seal (SPEC §13.3) ends by a sealed close, and the relay goes on.
import { once } from 'node:events';
import { encodeFrame, FrameOpener, FrameReader, FrameSealer, type WebSocketFrame } from '@mte-relay/protocol';
import { nodeSuite } from '@mte-relay/protocol/node';
import { expect, test } from 'vitest';
import type { ProcessSettings } from '../../src/config/settings.ts';
import { Pacer } from '../../src/limits/pacer.ts';
import { WebSocketTunnel } from '../../src/sealed/tunnel.ts';
import { openWebSocketPair, UNOBSERVED } from '../support/websocket-pair.ts';

const SETTINGS = { WEBSOCKET_IDLE_TIMEOUT_MS: 600_000, WEBSOCKET_LIFETIME_MS: 600_000 } as ProcessSettings;
/** Instead of 2^32, which would take hours. */
const FRAMES_MAX = 4;

const key = (label: string) =>
  nodeSuite().importExpandKey(new Uint8Array(32)).expandAead(new TextEncoder().encode(label));

test.each(['message', 'large message', 'ping'] as const)(
  'the last frame is kept for a close when a %s is one too many',
  async (kind) => {
    const client = await openWebSocketPair();
    const upstream = await openWebSocketPair();
    const keys = { sealer: new FrameSealer(key('res'), FRAMES_MAX), opener: new FrameOpener(key('req')) };
    new WebSocketTunnel(client.far, upstream.near, keys, SETTINGS, new Pacer(), UNOBSERVED);
    const opener = new FrameOpener(key('res'));
    const reader = new FrameReader();
    const frames: WebSocketFrame[] = [];
    client.near.on('message', (bytes: Buffer) => frames.push(reader.read(opener.open(new Uint8Array(bytes)))));
    const outerClosed = once(client.near, 'close');
    const upstreamClosed = once(upstream.far, 'close');
    for (let sent = 0; sent < FRAMES_MAX - 1; sent += 1) upstream.far.send(`${sent}`);
    if (kind === 'message') upstream.far.send('one too many');
    if (kind === 'large message') upstream.far.send(new Uint8Array(200_000));
    if (kind === 'ping') upstream.far.ping();
    upstream.far.send('and one more');
    const [code] = (await outerClosed) as [number];
    expect(code).toBe(1001);
    expect(frames.map((frame) => frame.kind)).toEqual(['text', 'text', 'text', 'close']);
    expect(frames.at(-1)).toEqual({ kind: 'close', code: 1001, reason: 'frames used up' });
    expect((await upstreamClosed)[0]).toBe(1001);
  },
);

test('a close of the upstream’s own still finds its frame', async () => {
  const client = await openWebSocketPair();
  const upstream = await openWebSocketPair();
  const keys = { sealer: new FrameSealer(key('res'), 1), opener: new FrameOpener(key('req')) };
  new WebSocketTunnel(client.far, upstream.near, keys, SETTINGS, new Pacer(), UNOBSERVED);
  const message = once(client.near, 'message');
  upstream.far.close(4000, 'done');
  const [bytes] = (await message) as [Buffer];
  const frame = new FrameReader().read(new FrameOpener(key('res')).open(new Uint8Array(bytes)));
  expect(frame).toEqual({ kind: 'close', code: 4000, reason: 'done' });
});

test('a sealer gives no more frames than the protocol allows, whatever it is asked for', () => {
  const sealer = new FrameSealer(key('res'), 2);
  const frame = encodeFrame({ kind: 'ping', data: new Uint8Array(0) });
  expect(sealer.left).toBe(2);
  sealer.seal(frame);
  sealer.seal(frame);
  expect(sealer.left).toBe(0);
  expect(() => sealer.seal(frame)).toThrow('WebSocket exceeds 2 frames');
  expect(new FrameSealer(key('res'), 2 ** 40).left).toBe(2 ** 32);
});
