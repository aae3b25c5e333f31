// The password of Redis is changed under a relay that serves: an ACL user has two for a while, pods follow one by one, and
// no call fails.
import { createRelayClient } from '@mte-relay/client';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { Backend, startRelay } from '../../packages/cli/test/support/egress.ts';
import { printed } from '../../scripts/test/programs/process.ts';
import { REDIS_SERVER, startRedis } from '../../scripts/test/programs/redis.ts';
import { type Balancer, startBalancer } from './support/balancer.ts';

const backend = new Backend();

beforeAll(() => backend.start());
afterAll(() => backend.stop());

test.skipIf(!REDIS_SERVER)('two passwords at once, then the new alone: every call is answered', async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.remove());
  await redis.command('ACL', 'SETUSER', 'relay', 'on', '>old-password', '~mte-relay:*', '+@all');
  const urlWith = (password: string): string => `redis://relay:${password}@127.0.0.1:${redis.port}`;
  const startPod = async (password: string) => {
    const pod = await startRelay(backend.url, 0, { REDIS_URL: urlWith(password), DRAIN_DELAY_MS: '0' });
    onTestFinished(() => pod.process.stop('SIGKILL'));
    return pod;
  };
  const first = await startPod('old-password');
  await printed(first.process, /"ready":true/);
  let ports = [first.port];
  const balancer: Balancer = await startBalancer(() => ports);
  onTestFinished(() => balancer.close());
  const client = createRelayClient(`http://127.0.0.1:${balancer.port}`, { pins: [first.pin] });
  onTestFinished(() => client.close());
  const call = async (): Promise<string> => {
    const response = await client.fetch('/orders', { method: 'POST', body: 'one' });
    return `${response.status} ${await response.text()}`;
  };

  expect(await call()).toBe('200 one');
  await redis.command('ACL', 'SETUSER', 'relay', '>new-password');
  const second = await startPod('new-password');
  await printed(second.process, /"ready":true/);
  ports = [first.port, second.port];
  for (let i = 0; i < 10; i += 1) expect(await call()).toBe('200 one'); // one session on both
  ports = [second.port];
  await first.process.stop();
  await redis.command('ACL', 'SETUSER', 'relay', '<old-password');
  for (let i = 0; i < 10; i += 1) expect(await call()).toBe('200 one');

  const late = await startPod('old-password');
  await printed(late.process, /"cause":"WRONGPASS[^"]*","msg":"Redis cannot be reached"/);
  expect(second.process.output()).not.toMatch(/"msg":"Redis was lost"/);
});
