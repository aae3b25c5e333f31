// Any intermediary can make up unsealed responses: a cache that it has filled, and responses without an end.
import { createRelayClient } from '@mte-relay/client';
import type { Bytes } from '@mte-relay/protocol';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { type IntermediaryResponse, TestRelay } from '@mte-relay/testing/test-relay';
import { expect, test } from 'vitest';
import { setUp } from './support/setup.ts';

/** A browser's cache, filled by an intermediary before the page came to a network without one. */
function poisoned(respond: () => Response): { fetch: typeof fetch; asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    fetch: async (input, init) => {
      if (!`${input}`.endsWith('/api/mte-relay')) return await fetch(input, init);
      asked.push(`${init?.cache}`);
      return init?.cache === 'reload' ? await fetch(input, init) : respond();
    },
  };
}

const HOSTILE_CACHES: [string, () => Response][] = [
  ['a page of a captive portal', () => new Response('<html>Log in</html>')],
  ['a relay of no version', () => Response.json({ versions: [], suite: 1, publicKey: 'AAAA' })],
  ['a refusal', () => new Response('', { status: 404 })],
  ['an empty list of keys', () => Response.json({ versions: [1], suite: 1, keys: [] })],
];
const redirect = (): Response => {
  throw new TypeError('unexpected redirect');
};

test.each([...HOSTILE_CACHES, ['a redirect', redirect] as (typeof HOSTILE_CACHES)[number]])(
  '%s in the cache of discovery locks no client out, pinned or not',
  async (_what, respond) => {
    const relay = endsWithTest(await TestRelay.start());
    for (const [pins, first] of [
      [[relay.pin], 'force-cache'],
      [[], 'default'],
    ] as const) {
      const { fetch, asked } = poisoned(respond);
      const client = createRelayClient(relay.url, { pins, fetch });
      expect((await client.fetch('/')).status).toBe(200);
      expect(asked).toEqual([first, 'reload']);
      client.close();
    }
  },
);

const PIECE: Bytes = new Uint8Array(65_536).fill(0x20);

/** A response without an end, and how many of its bytes were taken. */
function endless(status: number, type: string): { response: IntermediaryResponse; sent(): number } {
  let sentBytes = 0;
  async function* body(): AsyncGenerator<Bytes> {
    for (;;) {
      sentBytes += PIECE.length;
      yield PIECE;
      if (sentBytes > 64_000_000) return; // or a client that takes it all would end the test's memory
    }
  }
  return { response: { status, headers: { 'content-type': type }, body: body() }, sent: () => sentBytes };
}

test.each([
  ['discovery', '/api/mte-relay', 200, 'application/json', 'pairing-failed'],
  ['a pairing', '/api/mte-pair', 200, 'application/mte-relay-pairing', 'pairing-failed'],
  ['a refused pairing', '/api/mte-pair', 403, 'application/problem+json', 'relay-refused'],
  ['a refusal', '/api/mte', 403, 'application/problem+json', 'relay-refused'],
])('an endless response to %s fails, and the client does not buffer it', async (_what, path, status, type, code) => {
  const { relay, client } = await setUp();
  const sent: (() => number)[] = [];
  relay.intermediary = async (call) => {
    if (call.path !== path) return await call.forward();
    const { response, sent: count } = endless(status, type);
    sent.push(count);
    return response;
  };
  await expect(client.fetch('/')).rejects.toMatchObject({ code });
  // What the sockets hold between here and there is not the client's.
  for (const count of sent) expect(count()).toBeLessThan(16_000_000);
});

test.each([
  ['GET', 200, 'response-unopenable'],
  ['POST', 200, 'may-have-run'],
  ['GET', 403, 'relay-refused'],
])(
  '%s with %d outside the seal on a connection that is reset: the error reports the status',
  async (method, status, code) => {
    const { client } = await setUp({
      fetch: async (input, init) => {
        if (!`${input}`.endsWith('/api/mte')) return await fetch(input, init);
        const body = new ReadableStream({ start: (controller) => controller.error(new TypeError('terminated')) });
        return new Response(body, { status, headers: { 'content-type': 'text/html' } });
      },
    });
    const error = await client.fetch('/', { method }).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ name: 'RelayClientError', code });
  },
);
