// The examples under examples/embed, run as they are.
import { printed, startScript } from '@mte-relay/testing/processes';
import { sdkClient } from '@mte-relay/testing/sdk-client';
import { type Served, serve, urlOf } from '@mte-relay/testing/servers';
import { requiredSettings } from '@mte-relay/testing/settings';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';

const JWT_SECRET = 'a-secret-that-only-this-test-knows';

let upstream: Served;
const seen: { url: string; user: string | undefined }[] = [];

beforeAll(async () => {
  upstream = await serve((req, res) => {
    seen.push({ url: req.url ?? '', user: req.headers['x-user'] as string | undefined });
    req.resume();
    res.end(`upstream ${req.method} ${req.url}`);
  });
});

afterAll(() => upstream.close());

async function run(example: string): Promise<{ url: string; pin: string }> {
  const running = endsWithTest(
    startScript(`examples/embed/${example}.js`, [], {
      ...requiredSettings(upstream.url),
      PASS_THROUGH_ROUTES: '/health',
      LOG_LEVEL: 'error',
      PORT: '0',
      JWT_SECRET,
    }),
  );
  const [, port, pin] = await printed(running, /^ready (\d+) (sha256-\S+)$/m);
  return { url: urlOf(Number(port)), pin: pin as string };
}

test.each(['node', 'express', 'fastify'])(
  'the relay works inside a %s server, beside its own pages',
  async (example) => {
    const relay = await run(example);
    expect(await (await fetch(`${relay.url}/`)).text()).toBe('my own page\n');
    expect(await (await fetch(`${relay.url}/health`)).text()).toBe('upstream GET /health');
    const client = sdkClient(relay);
    expect(await (await client.fetch('/sealed', { method: 'POST', body: 'x' })).text()).toBe('upstream POST /sealed');
    const large = new Uint8Array(300_000);
    expect(await (await client.fetch('/large', { method: 'PUT', body: large })).text()).toBe('upstream PUT /large');
  },
);

test('a hook that checks a JWT refuses inside the seal, and annotates what it lets through', async () => {
  const client = sdkClient(await run('jwt'));
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
