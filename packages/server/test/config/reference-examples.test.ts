// The minimal and the full example of the reference document start as they are written there: read by a shell, run by
// the command. Only addresses are overridden at the end: ports, which a test must be free to choose, and that of Redis.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { freePort, REDIS_SERVER, startRedis } from '../support/redis.ts';
import { SealedClient, send } from '../support/sealed-client.ts';

const COMMAND = join(import.meta.dirname, '../../bin/mte-relay-server.js');
const READY_MS = 20_000;

const MINIMAL = `
UPSTREAM='https://api.my-company.com'
CLIENT_ID_SECRET='2DkV4DDabehO8cifDktdF9elKJL0CKrk'
CORS_ORIGINS='https://www.my-company.com,https://dashboard.my-company.com'
`;
const FULL = `
UPSTREAM='https://api.my-company.com'
CLIENT_ID_SECRET='2DkV4DDabehO8cifDktdF9elKJL0CKrk'
CORS_ORIGINS='https://www.my-company.com,https://dashboard.my-company.com'
REDIS_URL='redis://10.0.1.230:6379'
PORT=3000
LOG_LEVEL=info
PASS_THROUGH_ROUTES='/health,/version'
MTE_ROUTES='/api/v1/*,/api/v2/*'
CORS_METHODS='GET,POST,DELETE'
HEADERS='{"x-service-name":"mte-relay"}'
`;

/** Starts the command from a shell that has read the variables; gives what it logs of its listening, and an ear. */
async function started(variables: string, redisUrl = ''): Promise<{ port: number; output: () => string }> {
  const port = await freePort();
  const script = `set -eu; set -a\n${variables}\n${redisUrl}\nPORT=${port}\nADMIN_PORT=0\nexec "$NODE" "$COMMAND" start`;
  const child = spawn('sh', ['-c', script], {
    env: { PATH: process.env['PATH'], NODE: process.execPath, COMMAND },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (text: Buffer) => {
      output += text.toString();
    });
  }
  onTestFinished(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  const deadlineMs = performance.now() + READY_MS;
  while (!output.includes('relay is listening')) {
    if (child.exitCode !== null || performance.now() > deadlineMs) throw new Error(`it did not start:\n${output}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return { port, output: () => output };
}

test('the minimal example starts and serves discovery and the echo route', async () => {
  const { port } = await started(MINIMAL);
  const discovery = await send(port, '/api/mte-relay', { method: 'GET' });
  expect(discovery.status).toBe(200);
  const echo = await send(port, '/api/mte-echo?msg=test', { method: 'GET' });
  const { echo: said, time } = JSON.parse(Buffer.from(echo.body).toString()) as { echo: string; time: string };
  expect(said).toBe('test');
  expect(Math.abs(Date.parse(time) - Date.now())).toBeLessThan(60_000);
  const origin = 'https://dashboard.my-company.com';
  const page = await send(port, '/api/mte-relay', { method: 'GET', headers: { origin } });
  expect(page.headers['access-control-allow-origin']).toBe(origin);
});

test('the full example starts, also while its Redis cannot be reached, and its rules hold', async () => {
  const { port, output } = await started(FULL, `REDIS_URL=redis://127.0.0.1:${await freePort()}`);
  expect(output()).not.toContain('warning: ');
  const discovery = await send(port, '/api/mte-relay', { method: 'GET' });
  expect([discovery.status, discovery.headers['x-service-name']]).toEqual([200, 'mte-relay']);
  const origin = 'https://www.my-company.com';
  const preflight = await send(port, '/version', {
    method: 'OPTIONS',
    headers: { origin, 'access-control-request-method': 'DELETE' },
  });
  const methods = String(preflight.headers['access-control-allow-methods']).split(', ');
  expect(methods).toEqual(expect.arrayContaining(['GET', 'POST', 'DELETE']));
  expect(methods).not.toContain('PUT');
  expect((await send(port, '/not-listed', { method: 'GET' })).status).toBe(404);
});

test.skipIf(REDIS_SERVER === undefined)('the full example pairs through its Redis', async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.remove());
  const { port } = await started(FULL, `REDIS_URL=${redis.url}`);
  const client = await SealedClient.pair(port);
  const refused = await client.fetch({ path: '/not-listed' });
  expect([refused.head.status, refused.header('mte-relay-failure')]).toEqual([404, 'route-refused']);
  expect(refused.header('x-service-name')).toBe('mte-relay');
});
