// Redirects inside the seal (Fetch §4.4).
import { never } from '@mte-relay/testing/pieces';
import { field } from '@mte-relay/testing/test-relay';
import { expect, test } from 'vitest';
import { setUp } from './support/setup.ts';

test.each([
  [301, 'POST', 'GET', ''],
  [302, 'POST', 'GET', ''],
  [303, 'PUT', 'GET', ''],
  [303, 'HEAD', 'HEAD', ''],
  [301, 'PUT', 'PUT', 'x'],
  [307, 'POST', 'POST', 'x'],
  [308, 'PATCH', 'PATCH', 'x'],
])('%d after %s is followed with %s', async (status, method, expected, content) => {
  const { relay, client } = await setUp();
  relay.upstream = ({ path }) => (path === '/a' ? { status, headers: [['location', '/b?c']] } : { content: 'there' });
  const body = method === 'HEAD' ? null : 'x';
  const response = await client.fetch('/a', { method, body, headers: { 'x-kept': '1' } });
  expect(response.redirected).toBe(true);
  expect(response.url).toBe(`${relay.url}/b?c`);
  const second = relay.ran[1];
  expect(second).toMatchObject({ method: expected, path: '/b?c' });
  expect(second?.content.toString()).toBe(content);
  expect(field(second, 'content-type')).toBe(content ? 'text/plain;charset=UTF-8' : undefined);
  expect(field(second, 'x-kept')).toBe('1');
});

test('another origin is refused and asked for nothing', async () => {
  const { relay, client } = await setUp();
  relay.upstream = () => ({ status: 302, headers: [['location', 'https://example.com/']] });
  await expect(client.fetch('/')).rejects.toMatchObject({ code: 'redirect-refused' });
  expect(relay.ran.length).toBe(1);
});

test('a loop ends after 20', async () => {
  const { relay, client } = await setUp();
  relay.upstream = () => ({ status: 302, headers: [['location', '/']] });
  await expect(client.fetch('/')).rejects.toMatchObject({ code: 'redirect-refused' });
  expect(relay.ran.length).toBe(21);
});

test("'manual' hands the redirect out, 'error' fails", async () => {
  const { relay, client } = await setUp();
  relay.upstream = () => ({ status: 302, headers: [['location', '/b']], content: 'moved' });
  const response = await client.fetch('/', { redirect: 'manual' });
  expect(response.status).toBe(302);
  expect(response.headers.get('location')).toBe('/b');
  expect(await response.text()).toBe('moved');
  await expect(client.fetch('/', { redirect: 'error' })).rejects.toMatchObject({ code: 'redirect-refused' });
});

test('the client cannot resend a stream to the new location', async () => {
  const { relay, client } = await setUp();
  relay.upstream = () => ({ status: 307, headers: [['location', '/b']] });
  const body = new Blob(['x']).stream();
  await expect(client.fetch('/', { method: 'POST', body, duplex: 'half' })).rejects.toMatchObject({
    code: 'redirect-refused',
  });
});

test('credentials in Location are refused', async () => {
  const { relay, client } = await setUp();
  const location = `${relay.url.replace('//', '//user:secret@')}/b`;
  relay.upstream = () => ({ status: 302, headers: [['location', location]] });
  const error = await client.fetch('/').catch((caught: Error) => caught);
  expect(error).toMatchObject({ code: 'redirect-refused', message: expect.not.stringContaining('secret') });
  expect(relay.ran.length).toBe(1);
});

test('an empty query is sent as such, at first and behind a redirect', async () => {
  const { relay, client } = await setUp();
  relay.upstream = ({ path }) => (path === '/a?' ? { status: 302, headers: [['location', '/b?#c']] } : {});
  expect((await client.fetch('/a?')).url).toBe(`${relay.url}/b?`);
  expect(relay.ran.map(({ path }) => path)).toEqual(['/a?', '/b?']);
});

test('a hop that never left this machine, behind one that has run, does not report that nothing ran', async () => {
  const { relay, client } = await setUp({
    fetch: async (input, init) => {
      if (relay.ran.length === 0) return await fetch(input, init);
      throw new TypeError('fetch failed', {
        cause: Object.assign(new Error('refused'), { code: 'ECONNREFUSED', syscall: 'connect' }),
      });
    },
  });
  relay.upstream = () => ({ status: 303, headers: [['location', '/b']] });
  const error = await client.fetch('/a', { method: 'POST' }).catch((caught: unknown) => caught);
  expect(error).toMatchObject({ code: 'unreachable', mayHaveRun: true });
});

test('a client that is closed between two hops reports the same', async () => {
  const { relay, client } = await setUp();
  relay.upstream = () => {
    client.close();
    return { status: 303, headers: [['location', '/b']] };
  };
  const error = await client.fetch('/a', { method: 'POST' }).catch((caught: unknown) => caught);
  expect(error).toMatchObject({ code: 'closed', mayHaveRun: true });
  expect(relay.ran.length).toBe(1);
});

test.each(['nothing more', 'a drop now and then'])(
  'a redirect whose body goes on for ever with %s is followed',
  async (how) => {
    const { relay, client } = await setUp();
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) {
        yield new Uint8Array(1);
        await (how === 'nothing more' ? never() : new Promise((resolve) => setTimeout(resolve, 20)));
      }
    }
    relay.upstream = ({ path }) =>
      path === '/a' ? { status: 302, headers: [['location', '/b']], content: endless() } : { content: 'there' };
    const response = await client.fetch('/a');
    expect(await response.text()).toBe('there');
    await expect.poll(() => relay.closedEarly).toBe(1);
  },
);
