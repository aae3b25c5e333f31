// A pairing that is recorded and sent again: the relay answers, since it keeps no memory of pairings, and whoever sent it
// has a session that it cannot use, beside the one that goes on undisturbed.
import { CONTENT_TYPE_PAIRING, startPairing } from '@mte-relay/protocol';
import { nodeSuite } from '@mte-relay/protocol/node';
import { expect, test } from 'vitest';
import { SealedClient, send } from '../support/sealed-client.ts';
import { stage } from '../support/stage.ts';

const suite = nodeSuite();

test('a pairing sent again gives other secrets, which only its first sender could compute', async () => {
  const { port, seen } = await stage();
  const discovered = await send(port, '/api/mte-relay', { method: 'GET' });
  const { publicKey } = JSON.parse(Buffer.from(discovered.body).toString()) as { publicKey: string };
  const attempt = await startPairing(suite, new Uint8Array(Buffer.from(publicKey, 'base64')), {
    authority: `127.0.0.1:${port}`,
    flags: 0,
  });
  const pair = () =>
    send(port, '/api/mte-pair', { headers: { 'content-type': CONTENT_TYPE_PAIRING }, body: attempt.message });
  const [reply, replayed] = [await pair(), await pair()];
  expect([reply.status, replayed.status]).toEqual([200, 200]);
  expect(Buffer.from(replayed.body).equals(Buffer.from(reply.body))).toBe(false);

  const { parameters, secrets } = await attempt.finish(reply.body);
  const keys = {
    sid: parameters.sid,
    requestSecret: suite.importExpandKey(secrets.request),
    responseSecret: suite.importExpandKey(secrets.response),
  };
  const client = new SealedClient(port, keys, parameters);
  expect((await client.fetch({ path: '/mine' })).head.status).toBe(200);
  // The one answer is the only one that this attempt takes, whatever else arrives.
  await expect(attempt.finish(replayed.body)).rejects.toMatchObject({ code: 'misuse' });
  expect(seen.map(({ url }) => url)).toEqual(['/mine']);
});
