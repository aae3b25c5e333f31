// axios with its own fetch adapter, over the relay's fetch.
import axios, { AxiosError, type AxiosInstance, CanceledError } from 'axios';
import { expect, test } from 'vitest';
import { type Call, setUpApi } from './api.ts';

async function setUp(): Promise<{ http: AxiosInstance; seen: Call[] }> {
  const { url, client, seen } = await setUpApi();
  return {
    http: axios.create({ baseURL: url, adapter: 'fetch', env: { fetch: client.fetch } }),
    seen,
  };
}

test('gets and posts JSON, with parameters and own fields', async () => {
  const { http, seen } = await setUp();
  expect((await http.get('/notes', { params: { q: 'a b' } })).data).toEqual({ method: 'GET', body: 0 });
  const { status, data, headers } = await http.post('/notes', { text: 'hello' }, { headers: { 'x-own': '1' } });
  expect([status, data]).toEqual([200, { method: 'POST', body: 16 }]);
  expect(headers['content-type']).toBe('application/json');
  expect(seen).toMatchObject([
    { method: 'GET', url: '/notes?q=a+b' },
    { method: 'POST', type: 'application/json', own: '1', body: '{"text":"hello"}' },
  ]);
});

test('gives an error status as its own error, and 204 without data', async () => {
  const { http } = await setUp();
  const error = await http.get('/status/422').catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(AxiosError);
  expect((error as AxiosError).response).toMatchObject({ status: 422, data: { problem: 'as asked' } });
  expect((await http.delete('/empty')).status).toBe(204);
});

test('aborts a call that is in progress, and one that takes too long', async () => {
  const { http } = await setUp();
  const controller = new AbortController();
  const call = http.get('/slow', { signal: controller.signal });
  setTimeout(() => controller.abort(), 100);
  await expect(call).rejects.toBeInstanceOf(CanceledError);
  await expect(http.get('/slow', { timeout: 100 })).rejects.toMatchObject({ code: 'ETIMEDOUT' });
});

test('uploads a form and reports progress of upload and download', async () => {
  const { http, seen } = await setUp();
  const form = new FormData();
  form.set('file', new Blob([new Uint8Array(300_000)]), 'a.bin');
  const up: number[] = [];
  await http.post('/upload', form, { onUploadProgress: ({ loaded }) => up.push(loaded) });
  expect(seen[0]?.type).toMatch(/^multipart\/form-data; ?boundary=/);
  expect(seen[0]?.body.length).toBeGreaterThan(300_000);
  expect(up.at(-1)).toBeGreaterThanOrEqual(300_000);
  const down: number[] = [];
  const { data } = await http.get('/large', {
    responseType: 'arraybuffer',
    onDownloadProgress: ({ loaded }) => down.push(loaded),
  });
  expect(data.byteLength).toBe(500_000);
  expect(down.at(-1)).toBe(500_000);
});
