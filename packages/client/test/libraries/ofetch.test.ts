// ofetch over the relay's fetch.
import { type $Fetch, createFetch, FetchError } from 'ofetch';
import { expect, test } from 'vitest';
import { type Call, setUpApi } from './api.ts';

async function setUp(): Promise<{ http: $Fetch; seen: Call[] }> {
  const { url, client, seen } = await setUpApi();
  const fetch = client.fetch as typeof globalThis.fetch;
  return { http: createFetch({ fetch, Headers, AbortController }).create({ baseURL: url }), seen };
}

test('gets and posts JSON, with parameters and own fields', async () => {
  const { http, seen } = await setUp();
  expect(await http('/notes', { query: { q: 'a b' } })).toEqual({ method: 'GET', body: 0 });
  const posted = await http('/notes', { method: 'POST', body: { text: 'hello' }, headers: { 'x-own': '1' } });
  expect(posted).toEqual({ method: 'POST', body: 16 });
  expect(seen).toMatchObject([
    { method: 'GET', url: '/notes?q=a+b' },
    { method: 'POST', type: 'application/json', own: '1', body: '{"text":"hello"}' },
  ]);
});

test('gives an error status as its own error, and 204 without a body', async () => {
  const { http } = await setUp();
  const error = await http('/status/422').catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(FetchError);
  expect(error).toMatchObject({ status: 422, data: { problem: 'as asked' } });
  expect((await http.raw('/empty', { method: 'DELETE' })).status).toBe(204);
});

test('retries by its own rules', async () => {
  const { http, seen } = await setUp();
  expect(await http('/flaky', { retry: 2, retryDelay: 10 })).toEqual({ ok: true });
  expect(seen).toHaveLength(2);
});

test('aborts a call that is in progress, and one that takes too long', async () => {
  const { http } = await setUp();
  const controller = new AbortController();
  const reason = new Error('the user left');
  const call = http('/slow', { signal: controller.signal });
  setTimeout(() => controller.abort(reason), 100);
  await expect(call).rejects.toMatchObject({ cause: reason });
  await expect(http('/slow', { timeout: 100, retry: 0 })).rejects.toMatchObject({ cause: { name: 'TimeoutError' } });
});

test('uploads a form, and reads a stream and a blob', async () => {
  const { http, seen } = await setUp();
  const form = new FormData();
  form.set('file', new Blob([new Uint8Array(300_000)]), 'a.bin');
  await http('/upload', { method: 'POST', body: form });
  expect(seen[0]?.type).toMatch(/^multipart\/form-data; ?boundary=/);
  expect(seen[0]?.body.length).toBeGreaterThan(300_000);
  expect((await http('/large', { responseType: 'blob' })).size).toBe(500_000);
  const stream = await http('/large', { responseType: 'stream' });
  expect((await new Response(stream).arrayBuffer()).byteLength).toBe(500_000);
});
