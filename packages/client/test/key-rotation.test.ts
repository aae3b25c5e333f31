// A relay that changes its key, and clients that pin the old one, the new one or both: no call fails on the way.
import { createRelayClient, type RelayClient } from '@mte-relay/client';
import type { Relay } from '@mte-relay/server';
import { relayTo } from '@mte-relay/testing/relay';
import { serve } from '@mte-relay/testing/servers';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { expect, test, vi } from 'vitest';

const OLD = 'kJ8m2QwX0zTgVn5rB7cYhL4pD9sFeA1u';
const NEW = '2DkV4DDabehO8cifDktdF9elKJL0CKrk';
const OLD_SEED = Buffer.alloc(32, 1).toString('base64');
const NEW_SEED = Buffer.alloc(32, 2).toString('base64');

/** A public address behind which one relay after the other serves. */
async function address(): Promise<{ url: string; replaceBy(settings: Record<string, string>): Relay }> {
  let current: Relay | undefined;
  const front = endsWithTest(await serve((req, res) => current?.handler(req, res)));
  const backend = endsWithTest(await serve((_req, res) => res.end('ok')));
  return {
    url: front.url,
    replaceBy(settings) {
      current = endsWithTest(relayTo(backend.url, settings));
      return current;
    },
  };
}

function clientWith(url: string, pins: string[]): RelayClient {
  return endsWithTest(createRelayClient(url, { pins }));
}

test.each([
  ['CLIENT_ID_SECRET', {}, OLD, NEW],
  ['RELAY_IDENTITY_SEED', { CLIENT_ID_SECRET: OLD }, OLD_SEED, NEW_SEED],
])('while %s changes, clients with the old pin, the new one and both go on', async (name, others, before, after) => {
  const { url, replaceBy } = await address();
  const oldPin = replaceBy({ ...others, [name]: before }).pin;
  const newPin = relayTo('http://x', { ...others, [name]: after }).pin;
  const withOld = clientWith(url, [oldPin]);
  const withBoth = clientWith(url, [newPin, oldPin]);
  const withNew = clientWith(url, [newPin]);
  await expect(withNew.fetch('/')).rejects.toMatchObject({ code: 'pin-mismatch' });
  for (const value of [before, `${before},${after}`, `${after},${before}`]) {
    replaceBy({ ...others, [name]: value });
    for (const client of [withOld, withBoth, ...(value === before ? [] : [withNew])]) {
      expect((await client.fetch('/')).status, value).toBe(200);
    }
  }
  replaceBy({ ...others, [name]: after });
  for (const client of [withBoth, withNew]) expect((await client.fetch('/')).status).toBe(200);
  await expect(withOld.fetch('/')).rejects.toMatchObject({ code: 'pin-mismatch' });
});

test('a client without pins stays with the key that it saw first, as long as the relay holds it', async () => {
  const warn = vi.spyOn(console, 'warn').mockReturnValue();
  const { url, replaceBy } = await address();
  replaceBy({ CLIENT_ID_SECRET: OLD });
  const client = createRelayClient(url);
  await client.fetch('/');
  replaceBy({ CLIENT_ID_SECRET: `${NEW},${OLD}` });
  expect((await client.fetch('/')).status).toBe(200);
  replaceBy({ CLIENT_ID_SECRET: NEW });
  await expect(client.fetch('/')).rejects.toMatchObject({ code: 'pin-mismatch' });
  expect(warn).toHaveBeenCalledTimes(1);
  warn.mockRestore();
});

test('discovery of a changed pod and pairing with one that has not changed yet still make a session', async () => {
  const { replaceBy } = await address();
  const changed = replaceBy({ CLIENT_ID_SECRET: `${NEW},${OLD}` });
  const unchanged = replaceBy({ CLIENT_ID_SECRET: OLD });
  // Relays behind one address: every discovery meets the changed one, everything else the other.
  const front = endsWithTest(
    await serve((req, res) => (req.url === '/api/mte-relay' ? changed : unchanged).handler(req, res)),
  );
  const client = clientWith(front.url, [changed.pin, unchanged.pin]);
  expect((await client.fetch('/')).status).toBe(200);
});
