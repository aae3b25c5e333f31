// The minimal and the full example of the reference document start as they are written there: read by a shell, run by
// the command. Only addresses are overridden at the end: ports, which a test must be free to choose, and that of Redis.
import { join } from 'node:path';
import { freePort } from '@mte-relay/testing/free-port';
import { printed, startProgram } from '@mte-relay/testing/processes';
import { REDIS_SERVER, startRedis } from '@mte-relay/testing/redis';
import { SealedClient, send } from '@mte-relay/testing/sealed-client';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { expect, test } from 'vitest';

const COMMAND = join(import.meta.dirname, '../../bin/mte-relay-server.js');

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
  const relay = endsWithTest(startProgram('sh', ['-c', script], { NODE: process.execPath, COMMAND }));
  await printed(relay, /relay is listening/);
  return { port, output: relay.output };
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
  const redis = endsWithTest(await startRedis());
  const { port } = await started(FULL, `REDIS_URL=${redis.url}`);
  const client = await SealedClient.pair(port);
  const refused = await client.fetch({ path: '/not-listed' });
  expect([refused.head.status, refused.header('mte-relay-failure')]).toEqual([404, 'route-refused']);
  expect(refused.header('x-service-name')).toBe('mte-relay');
});
