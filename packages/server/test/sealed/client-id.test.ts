import { encodeContent, encodeEnd, encodeRequestStart, type Fields } from '@mte-relay/protocol';
import { type InnerRequest, SealedClient, withSentTime } from '@mte-relay/testing/sealed-client';
import { TestWebSocket } from '@mte-relay/testing/sealed-websocket';
import { stage } from '@mte-relay/testing/stage';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { ClientIds } from '../../src/secrets/client-id.ts';
import { openUpload } from '../support/sealed-upload.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const ids = new ClientIds(['a'.repeat(32)]);
const field = (token: Uint8Array): string => Buffer.from(token).toString('base64url');

test('an issued id verifies until it expires', () => {
  const { id, token } = ids.issue(1_000);
  expect(ids.verify(field(token), 1_000)?.id).toBe(id);
  expect(ids.verify(field(token), 1_000 + 30 * DAY_MS - 1)?.id).toBe(id);
  expect(ids.verify(field(token), 1_000 + 30 * DAY_MS)).toBeUndefined();
});

test('a token that is older than a day is renewed, with the same id', () => {
  const { id, token } = ids.issue(1_000);
  expect(ids.verify(field(token), 1_000 + DAY_MS)?.renewed).toBeUndefined();
  const renewed = ids.verify(field(token), 1_001 + DAY_MS)?.renewed as string;
  expect(ids.verify(renewed, 1_000 + 31 * DAY_MS)?.id).toBe(id);
});

test('a token with any one byte changed, cut or added to does not', () => {
  const { token } = ids.issue(1_000);
  for (let at = 0; at < token.length; at += 1) {
    const changed = token.slice();
    changed[at] = (changed[at] as number) ^ 1;
    expect(ids.verify(field(changed), 1_000), `byte ${at}`).toBeUndefined();
    expect(ids.verify(field(token.subarray(0, at)), 1_000)).toBeUndefined();
  }
  expect(ids.verify(`${field(token)}AA`, 1_000)).toBeUndefined();
  expect(ids.verify('', 1_000)).toBeUndefined();
});

test('while the secret rotates, old tokens verify and new ones are issued under the new secret', () => {
  const { id, token } = ids.issue(1_000);
  const both = new ClientIds(['b'.repeat(32), 'a'.repeat(32)]);
  const next = new ClientIds(['b'.repeat(32)]);
  const verified = both.verify(field(token), 1_000);
  expect(verified?.id).toBe(id);
  expect(next.verify(verified?.renewed as string, 1_000)?.id).toBe(id);
  expect(next.verify(field(token), 1_000)).toBeUndefined();
  const fresh = both.issue(1_000);
  expect(next.verify(field(fresh.token), 1_000)?.id).toBe(fresh.id);
});

const FORGED: Fields = [['mte-relay-client-id', 'AAAA']];

test.each<[string, InnerRequest, Record<string, string>?]>([
  ['path-refused', { path: '/a/../b' }],
  ['route-refused', { path: '/elsewhere' }, { MTE_ROUTES: '/here' }],
  ['request-malformed', { authority: 'other.example' }],
  ['request-malformed', { method: 'TRACE' }],
  ['request-malformed', { method: 'POST', headers: [['content-length', '9']], body: 'x' }],
  ['request-too-large', { method: 'POST', body: 'x'.repeat(2_000) }, { REQUEST_BODY_MAX_BYTES: '1000' }],
  ['upstream-unreachable', {}, { UPSTREAM: 'http://127.0.0.1:1' }],
])('the relay’s own sealed response states a forged client id: %s, %o', async (code, request, environment = {}) => {
  const { port } = await stage(undefined, { environment });
  const client = await SealedClient.pair(port);
  const response = await client.fetch({ ...request, headers: [...(request.headers ?? []), ...FORGED] });
  expect(response.header('mte-relay-failure')).toBe(code);
  expect(response.header('mte-relay-client-id')).toBe('unknown');
  // And no response to a client that sent none.
  expect((await client.fetch(request)).header('mte-relay-client-id')).toBeUndefined();
});

test('so does the response of a hook', async () => {
  const { port } = await stage(undefined, { hooks: { onRequest: () => ({ status: 403, body: 'no' }) } });
  const response = await (await SealedClient.pair(port)).fetch({ headers: FORGED });
  expect([response.head.status, response.header('mte-relay-client-id')]).toEqual([403, 'unknown']);
});

test('so does the refusal of an upload, after its head', async () => {
  const { port } = await stage((req) => void req.on('error', () => undefined));
  const { exchange, req, response } = await openUpload(await SealedClient.pair(port));
  const head = { method: 'PUT', scheme: 'http', authority: 'relay.example', path: '/', headers: FORGED };
  const announced = { ...head, headers: withSentTime([...FORGED, ['content-length', '2']]) };
  req.write(await exchange.seal(encodeRequestStart(announced)));
  req.end(await exchange.sealFinal(Buffer.concat([encodeContent(new Uint8Array(3)), encodeEnd()])));
  let text = '';
  for await (const piece of await response) text += Buffer.from(piece).toString('latin1');
  expect(text).toMatch(/request-malformed.*mte-relay-client-id.unknown/s);
});

test('so does the refusal of a sealed WebSocket', async () => {
  const { port } = await stage();
  const client = await SealedClient.pair(port);
  const ws = new WebSocket(`ws://127.0.0.1:${port}/api/mte-ws`, ['mte-relay.1']);
  await new Promise((resolve) => ws.on('open', resolve));
  const socket = new TestWebSocket(ws);
  ws.send(await socket.sealOpening(client, { path: '/a/../b', headers: FORGED, scheme: 'http' }));
  const { head } = await socket.response();
  expect(head.headers).toContainEqual(['mte-relay-client-id', 'unknown']);
  expect(head.headers).toContainEqual(['mte-relay-failure', 'path-refused']);
});
