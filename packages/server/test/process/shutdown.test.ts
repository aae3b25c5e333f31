import { Agent } from 'node:http';
import { join } from 'node:path';
import { readiness } from '@mte-relay/testing/readiness';
import { relayBefore, spawnRelay } from '@mte-relay/testing/relay-process';
import { SealedClient, send } from '@mte-relay/testing/sealed-client';
import { accepts } from '@mte-relay/testing/servers';
import { requiredSettings } from '@mte-relay/testing/settings';
import { temporaryFiles } from '@mte-relay/testing/temporary-files';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { expect, test } from 'vitest';

test('SIGTERM: not ready at once, serving on for DRAIN_DELAY_MS, then no new connections, then exit 0', async () => {
  const finish: (() => void)[] = [];
  const relay = await relayBefore((_req, res) => finish.push(() => res.end('done')), { DRAIN_DELAY_MS: '3000' });
  const client = await SealedClient.pair(relay.port);
  const inProgress = client.fetch({});
  await expect.poll(() => finish.length).toBe(1);
  const beganMs = performance.now();
  relay.child.kill('SIGTERM');
  await expect.poll(() => readiness(relay), { interval: 10 }).toBe(503);
  expect(performance.now() - beganMs).toBeLessThan(2_500); // well before the delay is over
  const late = client.fetch({ path: '/late' }); // a new connection, during the delay
  await expect.poll(() => finish.length).toBe(2);
  await expect.poll(() => accepts(relay.port), { timeout: 20_000 }).toBe(false);
  expect(performance.now() - beganMs).toBeGreaterThan(2_950);
  expect(relay.child.exitCode).toBeNull(); // two exchanges are still in progress
  for (const end of finish) end();
  expect([(await inProgress).text, (await late).text]).toEqual(['done', 'done']);
  expect(await relay.exited).toEqual({ code: 0, signal: null });
});

test('an idle kept-alive connection does not delay the end, and is not closed before', async () => {
  const relay = await relayBefore((_req, res) => res.end(), {
    DRAIN_DELAY_MS: '500',
    SHUTDOWN_TIMEOUT_MS: '60000',
  });
  const agent = new Agent({ keepAlive: true });
  await send(relay.port, '/api/mte-relay', { method: 'GET', agent });
  relay.child.kill('SIGTERM');
  await expect.poll(() => readiness(relay), { interval: 10 }).toBe(503);
  // The connection serves during the delay, and its response announces the close.
  const last = await send(relay.port, '/api/mte-relay', { method: 'GET', agent });
  expect([last.status, last.headers.connection]).toEqual([200, 'close']);
  await send(relay.port, '/api/mte-relay', { method: 'GET', agent }).catch(() => {});
  expect(await relay.exited).toEqual({ code: 0, signal: null });
  agent.destroy();
});

test('the relay cuts off a response that is not complete by SHUTDOWN_TIMEOUT_MS, and never ends it as if it were', async () => {
  const relay = await relayBefore(
    (_req, res) => {
      res.write('begun');
    },
    { DRAIN_DELAY_MS: '0', SHUTDOWN_TIMEOUT_MS: '300' },
  );
  const client = await SealedClient.pair(relay.port);
  const stream = client.fetch({});
  stream.catch(() => {});
  await expect.poll(() => relay.seen.length).toBe(1);
  relay.child.kill('SIGTERM');
  await expect(stream).rejects.toThrow();
  expect(await relay.exited).toEqual({ code: 0, signal: null });
});

test.each([
  ['SIGTERM', 143],
  ['SIGINT', 130],
] as const)('a second signal, %s, ends at once', async (signal, code) => {
  const relay = await relayBefore(() => {}, { DRAIN_DELAY_MS: '60000' });
  relay.child.kill('SIGTERM');
  await expect.poll(() => readiness(relay), { interval: 10 }).toBe(503);
  const beganMs = performance.now();
  relay.child.kill(signal);
  expect(await relay.exited).toEqual({ code, signal: null });
  expect(performance.now() - beganMs).toBeLessThan(30_000); // of the 60 s that a first signal would wait
});

test.each([
  [
    'an exception',
    "setTimeout(() => { throw Object.assign(new Error('marker-8f2c\\n    at marker-8f2c (/x:1:1)'), { code: 'EWHY' }) }, 200)",
  ],
  [
    'a rejection',
    "setTimeout(() => Promise.reject(Object.assign(new TypeError('marker-8f2c'), { code: 'EWHY' })), 200)",
  ],
])('%s that nobody catches is logged at panic, without its message, and ends the process', async (_what, statement) => {
  const folder = temporaryFiles({ 'startup.mjs': `export default () => { ${statement}; };\n` });
  const relay = await relayBefore(() => {}, { STARTUP_MODULE: join(folder, 'startup.mjs') });
  expect(await relay.exited).toEqual({ code: 1, signal: null });
  const panic = relay.lines().find(({ level }) => level === 'panic');
  expect(panic).toMatchObject({
    msg: 'uncaught fault: the relay ends',
    fault: { code: 'EWHY', at: expect.arrayContaining([expect.stringContaining('startup.mjs')]) },
  });
  expect(relay.output()).not.toContain('marker-8f2c');
});

test('a port that is taken ends the start with a sentence that names it', async () => {
  const first = await relayBefore(() => {});
  const settings = { ...requiredSettings('http://127.0.0.1:9'), PORT: String(first.port), ADMIN_PORT: '0' };
  const second = endsWithTest(spawnRelay(settings));
  expect(await second.exited).toEqual({ code: 1, signal: null });
  expect(second.output()).toContain(`cannot listen on PORT ${first.port}: EADDRINUSE`);
});
