// The second argument of fetch: any object with the members of RequestInit, a Request among them (Web IDL
// §3.2.17, dictionaries).
import { expect, test } from 'vitest';
import { setUp } from './support/setup.ts';

test('a Request as init gives its method, fields and body, as in the platform’s fetch', async () => {
  const { relay, client } = await setUp();
  const given = (): Request => new Request(relay.url, { method: 'PUT', headers: { 'x-a': '1' }, body: 'content' });
  const platform = new Request(`${relay.url}/b`, given());
  expect([platform.method, platform.headers.get('x-a'), await platform.text()]).toEqual(['PUT', '1', 'content']);
  await client.fetch('/b', given());
  expect(relay.ran).toMatchObject([{ method: 'PUT', path: '/b', content: Buffer.from('content') }]);
  expect(relay.ran[0]?.headers).toContainEqual(['x-a', '1']);
});

test('members of a class, and a frozen object with a signal', async () => {
  const { relay, client } = await setUp();
  class Options {
    get method(): string {
      return 'POST';
    }
    get body(): string {
      return 'of a class';
    }
  }
  await client.fetch('/', new Options());
  await client.fetch('/', Object.freeze({ method: 'PATCH', signal: new AbortController().signal }));
  expect(relay.ran.map(({ method, content }) => [method, `${content}`])).toEqual([
    ['POST', 'of a class'],
    ['PATCH', ''],
  ]);
});

test('the signal of a Request as init ends the call', async () => {
  const { client } = await setUp();
  const controller = new AbortController();
  controller.abort(new Error('the caller’s'));
  await expect(client.fetch('/', new Request('http://a', { signal: controller.signal }))).rejects.toThrow(
    'the caller’s',
  );
});
