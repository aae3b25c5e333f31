import type { RelayHooks } from '@mte-relay/server';
import { SealedClient } from '@mte-relay/testing/sealed-client';
import { type Stage, stage } from '@mte-relay/testing/stage';
import { expect, test } from 'vitest';

async function hooked(hooks: RelayHooks): Promise<{ client: SealedClient; seen: Stage['seen'] }> {
  const { port, seen } = await stage(undefined, { hooks });
  return { client: await SealedClient.pair(port), seen };
}

test('onRequest sees the opened request and may set fields of it', async () => {
  const asked: unknown[] = [];
  const { client, seen } = await hooked({
    onRequest(request) {
      asked.push([request.domain, request.method, request.target, request.header('X-App')]);
      request.setHeader('x-app', 'changed');
      return undefined;
    },
  });
  await client.fetch({ method: 'PUT', path: '/%61?q=1', headers: [['x-app', 'yes']], body: 'x' });
  expect(asked).toEqual([['*', 'PUT', '/a?q=1', 'yes']]);
  expect(seen[0]?.headers['x-app']).toBe('changed');
});

test.each([
  ['at once', (refusal: object) => refusal],
  ['later', (refusal: object) => new Promise((resolve) => setTimeout(resolve, 20, refusal))],
])('a refusal that is given %s travels inside the seal, and the relay forwards nothing', async (_when, give) => {
  const { client, seen } = await hooked({
    onRequest: () => give({ status: 403, headers: { 'X-Why': 'not you' }, body: 'no' }) as never,
  });
  const response = await client.fetch({ method: 'POST', body: 'x'.repeat(1000) });
  expect(response.outer.status).toBe(200);
  expect(response.head.status).toBe(403);
  expect(response.header('x-why')).toBe('not you');
  expect(response.text).toBe('no');
  expect(seen).toHaveLength(0);
});

test.each([
  [
    'throws',
    () => {
      throw new Error('boom');
    },
  ],
  ['rejects', () => Promise.reject(new Error('boom'))],
  [
    'sets an invalid field',
    (request: { setHeader(name: string, value: string): void }) => request.setHeader('a', 'b\r\nc: d'),
  ],
  ['refuses with an invalid field', () => ({ status: 403, headers: { 'x y': '1' } })],
  ['refuses later with an invalid field', async () => ({ status: 403, headers: { 'x-a': 'b\nc' } })],
  ['refuses with an invalid status', () => ({ status: 99 })],
  ['refuses with a status that cannot be sealed', () => ({ status: 700 })],
])('a hook that %s lets nothing through', async (_how, onRequest) => {
  const { client, seen } = await hooked({ onRequest: onRequest as never });
  expect((await client.fetch({})).head.status).toBe(500);
  expect(seen).toHaveLength(0);
});

test('a promise of a library’s own kind is waited for', async () => {
  const { client, seen } = await hooked({
    // biome-ignore lint/suspicious/noThenProperty: what is tested is such an object
    onRequest: () => ({ then: (done: (refusal: object) => void) => setTimeout(done, 20, { status: 403 }) }) as never,
  });
  expect((await client.fetch({})).head.status).toBe(403);
  expect(seen).toHaveLength(0);
});

test('onResponse may set fields of the response; one that throws changes nothing', async () => {
  let calls = 0;
  const { client } = await hooked({
    onResponse(response) {
      calls += 1;
      if (response.request.target === '/throw') throw new Error('boom');
      response.setHeader('content-type', 'text/changed');
    },
  });
  expect((await client.fetch({})).header('content-type')).toBe('text/changed');
  expect((await client.fetch({ path: '/throw' })).header('content-type')).toBe('application/json');
  expect(calls).toBe(2);
});
