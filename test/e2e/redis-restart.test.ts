// What a client may resend once Redis has restarted: with its data the store proves what cannot have run, without it
// nothing does (docs/operations.md, "What holds in which set-up").
import { RelayClientError } from '@mte-relay/client';
import { Backend } from '@mte-relay/testing/backend';
import { printed } from '@mte-relay/testing/processes';
import { PERSISTENCE, REDIS_SERVER, startRedis } from '@mte-relay/testing/redis';
import { startRelay } from '@mte-relay/testing/relay-process';
import { sdkClient } from '@mte-relay/testing/sdk-client';
import { SealedClient } from '@mte-relay/testing/sealed-client';
import { requiredSettings } from '@mte-relay/testing/settings';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { until } from '@mte-relay/testing/until';
import { describe, expect, test } from 'vitest';

interface Scene {
  readonly post: (path: string) => Promise<string>;
  readonly restart: () => Promise<void>;
  /** Paths that the upstream has seen. */
  readonly ran: () => readonly (string | undefined)[];
}

async function scene(...redisArguments: string[]): Promise<Scene> {
  const redis = endsWithTest(await startRedis(...redisArguments));
  const backend = endsWithTest(await new Backend((req, res) => res.end(req.url)).start());
  const relay = endsWithTest(await startRelay({ ...requiredSettings(backend.url), REDIS_URL: redis.url }));
  await printed(relay, /"ready":true/);
  const client = sdkClient(relay);
  return {
    post: async (path) => (await client.fetch(path, { method: 'POST', body: 'x' })).text(),
    async restart() {
      await redis.kill();
      await redis.start();
      await until(() => SealedClient.pair(relay.port).then(Boolean, () => false));
    },
    ran: () => backend.seen.map(({ url }) => url),
  };
}

describe.skipIf(REDIS_SERVER === undefined)('behind a restart of Redis (MTE_RELAY_REDIS_SERVER)', () => {
  test('with its data, a POST is sent in a new session, and ran once', async () => {
    const { post, restart, ran } = await scene(...PERSISTENCE);
    expect(await post('/before')).toBe('/before');
    await restart();
    expect(await post('/after')).toBe('/after');
    expect(ran()).toEqual(['/before', '/after']);
  });

  test('without its data, the first POST of a client fails with may-have-run, and the next one runs', async () => {
    const { post, restart, ran } = await scene();
    expect(await post('/before')).toBe('/before');
    await restart();
    const failure: unknown = await post('/after').catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(RelayClientError);
    expect((failure as RelayClientError).code).toBe('may-have-run');
    expect(await post('/again')).toBe('/again');
    expect(ran()).toEqual(['/before', '/again']);
  });
});
