// Options that cannot be kept inside the seal are refused by name, before anything is sent; see docs/fetch.md.
import { expect, test } from 'vitest';
import { REFUSED_OPTIONS } from '../src/call/request.ts';
import { setUp } from './support/setup.ts';

test.each(REFUSED_OPTIONS)('%s is refused by name when it is given, and not when it is empty', async (name) => {
  const { relay, client } = await setUp();
  await expect(client.fetch('/', { [name]: {} } as RequestInit)).rejects.toMatchObject({
    code: 'option-unsupported',
    message: expect.stringContaining(name),
    mayHaveRun: false,
  });
  expect(relay.outer).toEqual([]);
  expect((await client.fetch('/', { [name]: undefined } as RequestInit)).status).toBe(200);
});

test('members that no fetch knows are ignored, as fetch ignores them', async () => {
  const { client } = await setUp();
  expect((await client.fetch('/', { retry: 3, baseURL: 'x' } as RequestInit)).status).toBe(200);
});
