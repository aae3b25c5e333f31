import { send } from '@mte-relay/testing/sealed-client';
import { stage } from '@mte-relay/testing/stage';
import { expect, test } from 'vitest';

const text = (body: Uint8Array): string => Buffer.from(body).toString();

test('the echo returns the message and the time, and nothing else', async () => {
  const { port, seen } = await stage();
  const response = await send(port, '/api/mte-echo?msg=test', { method: 'GET' });
  expect(response.status).toBe(200);
  expect(response.headers).toMatchObject({ 'content-type': 'application/json', 'cache-control': 'no-store' });
  const { echo, time, ...rest } = JSON.parse(text(response.body)) as { echo: string; time: string };
  expect(echo).toBe('test');
  expect(Math.abs(Date.parse(time) - Date.now())).toBeLessThan(10_000);
  expect(rest).toEqual({});
  expect(seen).toHaveLength(0);
});

test.each([
  ['', ''],
  ['?msg=a%20b%22%3Cscript%3E', 'a b"<script>'],
  ['?other=1&msg=%C3%A9', 'é'],
  ['?msg=%ff', '\ufffd'],
])('the echo of %s is what was asked, as JSON', async (query, expected) => {
  const { port } = await stage();
  const response = await send(port, `/api/mte-echo${query}`, { method: 'GET' });
  expect(JSON.parse(text(response.body))).toMatchObject({ echo: expected });
  expect(response.headers['x-content-type-options']).toBe('nosniff');
});

test('discovery names versions, suite, key and endpoints, may be cached for minutes, and responds to HEAD alike', async () => {
  const { port } = await stage();
  const response = await send(port, '/api/mte-relay', { method: 'GET' });
  const document = JSON.parse(text(response.body)) as Record<string, string>;
  expect(document).toMatchObject({
    versions: [1],
    suite: 1,
    endpoints: { pair: '/api/mte-pair', exchange: '/api/mte' },
  });
  expect(Buffer.from(document['publicKey'] as string, 'base64')).toHaveLength(1216);
  expect(response.headers['cache-control']).toBe('public, max-age=300');
  const head = await send(port, '/api/mte-relay', { method: 'HEAD' });
  expect(head.status).toBe(200);
  expect(head.headers['content-length']).toBe(response.headers['content-length']);
  expect(head.body).toHaveLength(0);
});

test.each(['/api/mte-relay', '/api/mte-echo'])('%s takes GET and HEAD alone', async (path) => {
  const { port } = await stage();
  const response = await send(port, path, { method: 'DELETE' });
  expect(response).toMatchObject({ status: 405, code: 'method-not-allowed' });
  expect(response.headers.allow).toBe('GET, HEAD, OPTIONS');
});
