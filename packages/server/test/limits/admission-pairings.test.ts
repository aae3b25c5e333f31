import { connect, type Socket } from 'node:net';
import { CONTENT_TYPE_PAIRING } from '@mte-relay/protocol';
import { MemorySessionStore, type SessionLifetimes } from '@mte-relay/server';
import { beginPairing, type OuterResponse, postPairing, SealedClient } from '@mte-relay/testing/sealed-client';
import { stage } from '@mte-relay/testing/stage';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { describe, expect, test } from 'vitest';
import { AddressBuckets, networkOf } from '../../src/limits/admission.ts';
import { ADDRESSES_MAX } from '../../src/limits/fixed.ts';
import { relaySeries } from '../support/admin.ts';

const limited = (limit: string): string => `mte_relay_limited_total{limit="${limit}"}`;

test('a flood of pairings from one address is refused with 429 and Retry-After, and passes', async () => {
  const staged = await stage(undefined, { environment: { PAIRINGS_BURST: '5', PAIRINGS_PER_MINUTE: '60' } });
  const { message } = await beginPairing(staged.port);
  const responses: OuterResponse[] = [];
  for (let i = 0; i < 12; i += 1) responses.push(await postPairing(staged.port, message));
  expect(responses.map(({ status }) => status)).toEqual([...Array<number>(5).fill(200), ...Array<number>(7).fill(429)]);
  expect(responses[6]).toMatchObject({ code: 'too-many', headers: { 'retry-after': '1' } });
  expect((await relaySeries(staged)).get(limited('PAIRINGS_PER_MINUTE'))).toBe(7);
  await new Promise((resolve) => setTimeout(resolve, 1_050));
  expect((await postPairing(staged.port, message)).status).toBe(200);
  expect((await postPairing(staged.port, message)).status).toBe(429);
});

test('a malformed pairing counts against its address too, and exchanges do not', async () => {
  const staged = await stage(undefined, { environment: { PAIRINGS_BURST: '3', PAIRINGS_PER_MINUTE: '1' } });
  const client = await SealedClient.pair(staged.port);
  for (let i = 0; i < 2; i += 1) expect((await postPairing(staged.port, new Uint8Array(9))).status).toBe(426);
  expect((await postPairing(staged.port, new Uint8Array(9))).status).toBe(429);
  for (let i = 0; i < 10; i += 1) expect((await client.fetch({})).head.status).toBe(200);
});

test('each client behind a trusted proxy has its own measure', async () => {
  const staged = await stage(undefined, { environment: { PAIRINGS_BURST: '2', TRUSTED_PROXIES: '127.0.0.1' } });
  const { message } = await beginPairing(staged.port);
  const from = async (address: string): Promise<number> =>
    (await postPairing(staged.port, message, { 'x-forwarded-for': address })).status;
  expect([await from('192.0.2.1'), await from('192.0.2.1'), await from('192.0.2.1')]).toEqual([200, 200, 429]);
  expect(await from('192.0.2.2')).toBe(200);
  // One subscriber has a whole /64 of IPv6 addresses, and one measure.
  expect([await from('2001:db8::1'), await from('2001:db8::2'), await from('2001:db8::3')]).toEqual([200, 200, 429]);
  expect(await from('2001:db8:0:1::1')).toBe(200);
});

test('an address that only the client itself claims does not help', async () => {
  const staged = await stage(undefined, { environment: { PAIRINGS_BURST: '2', PAIRINGS_PER_MINUTE: '1' } });
  const { message } = await beginPairing(staged.port);
  const statuses: number[] = [];
  for (let i = 0; i < 4; i += 1) {
    statuses.push((await postPairing(staged.port, message, { 'x-forwarded-for': `192.0.2.${i}` })).status);
  }
  expect(statuses).toEqual([200, 200, 429, 429]);
});

test('the relay refuses more pairings at once than PAIRINGS_CONCURRENT_MAX with 503, and counts each off at its end', async () => {
  const staged = await stage(undefined, { environment: { PAIRINGS_CONCURRENT_MAX: '2' } });
  const { message } = await beginPairing(staged.port);
  const slow = [halfPairing(staged.port), halfPairing(staged.port)];
  await expect.poll(async () => (await relaySeries(staged)).get('mte_relay_in_flight{kind="pairing"}')).toBe(2);
  const refused = await postPairing(staged.port, message);
  expect(refused).toMatchObject({ status: 503, code: 'unavailable', headers: { 'retry-after': '2' } });
  expect((await relaySeries(staged)).get(limited('PAIRINGS_CONCURRENT_MAX'))).toBe(1);
  for (const socket of slow) socket.destroy();
  await expect.poll(async () => (await relaySeries(staged)).get('mte_relay_in_flight{kind="pairing"}')).toBe(0);
  expect((await postPairing(staged.port, message)).status).toBe(200);
});

test('a pairing request that does not arrive whole in time gets 408', async () => {
  const staged = await stage(undefined, { environment: { CLIENT_IDLE_TIMEOUT_MS: '300' } });
  const socket = halfPairing(staged.port);
  const trickle = setInterval(() => socket.write('x'), 50); // never idle, never whole
  let text = '';
  socket.on('data', (piece) => {
    text += piece.toString('latin1');
  });
  await new Promise((resolve) => socket.on('close', resolve));
  clearInterval(trickle);
  expect(text).toMatch(/^HTTP\/1\.1 408 /);
  expect(text).toContain('"code":"timeout"');
  expect((await relaySeries(staged)).get(limited('CLIENT_IDLE_TIMEOUT_MS'))).toBe(1);
});

test('sessions that are never confirmed make room for each other in a full store, and do not evict any other', async () => {
  const lifetimes: SessionLifetimes = { unconfirmedMs: 500, idleMs: 60_000, absoluteMs: 60_000, messageLimit: 1_000 };
  const sessions = new MemorySessionStore({ sessionsMax: 5, soleInstance: true, lifetimes });
  const staged = await stage(undefined, { sessions });
  const confirmed = await SealedClient.pair(staged.port);
  await confirmed.fetch({});
  const { message } = await beginPairing(staged.port);
  const statuses: number[] = [];
  for (let i = 0; i < 8; i += 1) statuses.push((await postPairing(staged.port, message)).status);
  expect(new Set(statuses)).toEqual(new Set([200]));
  expect(sessions.size).toBe(5);
  expect((await confirmed.fetch({})).head.status).toBe(200);
});

test('a store full of sessions in use refuses a pairing with 503', async () => {
  const staged = await stage(undefined, { environment: { SESSIONS_MAX: '2' } });
  for (let i = 0; i < 2; i += 1) await (await SealedClient.pair(staged.port)).fetch({});
  const { message } = await beginPairing(staged.port);
  const { status, code } = await postPairing(staged.port, message);
  expect({ status, code }).toEqual({ status: 503, code: 'unavailable' });
  expect((await relaySeries(staged)).get(limited('SESSIONS_MAX'))).toBe(1);
});

test('sessions of one network fill its own measure, and no other network’s', async () => {
  const staged = await stage(undefined, {
    environment: { SESSIONS_PER_NETWORK_MAX: '3', TRUSTED_PROXIES: '127.0.0.1' },
  });
  const from = (address: string) => ({ headers: { 'x-forwarded-for': address } });
  const first = await SealedClient.pair(staged.port, from('192.0.2.1'));
  for (const client of [first, await SealedClient.pair(staged.port, from('192.0.2.1'))]) await client.fetch({});
  for (let i = 0; i < 5; i += 1) await SealedClient.pair(staged.port, from('192.0.2.1')); // the last is not confirmed
  await (await SealedClient.pair(staged.port, from('192.0.2.1'))).fetch({});
  await expect(SealedClient.pair(staged.port, from('192.0.2.1'))).rejects.toThrow('429 too-many');
  expect((await relaySeries(staged)).get(limited('SESSIONS_PER_NETWORK_MAX'))).toBe(1);
  for (const other of ['192.0.2.2', '2001:db8::1']) await SealedClient.pair(staged.port, from(other));
  expect((await first.fetch({})).head.status).toBe(200);
});

describe('the table of addresses', () => {
  test('does not grow past its bound, and forgets who was not seen for longest', () => {
    const buckets = new AddressBuckets(1, 1 / 60_000);
    buckets.take('first', 0);
    buckets.take('second', 0);
    for (let i = 0; i < ADDRESSES_MAX - 2; i += 1) buckets.take(`address ${i}`, 0);
    expect(buckets.take('first', 0)).toBeGreaterThan(0); // still known; seen again
    buckets.take('one more', 0);
    expect(buckets.size).toBe(ADDRESSES_MAX);
    expect(buckets.take('first', 0)).toBeGreaterThan(0);
    expect(buckets.take('second', 0)).toBe(0); // forgotten
  });

  test('refills at the rate, up to the burst and no further', () => {
    const buckets = new AddressBuckets(2, 1 / 1_000);
    expect([buckets.take('a', 0), buckets.take('a', 0), buckets.take('a', 0)]).toEqual([0, 0, 1_000]);
    expect(buckets.take('a', 999)).toBeCloseTo(1);
    expect(buckets.take('a', 1_000)).toBe(0);
    expect([buckets.take('a', 1e9), buckets.take('a', 1e9), buckets.take('a', 1e9)]).toEqual([0, 0, 1_000]);
  });

  test.each([
    ['192.0.2.7', '192.0.2.7'],
    ['unknown', 'unknown'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0db8:0001:0002::9', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['2001:db8:a:b:c:d:192.0.2.1', '2001:db8:a:b::/64'],
  ])('%s counts as %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });
});

/** A pairing request whose body has only begun. */
function halfPairing(port: number): Socket {
  const socket = endsWithTest(connect(port, '127.0.0.1'));
  socket.on('error', () => {});
  const head = ['POST /api/mte-pair HTTP/1.1', 'host: relay', `content-type: ${CONTENT_TYPE_PAIRING}`];
  socket.write(`${[...head, 'content-length: 2400'].join('\r\n')}\r\n\r\nx`);
  return socket;
}
