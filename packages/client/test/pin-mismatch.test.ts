// A relay, or somebody in its place, that shows a key which the client does not trust: the app and the operator learn of it.
import { createRelayClient, type PinMismatch, type RelayClientOptions } from '@mte-relay/client';
import { contentOf } from '@mte-relay/testing/content';
import { serve } from '@mte-relay/testing/servers';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { TestRelay } from '@mte-relay/testing/test-relay';
import { afterEach, expect, test, vi } from 'vitest';

afterEach(() => vi.restoreAllMocks());

const OTHER = `sha256-${Buffer.alloc(32, 7).toString('base64')}`;

/** A client that trusts another key than the relay's. */
async function setUp(options: RelayClientOptions = {}) {
  const relay = endsWithTest(await TestRelay.start());
  return { relay, client: endsWithTest(createRelayClient(relay.url, { pins: [OTHER], ...options })) };
}

/** An endpoint of the operator's, and the requests that it got. */
async function endpoint(): Promise<{ url: string; got: { headers: NodeJS.Dict<string | string[]>; body: unknown }[] }> {
  const got: { headers: NodeJS.Dict<string | string[]>; body: unknown }[] = [];
  const { url } = endsWithTest(
    await serve(async (req, res) => {
      got.push({ headers: req.headers, body: JSON.parse((await contentOf(req)).toString()) });
      res.end();
    }),
  );
  return { url, got };
}

const refused = { code: 'pin-mismatch' };

test('every mismatch is an event, with relay, shown and trusted pins', async () => {
  const { relay, client } = await setUp();
  const seen: PinMismatch[] = [];
  client.on('pin-mismatch', (mismatch) => seen.push(mismatch));
  await expect(client.fetch('/')).rejects.toMatchObject(refused);
  await expect(client.pair()).rejects.toMatchObject(refused);
  const mismatch = { relay: relay.url, shown: relay.pin, trusted: [OTHER] };
  expect(seen).toEqual([mismatch, mismatch]);
});

test('a key that differs from the first one seen is an event too', async () => {
  vi.spyOn(console, 'warn').mockReturnValue();
  const { relay, client } = await setUp({ pins: [] });
  await client.fetch('/');
  const first = relay.pin;
  await relay.useKey(2);
  relay.forgetSessions();
  const seen: PinMismatch[] = [];
  client.on('pin-mismatch', (mismatch) => seen.push(mismatch));
  await expect(client.fetch('/')).rejects.toMatchObject(refused);
  expect(seen).toEqual([{ relay: relay.url, shown: relay.pin, trusted: [first] }]);
});

test('without a mismatch nothing is reported', async () => {
  const { url, got } = await endpoint();
  const { relay } = await setUp();
  const client = endsWithTest(createRelayClient(relay.url, { pins: [relay.pin], reportPinMismatch: url }));
  await client.fetch('/');
  expect(got).toEqual([]);
});

test('an endpoint gets a report once per shown pin and hour, without credentials', async () => {
  const { url, got } = await endpoint();
  const { relay, client } = await setUp({ reportPinMismatch: `${url}/reports` });
  const body = { relay: relay.url, shown: relay.pin, trusted: [OTHER] };
  for (let i = 0; i < 3; i += 1) await expect(client.fetch('/')).rejects.toMatchObject(refused);
  await expect.poll(() => got.length).toBe(1);
  expect(got[0]?.body).toEqual([{ type: 'mte-relay-pin-mismatch', age: 0, url: relay.url, body }]);
  expect(got[0]?.headers).toMatchObject({ 'content-type': 'application/reports+json' });
  expect(got[0]?.headers).not.toHaveProperty('cookie');

  await relay.useKey(2);
  await expect(client.fetch('/')).rejects.toMatchObject(refused);
  await expect.poll(() => got.length).toBe(2);

  const realNow = Date.now;
  vi.spyOn(Date, 'now').mockImplementation(() => realNow() + 3_600_000);
  await expect(client.fetch('/')).rejects.toMatchObject(refused);
  await expect.poll(() => got.length).toBe(3);
});

test('a function gets the same; an intermediary that shows ever new keys causes 16 calls of it in an hour', async () => {
  const seen: string[] = [];
  const { relay, client } = await setUp({ reportPinMismatch: ({ shown }) => seen.push(shown) });
  for (let seed = 1; seed <= 20; seed += 1) {
    await relay.useKey(seed);
    await expect(client.fetch('/')).rejects.toMatchObject(refused);
  }
  expect(new Set(seen).size).toBe(16);
  expect(seen.length).toBe(16);
});

test('an endpoint that cannot be reached and a function that throws change nothing for the call', async () => {
  const error = vi.spyOn(console, 'error').mockReturnValue();
  const { client: unreached } = await setUp({ reportPinMismatch: 'http://127.0.0.1:1/' });
  await expect(unreached.fetch('/')).rejects.toMatchObject(refused);
  const { client: failing } = await setUp({
    reportPinMismatch() {
      throw new Error('of the app');
    },
  });
  await expect(failing.fetch('/')).rejects.toMatchObject(refused);
  expect(error).toHaveBeenCalledTimes(1);
});

test.each(['https://relay.example/reports', new URL('https://relay.example'), '/reports', 'https://'])(
  'reportPinMismatch %s is refused: of the relay itself, or not a URL',
  (reportPinMismatch) => {
    expect(() => createRelayClient('https://relay.example', { pins: [OTHER], reportPinMismatch })).toThrow(
      expect.objectContaining({ code: 'misuse', message: expect.stringContaining('reportPinMismatch') }),
    );
  },
);
