// Requests are padded, by the relay's wish and by the app's, so that their lengths do not name the endpoint (SPEC §5.5).
import { MESSAGE_TYPE_EXCHANGE } from '@mte-relay/protocol';
import type { TestRelay } from '@mte-relay/testing/test-relay';
import { describe, expect, test } from 'vitest';
import { setUp } from './support/setup.ts';

/** Header, final mark and tag of a request of one chunk. */
const OVERHEAD_BYTES = 42 + 1 + 16;

/** Lengths of the sealed requests that arrive, without what sealing adds to one chunk. */
function lengthsAt(relay: TestRelay): number[] {
  const lengths: number[] = [];
  relay.intermediary = (call) => {
    if (call.header?.type === MESSAGE_TYPE_EXCHANGE) lengths.push(call.body.length - OVERHEAD_BYTES);
    return call.forward();
  };
  return lengths;
}

const BODIES = ['a', 'b'.repeat(60), 'c'.repeat(700)];

describe.each([
  ['the relay wishes', 512, 0],
  ['the app wishes', 0, 512],
  ['the larger of both counts', 64, 512],
])('%s', (_name, relayPads, appPads) => {
  test('requests of one chunk are a multiple, and arrive as they were', async () => {
    const { relay, client } = await setUp({ padToBytes: appPads });
    relay.parameters = { padToBytes: relayPads };
    const lengths = lengthsAt(relay);
    for (const body of BODIES) await client.fetch('/', { method: 'POST', body });
    expect(lengths.map((length) => length % 512)).toEqual([0, 0, 0]);
    expect(relay.ran.map(({ content }) => content.toString())).toEqual(BODIES);
  });

  test('uploads of several chunks are padded as a whole', async () => {
    const { relay, client } = await setUp({ padToBytes: appPads });
    relay.parameters = { padToBytes: relayPads };
    const lengths = lengthsAt(relay);
    for (const size of [100_000, 100_001, 100_002]) {
      await client.fetch('/', { method: 'POST', body: 'x'.repeat(size) });
    }
    expect(new Set(lengths).size).toBe(1);
    expect(relay.ran.map(({ content }) => content.length)).toEqual([100_000, 100_001, 100_002]);
  });
});

test('without a wish lengths are exact', async () => {
  const { relay, client } = await setUp();
  const lengths = lengthsAt(relay);
  for (const body of ['a', 'aa', 'aaa']) await client.fetch('/', { method: 'POST', body });
  expect(new Set(lengths).size).toBe(3);
});

test('a request that fills its chunk is not made longer than a chunk', async () => {
  const { relay, client } = await setUp({ padToBytes: 16_000 });
  const lengths = lengthsAt(relay);
  await client.fetch('/', { method: 'POST', body: 'x'.repeat(65_000) });
  expect(lengths).toEqual([65_536]);
});

test.each([-1, 1.5, 16_385, Number.NaN, '128'])('an option of %s is misuse', async (padToBytes) => {
  const { relay } = await setUp();
  const { createRelayClient } = await import('@mte-relay/client');
  expect(() => createRelayClient(relay.url, { padToBytes: padToBytes as number })).toThrow(
    expect.objectContaining({ code: 'misuse', message: expect.stringContaining('padToBytes') }),
  );
});
