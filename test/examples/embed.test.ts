// The examples under examples/embed, run as they are.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createRelayClient } from '@mte-relay/client';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { printed, startScript } from '../../scripts/test/programs/process.ts';

const JWT_SECRET = 'a-secret-that-only-this-test-knows';

let upstream: Server;
const seen: { url: string; user: string | undefined }[] = [];

beforeAll(async () => {
  upstream = createServer((req, res) => {
    seen.push({ url: req.url ?? '', user: req.headers['x-user'] as string | undefined });
    req.resume();
    res.end(`upstream ${req.method} ${req.url}`);
  });
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
});

afterAll(() => {
  upstream.closeAllConnections();
  upstream.close();
});

async function run(example: string): Promise<{ origin: string; pin: string }> {
  const running = startScript(`examples/embed/${example}.js`, [], {
    UPSTREAM: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`,
    CORS_ORIGINS: 'https://app.example',
    CLIENT_ID_SECRET: '2DkV4DDabehO8cifDktdF9elKJL0CKrk',
    PASS_THROUGH_ROUTES: '/health',
    LOG_LEVEL: 'error',
    PORT: '0',
    JWT_SECRET,
  });
  onTestFinished(() => running.stop());
  const [, port, pin] = await printed(running, /^ready (\d+) (sha256-\S+)$/m);
  return { origin: `http://127.0.0.1:${port}`, pin: pin as string };
}

test.each(['node', 'express', 'fastify'])(
  'the relay works inside a %s server, beside its own pages',
  async (example) => {
    const { origin, pin } = await run(example);
    expect(await (await fetch(`${origin}/`)).text()).toBe('my own page\n');
    expect(await (await fetch(`${origin}/health`)).text()).toBe('upstream GET /health');
    const client = createRelayClient(origin, { pins: [pin] });
    onTestFinished(() => client.close());
    expect(await (await client.fetch('/sealed', { method: 'POST', body: 'x' })).text()).toBe('upstream POST /sealed');
    const large = new Uint8Array(300_000);
    expect(await (await client.fetch('/large', { method: 'PUT', body: large })).text()).toBe('upstream PUT /large');
  },
);

test('a hook that checks a JWT refuses inside the seal, and annotates what it lets through', async () => {
  const { origin, pin } = await run('jwt');
  const client = createRelayClient(origin, { pins: [pin] });
  onTestFinished(() => client.close());
  const token = await new SignJWT({ sub: 'user-7' })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime('1m')
    .sign(new TextEncoder().encode(JWT_SECRET));
  const before = seen.length;
  for (const authorization of [undefined, 'Bearer x', `Bearer ${token}x`]) {
    const refused = await client.fetch('/me', {
      method: 'POST',
      body: 'x',
      headers: { ...(authorization && { authorization }) },
    });
    expect(refused.status).toBe(401);
    expect(refused.headers.get('www-authenticate')).toBe('Bearer');
  }
  expect(seen).toHaveLength(before);
  const admitted = await client.fetch('/me', {
    headers: { authorization: `Bearer ${token}`, 'x-user': 'somebody-else' },
  });
  expect(admitted.status).toBe(200);
  expect(admitted.headers.get('x-checked-by')).toBe('relay');
  expect(seen.at(-1)).toEqual({ url: '/me', user: 'user-7' });
});
