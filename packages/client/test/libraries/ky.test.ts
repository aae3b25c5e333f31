// ky over the relay's fetch.
import ky, { HTTPError, type KyInstance, TimeoutError } from 'ky';
import { expect, test } from 'vitest';
import { type Call, setUpApi } from './api.ts';

async function setUp(): Promise<{ http: KyInstance; seen: Call[] }> {
  const { url, client, seen } = await setUpApi();
  return { http: ky.create({ prefix: url, fetch: client.fetch }), seen };
}

test('gets and posts JSON, with parameters and own fields', async () => {
  const { http, seen } = await setUp();
  expect(await http.get('notes', { searchParams: { q: 'a b' } }).json()).toEqual({ method: 'GET', body: 0 });
  const posted = http.post('notes', { json: { text: 'hello' }, headers: { 'x-own': '1' } });
  expect(await posted.json()).toEqual({ method: 'POST', body: 16 });
  expect(seen).toMatchObject([
    { method: 'GET', url: '/notes?q=a+b' },
    { method: 'POST', type: 'application/json', own: '1', body: '{"text":"hello"}' },
  ]);
});

test('gives an error status as its own error, and 204 without a body', async () => {
  const { http } = await setUp();
  const error = await http.get('status/422').catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(HTTPError);
  expect((error as HTTPError).response.status).toBe(422);
  expect((await http.delete('empty')).status).toBe(204);
});

test('retries by its own rules', async () => {
  const { http, seen } = await setUp();
  expect(await http.get('flaky', { retry: { limit: 2, delay: () => 10 } }).json()).toEqual({ ok: true });
  expect(seen).toHaveLength(2);
});

test('aborts a call that is in progress, with the caller’s reason, and one that takes too long', async () => {
  const { http } = await setUp();
  const controller = new AbortController();
  const reason = new Error('the user left');
  const call = http.get('slow', { signal: controller.signal });
  setTimeout(() => controller.abort(reason), 100);
  await expect(call).rejects.toBe(reason);
  await expect(http.get('slow', { timeout: 100, retry: 0 })).rejects.toBeInstanceOf(TimeoutError);
});

test('uploads a form and reports progress of upload and download', async () => {
  const { http, seen } = await setUp();
  const form = new FormData();
  form.set('file', new Blob([new Uint8Array(300_000)]), 'a.bin');
  const up: number[] = [];
  await http.post('upload', { body: form, onUploadProgress: ({ transferredBytes }) => up.push(transferredBytes) });
  expect(seen[0]?.type).toMatch(/^multipart\/form-data; ?boundary=/);
  expect(seen[0]?.body.length).toBeGreaterThan(300_000);
  expect(up.at(-1)).toBeGreaterThanOrEqual(300_000);
  const down: number[] = [];
  const large = http.get('large', { onDownloadProgress: ({ transferredBytes }) => down.push(transferredBytes) });
  expect((await large.arrayBuffer()).byteLength).toBe(500_000);
  expect(down.at(-1)).toBe(500_000);
});
