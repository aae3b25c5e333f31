// A replayed pairing: the relay responds, since it does not remember pairings, and the sender gets a session that it
// cannot use, while the first session goes on undisturbed.
import { beginPairing, postPairing, SealedClient } from '@mte-relay/testing/sealed-client';
import { stage } from '@mte-relay/testing/stage';
import { expect, test } from 'vitest';

test('a replayed pairing gives other secrets, which only its first sender could compute', async () => {
  const { port, seen } = await stage();
  const attempt = await beginPairing(port);
  const [reply, replayed] = [await postPairing(port, attempt.message), await postPairing(port, attempt.message)];
  expect([reply.status, replayed.status]).toEqual([200, 200]);
  expect(Buffer.from(replayed.body).equals(Buffer.from(reply.body))).toBe(false);

  const client = new SealedClient(port, await attempt.finish(reply.body));
  expect((await client.fetch({ path: '/mine' })).head.status).toBe(200);
  // This attempt takes one response, whatever else arrives.
  await expect(attempt.finish(replayed.body)).rejects.toMatchObject({ code: 'misuse' });
  expect(seen.map(({ url }) => url)).toEqual(['/mine']);
});
