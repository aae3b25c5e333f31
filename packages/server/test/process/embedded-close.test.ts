// A relay on another program's server, which it does not close: what that server let in is finished all the same.
import { createServer } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { createRelay } from '../../src/index.ts';
import { SealedClient } from '../support/sealed-client.ts';
import { listenOn, stage, TEST_ORIGIN, TEST_SECRET } from '../support/stage.ts';

/** One exchange that the upstream has not answered, and how to have it answered. */
async function underWay(timeoutMs: string) {
  const finish: (() => void)[] = [];
  const { upstreamPort } = await stage((_req, res) => finish.push(() => res.end('done')));
  const relay = createRelay({
    environment: {
      UPSTREAM: `http://127.0.0.1:${upstreamPort}`,
      CORS_ORIGINS: TEST_ORIGIN,
      CLIENT_ID_SECRET: TEST_SECRET,
      LOG_LEVEL: 'off',
      SHUTDOWN_TIMEOUT_MS: timeoutMs,
    },
  });
  const server = createServer((req, res) => relay.handler(req, res));
  const client = await SealedClient.pair(await listenOn(server));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const answer = client.fetch({});
  answer.catch(() => undefined);
  await expect.poll(() => finish.length).toBe(1);
  return { relay, answer, finish: finish[0] as () => void };
}

test('close waits for the exchanges of another server', async () => {
  const { relay, answer, finish } = await underWay('60000');
  const closed = relay.close();
  expect(
    await Promise.race([closed.then(() => 'closed'), new Promise((resolve) => setTimeout(resolve, 300, 'open'))]),
  ).toBe('open');
  finish();
  expect((await answer).text).toBe('done');
  await closed;
});

test('and breaks them off when SHUTDOWN_TIMEOUT_MS is over', async () => {
  const { relay, answer } = await underWay('200');
  await relay.close();
  expect((await answer).header('mte-relay-failure')).toBe('upstream-failed');
});
