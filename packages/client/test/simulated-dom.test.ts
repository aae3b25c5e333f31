// Globals that runners with a simulated DOM, such as vitest with jsdom, put in place of the platform's own.
import { runInNewContext } from 'node:vm';
import { afterEach, expect, test, vi } from 'vitest';
import { setUp } from './support/setup.ts';

afterEach(() => vi.unstubAllGlobals());

test('the platform’s fetch gives pieces of another realm than the global Uint8Array', async () => {
  const { relay, client } = await setUp();
  relay.upstream = ({ content }) => ({ status: 200, headers: [], content: `got ${content}` });
  vi.stubGlobal('Uint8Array', runInNewContext('Uint8Array'));
  const response = await client.fetch('/', { method: 'POST', body: 'text' });
  expect(await response.text()).toBe('got text');
});

test('a Request that copies the members of its init keeps method, fields and body', async () => {
  const { relay, client } = await setUp();
  vi.stubGlobal(
    'Request',
    class extends Request {
      constructor(input: string | URL | Request, init?: RequestInit) {
        super(input, init && { ...init });
      }
    },
  );
  await client.fetch('/', { method: 'PUT', headers: { 'x-a': '1' }, body: 'content' });
  expect(relay.ran).toMatchObject([{ method: 'PUT', content: Buffer.from('content') }]);
  expect(relay.ran[0]?.headers).toContainEqual(['x-a', '1']);
});
