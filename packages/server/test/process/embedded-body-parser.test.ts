// A relay behind a body parser of another program's server: the content does not come again, and no request waits for it.
import { relayTo } from '@mte-relay/testing/relay';
import { SealedClient, send } from '@mte-relay/testing/sealed-client';
import { serve } from '@mte-relay/testing/servers';
import { stage } from '@mte-relay/testing/stage';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { expect, test } from 'vitest';

test('content that was read before the relay is a failure at once, sealed or not, and nothing runs', async () => {
  const { upstreamUrl, port: direct, seen } = await stage();
  const relay = endsWithTest(relayTo(upstreamUrl, { PASS_THROUGH_ROUTES: '/pub/*' }));
  const { port } = endsWithTest(
    await serve(async (req, res) => {
      for await (const piece of req) void piece;
      relay.handler(req, res);
    }),
  );
  const client = await SealedClient.pair(direct);
  const { message } = await client.seal(new Uint8Array(10));
  const sealed = { headers: { 'content-type': 'application/mte-relay' }, body: message };
  expect(await send(port, '/api/mte', sealed)).toMatchObject({ status: 500, code: 'internal' });
  expect(await send(port, '/pub/x', { body: message })).toMatchObject({ status: 500, code: 'internal' });
  expect(await send(port, '/pub/x', { method: 'GET' })).toMatchObject({ status: 200 });
  expect(seen.map(({ method }) => method)).toEqual(['GET']);
  expect(await relay.metrics()).toMatch(/in_flight\{kind="exchange"\} 0$/m);
});
