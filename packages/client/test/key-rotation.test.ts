// A relay that changes its key, and clients that pin the old one, the new one or both: no call fails on the way.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createRelayClient, type RelayClient } from '@mte-relay/client';
import { createRelay, type Relay } from '@mte-relay/server';
import { expect, onTestFinished, test, vi } from 'vitest';

const OLD = 'kJ8m2QwX0zTgVn5rB7cYhL4pD9sFeA1u';
const NEW = '2DkV4DDabehO8cifDktdF9elKJL0CKrk';
const OLD_SEED = Buffer.alloc(32, 1).toString('base64');
const NEW_SEED = Buffer.alloc(32, 2).toString('base64');

/** A public address behind which one relay after the other serves. */
async function address(): Promise<{ url: string; serve(settings: Record<string, string>): Relay }> {
  let current: Relay | undefined;
  const front = createServer((req, res) => current?.handler(req, res));
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
  const backend = createServer((_req, res) => res.end('ok'));
  await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve));
  const relays: Relay[] = [];
  onTestFinished(async () => {
    for (const server of [front, backend]) {
      server.closeAllConnections();
      server.close();
    }
    await Promise.all(relays.map((relay) => relay.close()));
  });
  return {
    url: `http://127.0.0.1:${(front.address() as AddressInfo).port}`,
    serve(settings) {
      current = createRelay({
        environment: {
          UPSTREAM: `http://127.0.0.1:${(backend.address() as AddressInfo).port}`,
          CORS_ORIGINS: 'http://localhost:1',
          LOG_LEVEL: 'off',
          ...settings,
        },
      });
      relays.push(current);
      return current;
    },
  };
}

function clientWith(url: string, pins: string[]): RelayClient {
  const client = createRelayClient(url, { pins });
  onTestFinished(() => client.close());
  return client;
}

test.each([
  ['CLIENT_ID_SECRET', {}, OLD, NEW],
  ['RELAY_IDENTITY_SEED', { CLIENT_ID_SECRET: OLD }, OLD_SEED, NEW_SEED],
])('while %s changes, clients with the old pin, the new one and both go on', async (name, others, before, after) => {
  const { url, serve } = await address();
  const oldPin = serve({ ...others, [name]: before }).pin;
  const newPin = createRelay({
    environment: { UPSTREAM: 'http://x', CORS_ORIGINS: 'http://x', LOG_LEVEL: 'off', ...others, [name]: after },
  }).pin;
  const withOld = clientWith(url, [oldPin]);
  const withBoth = clientWith(url, [newPin, oldPin]);
  const withNew = clientWith(url, [newPin]);
  await expect(withNew.fetch('/')).rejects.toMatchObject({ code: 'pin-mismatch' });
  for (const value of [before, `${before},${after}`, `${after},${before}`]) {
    serve({ ...others, [name]: value });
    for (const client of [withOld, withBoth, ...(value === before ? [] : [withNew])]) {
      expect((await client.fetch('/')).status, value).toBe(200);
    }
  }
  serve({ ...others, [name]: after });
  for (const client of [withBoth, withNew]) expect((await client.fetch('/')).status).toBe(200);
  await expect(withOld.fetch('/')).rejects.toMatchObject({ code: 'pin-mismatch' });
});

test('a client without pins stays with the key that it saw first, as long as the relay holds it', async () => {
  const warn = vi.spyOn(console, 'warn').mockReturnValue();
  const { url, serve } = await address();
  serve({ CLIENT_ID_SECRET: OLD });
  const client = createRelayClient(url);
  await client.fetch('/');
  serve({ CLIENT_ID_SECRET: `${NEW},${OLD}` });
  expect((await client.fetch('/')).status).toBe(200);
  serve({ CLIENT_ID_SECRET: NEW });
  await expect(client.fetch('/')).rejects.toMatchObject({ code: 'pin-mismatch' });
  expect(warn).toHaveBeenCalledTimes(1);
  warn.mockRestore();
});

test('discovery of a changed pod and pairing with one that has not changed yet still make a session', async () => {
  const { serve } = await address();
  const changed = serve({ CLIENT_ID_SECRET: `${NEW},${OLD}` });
  const unchanged = serve({ CLIENT_ID_SECRET: OLD });
  // Relays behind one address: every discovery meets the changed one, everything else the other.
  const front = createServer((req, res) => (req.url === '/api/mte-relay' ? changed : unchanged).handler(req, res));
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    front.closeAllConnections();
    front.close();
  });
  const client = clientWith(`http://127.0.0.1:${(front.address() as AddressInfo).port}`, [changed.pin, unchanged.pin]);
  expect((await client.fetch('/')).status).toBe(200);
});
