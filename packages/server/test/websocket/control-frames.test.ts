// Pings and pongs of a client are buffered as messages are, when the upstream does not read: else a client could fill
// the relay's memory with them.
import { encodeFrame, FrameOpener, FrameSealer } from '@mte-relay/protocol';
import { nodeSuite } from '@mte-relay/protocol/node';
import { expect, test } from 'vitest';
import type { ProcessSettings } from '../../src/config/settings.ts';
import { Pacer } from '../../src/limits/pacer.ts';
import { WebSocketTunnel } from '../../src/sealed/tunnel.ts';
import { openWebSocketPair, UNOBSERVED } from '../support/websocket-pair.ts';

const PINGS = 40_000; // more than the kernel's buffers take, which small frames fill soon
const WAITING_MAX_BYTES = 1_048_576; // the relay's bound, and what one read may bring on top
const SETTINGS = { WEBSOCKET_IDLE_TIMEOUT_MS: 600_000, WEBSOCKET_LIFETIME_MS: 600_000 } as ProcessSettings;

test('pings and pongs wait at the client while the upstream does not read', async () => {
  const suite = nodeSuite();
  const key = (label: string) => suite.importExpandKey(new Uint8Array(32)).expandAead(new TextEncoder().encode(label));
  const client = await openWebSocketPair();
  const upstream = await openWebSocketPair();
  upstream.far.pause();
  const keys = { sealer: new FrameSealer(key('res')), opener: new FrameOpener(key('req')) };
  new WebSocketTunnel(client.far, upstream.near, keys, SETTINGS, new Pacer(), UNOBSERVED);
  const sealer = new FrameSealer(key('req'));
  let mostHeld = 0;
  for (let sent = 1; sent <= PINGS && !client.far.isPaused; sent += 1) {
    client.near.send(sealer.seal(encodeFrame({ kind: sent % 2 === 0 ? 'ping' : 'pong', data: new Uint8Array(125) })));
    if (sent % 500 === 0) await new Promise((resolve) => setImmediate(resolve));
    mostHeld = Math.max(mostHeld, upstream.near.bufferedAmount);
  }
  expect(client.far.isPaused).toBe(true);
  expect(mostHeld).toBeLessThan(WAITING_MAX_BYTES);
  upstream.far.resume();
  await expect.poll(() => client.far.isPaused, { timeout: 5_000 }).toBe(false);
});
