// The calls of the reference's client packages, as their apps write them, against the real relay: same names, same
// options, everything sealed.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import {
  initMteRelayClient,
  type MteRelayClientOptions,
  mteFetch,
  type RelayClientError,
} from '@mte-relay/client/compat';
import { sdkClient } from '@mte-relay/testing/sdk-client';
import { stage } from '@mte-relay/testing/stage';
import { beforeEach, expect, test, vi } from 'vitest';

const warnings = vi.spyOn(console, 'warn').mockImplementation(() => undefined);

beforeEach(() => warnings.mockClear());

/** Outer requests of this process, with what they carried. */
function watchedFetch(): { fetch: typeof fetch; sent: { url: string; body: string }[] } {
  const sent: { url: string; body: string }[] = [];
  return {
    sent,
    fetch: async (input, init) => {
      const body = init?.body instanceof Uint8Array ? Buffer.from(init.body).toString('latin1') : `${init?.body ?? ''}`;
      sent.push({ url: `${input}`, body });
      return await fetch(input, init);
    },
  };
}

const bodyOf = async (response: Response): Promise<{ method: string; url: string; body: string }> =>
  await response.json();

test('the quick start of the reference, with pins added', async () => {
  const on = await stage();
  await initMteRelayClient({
    licenseCompany: 'COMPANY_NAME_HERE',
    licenseKey: 'LICENSE_KEY_HERE',
    pins: [on.pin],
  });
  const response = await mteFetch(`${on.url}/api/login`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ email: 'someone@example.com', password: 'P@ssw0rd!' }),
  });
  expect(await bodyOf(response)).toEqual({
    method: 'POST',
    url: '/api/login',
    body: '{"email":"someone@example.com","password":"P@ssw0rd!"}',
  });
});

test('every option that has nothing to do is accepted, and named in one notice without its value', async () => {
  const on = await stage();
  const { fetch, sent } = watchedFetch();
  await initMteRelayClient({
    licenseCompany: 'COMPANY_NAME_HERE',
    licenseKey: 'LICENSE_KEY_HERE',
    numberOfPairs: 5,
    mtePoolSize: 2,
    mkePoolSize: 5,
    encodeType: 'MKE',
    defaultEncodeType: 'MTE',
    encodeUrls: true,
    encodeHeaders: true,
    pathPrefix: '',
    storage: new Map(),
    fetch: fetch,
    pins: { [on.url]: [on.pin] },
  });
  expect(warnings).toHaveBeenCalledTimes(1);
  const [notice] = warnings.mock.calls[0] as [string];
  for (const name of [
    'licenseKey',
    'licenseCompany',
    'numberOfPairs',
    'mtePoolSize',
    'mkePoolSize',
    'encodeType',
    'storage',
  ])
    expect(notice).toContain(name);
  expect(notice).not.toContain('LICENSE_KEY_HERE');
  const request = new Request(`${on.url}/api/admin/new-user`, {
    method: 'POST',
    headers: { authorization: 'bearer 123456' },
    body: 'a secret body',
  });
  const response = await mteFetch(request, undefined, {
    encodeType: 'MTE',
    encodeHeaders: ['authorization'],
    encodeUrl: true,
    pathPrefix: '',
    useStreaming: false,
  });
  expect(await bodyOf(response)).toMatchObject({ method: 'POST', body: 'a secret body' });
  expect(on.seen.at(-1)?.headers.authorization).toBe('bearer 123456');
  expect(sent.map(({ url }) => new URL(url).pathname)).toEqual(['/api/mte-relay', '/api/mte-pair', '/api/mte']);
  for (const word of ['secret', 'authorization', 'new-user'])
    expect(sent.map(({ body }) => body).join('')).not.toContain(word);
  expect(warnings).toHaveBeenCalledTimes(1);
});

test.each([
  ['encodeUrl', { encodeUrl: false }],
  ['encodeHeaders', { encodeHeaders: false }],
  ['encodeHeaders', { encodeHeaders: [] }],
  ['pathPrefix', { pathPrefix: '/mte-relay' }],
  ['encodeBody', { encodeBody: false } as object],
])('a request with %s in %j is refused by name, and nothing is sent', async (name, mteOptions) => {
  const on = await stage();
  const { fetch, sent } = watchedFetch();
  await initMteRelayClient({ fetch, pins: [on.pin] });
  const error = await mteFetch(`${on.url}/`, {}, mteOptions).catch((failure: RelayClientError) => failure);
  expect(error).toMatchObject({ code: 'option-unsupported', message: expect.stringContaining(name) });
  expect(sent).toEqual([]);
  expect(on.seen).toEqual([]);
});

test.each([
  ['encodeUrls', { encodeUrls: false }],
  ['encodeHeaders', { encodeHeaders: false }],
  ['pathPrefix', { pathPrefix: '/x' }],
  ['numberOfPears', { numberOfPears: 5 } as object],
])('initialising with %s refused is refused by name', async (name, options: MteRelayClientOptions) => {
  await expect(initMteRelayClient(options)).rejects.toMatchObject({
    code: 'option-unsupported',
    message: expect.stringContaining(name),
  });
});

test('the relay is that of the URL’s origin; several are used at once, each with its own pins', async () => {
  const [one, two] = await Promise.all([
    stage(),
    stage(undefined, { environment: { CLIENT_ID_SECRET: 'x'.repeat(40) } }),
  ]);
  await initMteRelayClient({ pins: { [one.url]: [one.pin], [two.url]: [two.pin] } });
  const responses = await Promise.all(
    [one, two, one].map(async (on, at) => await bodyOf(await mteFetch(`${on.url}/${at}`))),
  );
  expect(responses.map(({ url }) => url)).toEqual(['/0', '/1', '/2']);
  expect([one.seen.length, two.seen.length]).toEqual([2, 1]);
  await expect(mteFetch('https://elsewhere.example/')).rejects.toMatchObject({ code: 'origin-not-relayed' });
  await initMteRelayClient({ pins: { [one.url]: [two.pin] } });
  await expect(mteFetch(`${one.url}/`)).rejects.toMatchObject({ code: 'pin-mismatch' });
  expect(one.seen.length).toBe(2);
});

test('the client never speaks in clear to a server that is not a relay', async () => {
  const on = await stage();
  await initMteRelayClient({ pins: [on.pin] });
  const api = on.upstreamUrl;
  await expect(mteFetch(`${api}/api/login`, { method: 'POST', body: 'secret' })).rejects.toMatchObject({
    code: expect.stringMatching(/pairing-failed|relay-refused/),
  });
  expect(on.seen.map(({ method, url }) => `${method} ${url}`)).not.toContain('POST /api/login');
  expect(on.seen.every(({ url }) => url.startsWith('/api/mte'))).toBe(true);
});

test('bad pins are refused when they are given, and calls before that as misuse', async () => {
  await expect(initMteRelayClient({ pins: ['sha256-short'] })).rejects.toMatchObject({ code: 'misuse' });
  await expect(initMteRelayClient({ pins: { 'https://x.example': [] } })).rejects.toMatchObject({ code: 'misuse' });
  await expect(initMteRelayClient({ pins: { 'https://x.example/path': [] } })).rejects.toMatchObject({
    code: 'misuse',
  });
  vi.resetModules();
  const fresh = await import('@mte-relay/client/compat');
  await expect(fresh.mteFetch('https://x.example/')).rejects.toMatchObject({ code: 'misuse' });
});

test('calls of the old client and of the new one can stand side by side', async () => {
  const on = await stage();
  await initMteRelayClient({ pins: [on.pin] });
  const client = sdkClient(on);
  const [before, after] = await Promise.all([mteFetch(`${on.url}/same`), client.fetch('/same')]);
  expect(await bodyOf(before)).toEqual(await bodyOf(after));
});

test('in React Native it parses URLs as the client does, not by the class that is there', async () => {
  const program = `
    const { initMteRelayClient, mteFetch } = await import('@mte-relay/client/compat');
    void [Request, Response]; // Node loads them when they are first used, with a URL class of its own
    delete globalThis.URL;
    await initMteRelayClient({ pins: { 'https://relay.example/': ['sha256-${'A'.repeat(43)}='] }, fetch: async (url) => {
      console.log(url.href);
      throw new TypeError('no network');
    } });
    await mteFetch('https://relay.example/a/../notes').catch((error) => console.log(error.code ?? error));
    await mteFetch('https://other.example').catch((error) => console.log(error.code ?? error));
  `;
  const args = ['--conditions=react-native', '--input-type=module', '--eval', program];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: import.meta.dirname });
  expect(stdout.trim().split('\n')).toEqual([
    'https://relay.example/api/mte-relay',
    'https://relay.example/api/mte-relay', // a retry, past the cache
    'unreachable',
    'origin-not-relayed',
  ]);
});
