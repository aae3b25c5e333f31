// The password of Redis is changed under a relay that serves: an ACL user has two for a while, pods follow one by one, and
// no call fails.
import { Backend } from '@mte-relay/testing/backend';
import { printed } from '@mte-relay/testing/processes';
import { REDIS_SERVER, startRedis } from '@mte-relay/testing/redis';
import { type RelayProcess, relayProcessTo } from '@mte-relay/testing/relay-process';
import { sdkClient } from '@mte-relay/testing/sdk-client';
import { urlOf } from '@mte-relay/testing/servers';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Balancer, startBalancer } from './support/balancer.ts';

const backend = new Backend();

beforeAll(() => backend.start());
afterAll(() => backend.stop());

test.skipIf(!REDIS_SERVER)('two passwords at once, then the new alone: every call gets its response', async () => {
  const redis = endsWithTest(await startRedis());
  await redis.command('ACL', 'SETUSER', 'relay', 'on', '>old-password', '~mte-relay:*', '+@all');
  const urlWith = (password: string): string => `redis://relay:${password}@127.0.0.1:${redis.port}`;
  const startPod = (password: string): Promise<RelayProcess> =>
    relayProcessTo(backend.url, { REDIS_URL: urlWith(password), DRAIN_DELAY_MS: '0' });
  const first = await startPod('old-password');
  await printed(first, /"ready":true/);
  let ports = [first.port];
  const balancer: Balancer = endsWithTest(await startBalancer(() => ports));
  const client = sdkClient({ url: urlOf(balancer.port), pin: first.pin });
  const call = async (): Promise<string> => {
    const response = await client.fetch('/orders', { method: 'POST', body: 'one' });
    return `${response.status} ${await response.text()}`;
  };

  expect(await call()).toBe('200 one');
  await redis.command('ACL', 'SETUSER', 'relay', '>new-password');
  const second = await startPod('new-password');
  await printed(second, /"ready":true/);
  ports = [first.port, second.port];
  for (let i = 0; i < 10; i += 1) expect(await call()).toBe('200 one'); // one session on both
  ports = [second.port];
  await first.stop();
  await redis.command('ACL', 'SETUSER', 'relay', '<old-password');
  for (let i = 0; i < 10; i += 1) expect(await call()).toBe('200 one');

  const late = await startPod('old-password');
  await printed(late, /"cause":"WRONGPASS[^"]*","msg":"Redis cannot be reached"/);
  expect(second.output()).not.toMatch(/"msg":"Redis was lost"/);
});
