// Redirects that lead elsewhere: CVE-2022-31151, CVE-2023-45143, CVE-2024-24758, CVE-2024-30260.
import { expect, test } from 'vitest';
import { setUp } from './support/setup.ts';

test.each([
  ['another host', () => 'https://evil.example/'],
  ['another host, without a scheme', () => '//evil.example/'],
  ['another host, behind backslashes', () => '\\\\evil.example/'],
  ['another scheme of the same host', (url: string) => url.replace('http:', 'https:')],
  ['another port of the same host', (url: string) => url.replace(/:\d+$/, ':1')],
  ['the relay’s name as a user', (url: string) => `${url.replace(/:\d+$/, '')}@evil.example/`],
  ['the relay’s name as a beginning', (url: string) => `${url.replace(/:\d+$/, '')}.evil.example/`],
  ['no origin', () => 'data:text/plain,x'],
  ['an invalid URL', () => 'http://'],
])('credentials do not follow a redirect to %s', async (_what, locationOf) => {
  const { relay, client } = await setUp();
  relay.upstream = () => ({ status: 307, headers: [['location', locationOf(relay.url)]] });
  const headers = { authorization: 'Bearer secret', cookie: 'sid=secret', 'proxy-authorization': 'Basic secret' };
  const response = client.fetch('/a', { method: 'POST', body: 'secret', headers });
  await expect(response).rejects.toMatchObject({ code: 'redirect-refused', mayHaveRun: true });
  expect(relay.ran.map(({ path }) => path)).toEqual(['/a']);
});

test("a redirect is not followed in mode 'error', inside the relay neither", async () => {
  const { relay, client } = await setUp();
  relay.upstream = () => ({ status: 302, headers: [['location', '/b']] });
  await expect(client.fetch('/a', { redirect: 'error' })).rejects.toMatchObject({ code: 'redirect-refused' });
  expect(relay.ran.map(({ path }) => path)).toEqual(['/a']);
});
