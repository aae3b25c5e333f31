// A relay on another program's server, which it does not close: what that server let in is finished all the same.
import { relayTo } from '@mte-relay/testing/relay';
import { SealedClient } from '@mte-relay/testing/sealed-client';
import { serve } from '@mte-relay/testing/servers';
import { stage } from '@mte-relay/testing/stage';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { expect, test } from 'vitest';

/** One exchange without a response of the upstream so far, and how to have it respond. */
async function inProgress(timeoutMs: string) {
  const finish: (() => void)[] = [];
  const { upstreamUrl } = await stage((_req, res) => finish.push(() => res.end('done')));
  const relay = relayTo(upstreamUrl, { SHUTDOWN_TIMEOUT_MS: timeoutMs });
  const { port } = endsWithTest(await serve((req, res) => relay.handler(req, res)));
  const client = await SealedClient.pair(port);
  const response = client.fetch({});
  response.catch(() => undefined);
  await expect.poll(() => finish.length).toBe(1);
  return { relay, response, finish: finish[0] as () => void };
}

test('close waits for the exchanges of another server', async () => {
  const { relay, response, finish } = await inProgress('60000');
  const closed = relay.close();
  expect(
    await Promise.race([closed.then(() => 'closed'), new Promise((resolve) => setTimeout(resolve, 300, 'open'))]),
  ).toBe('open');
  finish();
  expect((await response).text).toBe('done');
  await closed;
});

test('and breaks them off when SHUTDOWN_TIMEOUT_MS is over', async () => {
  const { relay, response } = await inProgress('200');
  await relay.close();
  expect((await response).header('mte-relay-failure')).toBe('upstream-failed');
});
