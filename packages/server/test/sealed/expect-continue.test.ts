// Clients that expect 100 (Continue) before a body (RFC 9110 §10.1.1), as curl does for large ones: the relay sends it,
// and the upstream does not see the expectation.
import { once } from 'node:events';
import { request } from 'node:http';
import { openResponse, plaintextOf, SealedClient, send } from '@mte-relay/testing/sealed-client';
import { stage } from '@mte-relay/testing/stage';
import { expect, test } from 'vitest';

/** Sends the body when it is told to, and only then. */
async function askAndSend(port: number, path: string, headers: Record<string, string>, body: Uint8Array) {
  const req = request({ port, path, method: 'POST', headers: { ...headers, expect: '100-continue' } });
  req.flushHeaders();
  await once(req, 'continue');
  req.end(body);
  const [res] = await once(req, 'response');
  const parts: Buffer[] = [];
  for await (const part of res) parts.push(part);
  return {
    status: res.statusCode as number,
    headers: res.headers,
    body: new Uint8Array(Buffer.concat(parts)),
    code: undefined,
  };
}

test('a sealed message and a passed-through body are asked for, and the upstream sees no expectation', async () => {
  const { port, seen } = await stage(undefined, { environment: { PASS_THROUGH_ROUTES: '/pub/*' } });
  const client = await SealedClient.pair(port);
  const { exchange, message } = await client.seal(
    plaintextOf({ method: 'POST', path: '/up', headers: [['expect', '100-continue']], body: 'content' }),
  );
  const type = { 'content-type': 'application/mte-relay' };
  const response = await openResponse(exchange, await askAndSend(port, '/api/mte', type, message));
  expect(JSON.parse(response.text)).toMatchObject({ url: '/up', body: 'content' });
  expect((await askAndSend(port, '/pub/up', {}, new TextEncoder().encode('content'))).status).toBe(200);
  expect(seen.map(({ headers }) => headers.expect)).toEqual([undefined, undefined]);
});

test('another expectation is refused, and nothing runs', async () => {
  const { port, seen } = await stage(undefined, { environment: { PASS_THROUGH_ROUTES: '/pub/*' } });
  const response = await send(port, '/pub/up', { headers: { expect: 'a-miracle' }, body: new Uint8Array(1) });
  expect(response.status).toBe(417);
  expect(seen).toEqual([]);
});
