// Pairing, pins, rekey and close.
import { once } from 'node:events';
import { createRelayClient } from '@mte-relay/client';
import { refusal } from '@mte-relay/testing/mini-relay';
import { never } from '@mte-relay/testing/pieces';
import { serve } from '@mte-relay/testing/servers';
import { field, TestRelay } from '@mte-relay/testing/test-relay';
import { afterEach, expect, test, vi } from 'vitest';
import { setUp } from './support/setup.ts';

afterEach(() => vi.restoreAllMocks());

test('a wrong pin refuses to talk, and a set of pins takes either', async () => {
  const { relay } = await setUp();
  const other = `sha256-${Buffer.alloc(32, 7).toString('base64')}`;
  const wrong = createRelayClient(relay.url, { pins: [other] });
  await expect(wrong.fetch('/')).rejects.toMatchObject({ code: 'pin-mismatch', mayHaveRun: false });
  expect(relay.count('/api/mte-pair')).toBe(0);
  const either = createRelayClient(relay.url, { pins: [other, relay.pin] });
  expect((await either.fetch('/')).status).toBe(200);
});

test('without pins the client trusts the first key, warns once, and refuses another one later', async () => {
  const warn = vi.spyOn(console, 'warn').mockReturnValue();
  const relay = await TestRelay.start();
  const client = createRelayClient(relay.url);
  await client.fetch('/');
  await client.pair();
  expect(warn).toHaveBeenCalledTimes(1);
  expect(warn.mock.calls[0]?.[0]).toContain(relay.pin);
  await relay.useKey(2);
  relay.forgetSessions();
  await expect(client.fetch('/')).rejects.toMatchObject({ code: 'pin-mismatch' });
  await relay.stop();
});

test('a key that changed to the next pinned one is found without notice', async () => {
  const relay = await TestRelay.start(2);
  const next = relay.pin;
  await relay.useKey(1);
  const client = createRelayClient(relay.url, { pins: [relay.pin, next] });
  await client.fetch('/');
  await relay.useKey(2);
  relay.forgetSessions();
  expect((await client.fetch('/')).status).toBe(200);
  await relay.stop();
});

test('somebody in between who shows the pinned key but cannot use it gets nothing', async () => {
  const { relay, client } = await setUp();
  relay.intermediary = async (call) => {
    const response = await call.forward();
    if (call.path !== '/api/mte-pair') return response;
    const body = new Uint8Array(response.body as Uint8Array);
    body[500] = (body[500] as number) ^ 1;
    return { ...response, body };
  };
  await expect(client.fetch('/')).rejects.toMatchObject({ code: 'pairing-failed' });
  expect(relay.count('/api/mte')).toBe(0);
});

test.each(['application/octet-stream', 'application/mte-relay', 'application/mte-relay-pairing; v=1', undefined])(
  'a pairing response of type %s is not accepted',
  async (type) => {
    const { relay, client } = await setUp();
    relay.intermediary = async (call) => {
      const response = await call.forward();
      return call.path === '/api/mte-pair' ? { ...response, headers: type ? { 'content-type': type } : {} } : response;
    };
    await expect(client.fetch('/')).rejects.toMatchObject({ code: 'pairing-failed' });
    expect(relay.count('/api/mte')).toBe(0);
  },
);

test.each(['application/octet-stream', 'application/mte-relay-pairing', 'application/mte-relay; v=1'])(
  'a response of type %s to an exchange is not opened',
  async (type) => {
    const { relay, client } = await setUp();
    relay.intermediary = async (call) => {
      const response = await call.forward();
      return call.path === '/api/mte' ? { ...response, headers: { 'content-type': type } } : response;
    };
    await expect(client.fetch('/')).rejects.toMatchObject({ code: 'response-unopenable' });
  },
);

test('a failed pairing fails its calls, and the next call retries', async () => {
  const { relay, client } = await setUp();
  relay.intermediary = async (call) => (call.path === '/api/mte-pair' ? refusal('unavailable') : call.forward());
  await expect(client.fetch('/', { method: 'POST' })).rejects.toMatchObject({
    code: 'relay-refused',
    mayHaveRun: false,
  });
  relay.intermediary = undefined;
  expect((await client.fetch('/')).status).toBe(200);
});

test('the error names an address without a relay', async () => {
  const { relay, client } = await setUp();
  relay.intermediary = async () => ({ status: 200, headers: { 'content-type': 'text/html' }, body: new Uint8Array(3) });
  await expect(client.fetch('/')).rejects.toMatchObject({ code: 'pairing-failed' });
});

test('a pairing that hangs ends with its time', async () => {
  const { relay, client } = await setUp({ pairingTimeoutMs: 100 });
  relay.intermediary = () => never();
  await expect(client.fetch('/')).rejects.toMatchObject({ code: 'unreachable' });
});

test('a rekey happens in the background before the lifetime ends, and calls go on', async () => {
  const { relay, client } = await setUp();
  const events: string[] = [];
  client.on('pair', () => events.push('pair'));
  client.on('rekey', () => events.push('rekey'));
  const pairedMs = Date.now();
  const clock = vi.spyOn(Date, 'now').mockReturnValue(pairedMs);
  relay.parameters = { lifetimeMs: 60_000 };
  await client.fetch('/');
  clock.mockReturnValue(pairedMs + 50_000);
  relay.parameters = {};
  await client.fetch('/'); // due: starts the rekey, uses the old session
  await expect.poll(() => events).toEqual(['pair', 'rekey']);
  await client.fetch('/');
  expect(relay.count('/api/mte-pair')).toBe(2);
});

test('a rekey happens before message numbers run out', async () => {
  const { relay, client } = await setUp();
  relay.parameters = { messageLimit: 20 };
  for (let i = 0; i < 100; i += 1) await (await client.fetch('/')).text();
  expect(relay.ran.length).toBe(100);
  expect(relay.count('/api/mte-pair')).toBeGreaterThanOrEqual(5);
  expect(relay.count('/api/mte-pair')).toBeLessThan(10);
});

test('a session that sat idle too long is not tried', async () => {
  const { relay, client } = await setUp();
  relay.parameters = { idleMs: 100 };
  await client.fetch('/');
  await new Promise((resolve) => setTimeout(resolve, 120));
  await client.fetch('/', { method: 'POST' });
  expect(relay.outer.slice(3)).toEqual(['/api/mte-pair', '/api/mte']);
});

test('a session that ended while the machine slept is not tried', async () => {
  const { relay, client } = await setUp();
  await client.fetch('/');
  const realNow = Date.now;
  vi.spyOn(Date, 'now').mockImplementation(() => realNow() + 7_200_000);
  await client.fetch('/', { method: 'POST' });
  expect(relay.outer.slice(3)).toEqual(['/api/mte-pair', '/api/mte']);
});

test('a session that was never used is given up before the relay drops it', async () => {
  const { relay, client } = await setUp();
  await client.pair();
  const realNow = Date.now;
  vi.spyOn(Date, 'now').mockImplementation(() => realNow() + 25_000);
  await client.fetch('/');
  expect(relay.count('/api/mte-pair')).toBe(2);
});

test('later sessions carry the first identity, sealed', async () => {
  const { relay, client } = await setUp();
  await client.fetch('/');
  await client.pair();
  await client.fetch('/');
  await client.pair();
  await client.fetch('/');
  const sent = relay.ran.map((call) => field(call, 'mte-relay-client-id'));
  const first = Buffer.from('client-1').toString('base64url');
  expect(sent).toEqual([undefined, first, first]);
});

test('at most 512 messages are in flight; the rest wait their turn', async () => {
  const { relay, client } = await setUp();
  await (await client.fetch('/')).text();
  let inFlight = 0;
  let most = 0;
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  relay.upstream = async () => {
    inFlight += 1;
    most = Math.max(most, inFlight);
    await gate;
    inFlight -= 1;
    return {};
  };
  const calls = Array.from({ length: 700 }, () => client.fetch('/'));
  await expect.poll(() => inFlight, { timeout: 10_000 }).toBe(512);
  await new Promise((resolve) => setTimeout(resolve, 100));
  open();
  for (const response of await Promise.all(calls)) expect(response.status).toBe(200);
  expect(most).toBe(512);
});

test('after close nothing is sent', async () => {
  const { relay, client } = await setUp();
  await client.fetch('/');
  client.close();
  await expect(client.fetch('/')).rejects.toMatchObject({ code: 'closed' });
  await expect(client.pair()).rejects.toMatchObject({ code: 'closed' });
  expect(relay.count('/api/mte')).toBe(1);
});

test.each(['', 'ftp://a', 'https://a/path', 'https://u:p@a', 'relative'])('relay URL %j is refused', (url) => {
  expect(() => createRelayClient(url)).toThrow(/relay URL/);
});

test('closed as its pairing ends, it keeps no session and sends nothing', async () => {
  const { relay, client } = await setUp();
  client.on('pair', () => client.close());
  await expect(client.fetch('/', { method: 'POST' })).rejects.toMatchObject({ code: 'closed', mayHaveRun: false });
  expect(relay.count('/api/mte')).toBe(0);
});

test('a pin of another shape is refused', () => {
  expect(() => createRelayClient('https://a', { pins: ['sha256-abc'] })).toThrow(/pin expected/);
});

test('one pin instead of a list is refused as what it is', () => {
  const pins = `sha256-${'A'.repeat(43)}=` as unknown as string[];
  expect(() => createRelayClient('https://a', { pins })).toThrow(`in a list, got "${pins}"`);
});

test('the error names an address where no relay responds', async () => {
  const { server, url, close } = await serve((_request, response) => response.writeHead(404).end());
  const client = createRelayClient(url);
  await expect(client.fetch('/')).rejects.toMatchObject({
    code: 'relay-refused',
    message: `${url}/api/mte-relay was refused outside the seal with 404`,
  });
  close();
  await once(server, 'close');
  await expect(client.fetch('/')).rejects.toMatchObject({
    code: 'unreachable',
    message: `${url}/api/mte-relay had no response`,
  });
});
