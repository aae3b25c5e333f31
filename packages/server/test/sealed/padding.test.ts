// Lengths of sealed messages are rounded up, so that they do not name the endpoint (SPEC §5.5).
import { SealedClient } from '@mte-relay/testing/sealed-client';
import { openOuter, TestWebSocket } from '@mte-relay/testing/sealed-websocket';
import { stage } from '@mte-relay/testing/stage';
import { describe, expect, test } from 'vitest';

/** Response nonce, final mark and tag of a response of one chunk. */
const OVERHEAD_BYTES = 33;

/** Sizes of the sealed responses to bodies of these sizes. */
async function sealedSizes(bodies: readonly number[], environment: Record<string, string> = {}): Promise<number[]> {
  const { port } = await stage((req, res) => void res.end('x'.repeat(Number(req.url?.slice(1)))), { environment });
  const client = await SealedClient.pair(port);
  const sizes: number[] = [];
  for (const bytes of bodies) {
    const response = await client.fetch({ path: `/${bytes}` });
    expect(response.body).toHaveLength(bytes);
    sizes.push(response.outer.body.length);
  }
  return sizes;
}

describe('PAD_TO_BYTES', () => {
  test('is 128, told to clients, and every response of one chunk is a multiple', async () => {
    const sizes = await sealedSizes([0, 1, 2, 40, 700, 10_000, 40_000]);
    for (const size of sizes) expect((size - OVERHEAD_BYTES) % 128).toBe(0);
    const { port } = await stage();
    expect((await SealedClient.pair(port)).parameters.padToBytes).toBe(128);
  });

  test('bodies of 1 to 900 bytes have one length with 1024, and lengths of their own with 0', async () => {
    expect(new Set(await sealedSizes([1, 100, 500], { PAD_TO_BYTES: '1024' })).size).toBe(1);
    expect(new Set(await sealedSizes([1, 2, 3], { PAD_TO_BYTES: '0' })).size).toBe(3);
  });

  test('a response that fills its chunk is not made longer than a chunk', async () => {
    const sizes = await sealedSizes([49_152], { PAD_TO_BYTES: '16384' });
    expect(sizes).toEqual([OVERHEAD_BYTES + 65_536]);
  });

  test('a stream is padded as a whole, in its last chunk', async () => {
    const lengths = new Set<number>();
    for (const bytes of [100_000, 100_001, 100_050]) {
      const { port } = await stage(
        (_req, res) => {
          res.write('x'.repeat(60_000));
          setTimeout(() => res.end('x'.repeat(bytes - 60_000)), 30);
        },
        { environment: { PAD_TO_BYTES: '16384' } },
      );
      const response = await (await SealedClient.pair(port)).fetch({});
      expect(response.body).toHaveLength(bytes);
      lengths.add(Math.round(response.outer.body.length / 1_000)); // chunks may differ in number, by some bytes each
    }
    expect(lengths.size).toBe(1);
  });

  test('the relay’s own responses are padded, to WebSockets too', async () => {
    const { port } = await stage(undefined, { environment: { MTE_ROUTES: '/a' } });
    const client = await SealedClient.pair(port);
    const refused = await client.fetch({ path: '/b' });
    expect(refused.head.status).toBe(404);
    expect((refused.outer.body.length - OVERHEAD_BYTES) % 128).toBe(0);
    const socket = new TestWebSocket(await openOuter(port));
    await socket.begin(client, { path: '/b' });
    expect(((socket.received[0]?.length ?? 0) - OVERHEAD_BYTES) % 128).toBe(0);
  });
});
