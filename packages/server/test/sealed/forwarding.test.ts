import { SealedClient, send } from '@mte-relay/testing/sealed-client';
import { stage } from '@mte-relay/testing/stage';
import { expect, test } from 'vitest';
import { isAddressRange, TrustedProxies } from '../../src/http/forwarding.ts';

const ROUTES = { PASS_THROUGH_ROUTES: '/pub/*' };
const CLAIMS = {
  'x-forwarded-for': '198.51.100.7, 10.1.2.3',
  'x-forwarded-proto': 'https',
  'x-forwarded-host': 'app.example',
  forwarded: 'for=6.6.6.6',
};

test('the relay does not believe the forwarding fields of an untrusted peer', async () => {
  const { port, seen } = await stage(undefined, { environment: ROUTES });
  await send(port, '/pub/x', { method: 'GET', headers: CLAIMS });
  expect(seen[0]?.headers).toMatchObject({
    'x-forwarded-for': '127.0.0.1',
    'x-forwarded-proto': 'http',
    'x-forwarded-host': `127.0.0.1:${port}`,
    forwarded: `for=127.0.0.1;proto=http;host="127.0.0.1:${port}"`,
  });
});

test('the relay believes a trusted proxy, back to the last address that no trusted proxy vouches past', async () => {
  const environment = { ...ROUTES, TRUSTED_PROXIES: '127.0.0.0/8,10.0.0.0/8' };
  const { port, seen } = await stage(undefined, { environment });
  await send(port, '/pub/x', {
    method: 'GET',
    headers: { ...CLAIMS, 'x-forwarded-for': '6.6.6.6, 198.51.100.7, 10.1.2.3' },
  });
  expect(seen[0]?.headers).toMatchObject({
    'x-forwarded-for': '198.51.100.7, 10.1.2.3, 127.0.0.1',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'app.example',
    forwarded: 'for=198.51.100.7;proto=https;host="app.example", for=10.1.2.3, for=127.0.0.1',
  });
});

test('a sealed request gives the upstream the authority and scheme that were sealed, and the outer address', async () => {
  const { port, seen } = await stage(undefined, { environment: { TRUSTED_PROXIES: '127.0.0.1' } });
  const client = await SealedClient.pair(port);
  await client.fetch({ authority: 'relay.example', scheme: 'https' }, CLAIMS);
  expect(seen[0]?.headers).toMatchObject({
    'x-forwarded-for': '10.1.2.3, 127.0.0.1',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'relay.example',
  });
});

test('an authority that could end a quoted string is not repeated', async () => {
  const { port, seen } = await stage();
  const client = await SealedClient.pair(port, { authority: 'a";for=6.6.6.6' });
  await client.fetch({});
  expect(seen[0]?.headers['x-forwarded-host']).toBeUndefined();
  expect(seen[0]?.headers['forwarded']).toBe('for=127.0.0.1;proto=http');
});

test('a malformed address ends the part of the chain that the relay believes', () => {
  const proxies = new TrustedProxies(['10.0.0.0/8']);
  const read = (header: string): unknown =>
    proxies.read({ headers: { 'x-forwarded-for': header, host: 'h' }, socket: { remoteAddress: '10.0.0.1' } } as never);
  expect(read('198.51.100.7, garbage, 10.0.0.2')).toMatchObject({ clientAddress: '10.0.0.2' });
  expect(read('')).toMatchObject({ clientAddress: '10.0.0.1' });
  expect(read('::1')).toMatchObject({ clientAddress: '::1' });
  expect(read(Array(1000).fill('10.0.0.9').join(','))).toMatchObject({ clientAddress: '10.0.0.9' });
});

test.each([
  ['198.51.100.7:4567', '198.51.100.7'], // as Azure's Application Gateway writes it
  ['[2001:db8::7]:4567', '2001:db8::7'],
  ['[2001:db8::7]', '2001:db8::7'],
  ['::ffff:198.51.100.7', '198.51.100.7'],
  ['[::FFFF:198.51.100.7]:4567', '198.51.100.7'],
  ['10.0.0.9:80, 198.51.100.7:4567, 10.0.0.2:1', '198.51.100.7'],
  ['198.51.100.7:', '10.0.0.1'],
  ['[198.51.100.7]x', '10.0.0.1'],
  ['198.51.100:4567', '10.0.0.1'],
])('the client of x-forwarded-for %j is %s', (header, clientAddress) => {
  const req = { headers: { 'x-forwarded-for': header, host: 'h' }, socket: { remoteAddress: '10.0.0.1' } };
  expect(new TrustedProxies(['10.0.0.0/8']).read(req as never)).toMatchObject({ clientAddress });
});

test('behind a proxy that writes ports too, each client has a measure of pairings of its own', async () => {
  const { port } = await stage(undefined, {
    environment: { TRUSTED_PROXIES: '127.0.0.1', PAIRINGS_BURST: '1', PAIRINGS_PER_MINUTE: '1' },
  });
  const pairAs = async (client: string): Promise<number> => {
    const headers = { 'content-type': 'application/mte-relay-pairing', 'x-forwarded-for': client };
    return (await send(port, '/api/mte-pair', { headers, body: new Uint8Array(10) })).status; // of an unknown version
  };
  expect(await pairAs('198.51.100.7:4567')).toBe(426);
  expect(await pairAs('198.51.100.7:4568')).toBe(429);
  expect(await pairAs('198.51.100.8:4567')).toBe(426);
  expect(await pairAs('::ffff:198.51.100.9')).toBe(426);
  expect(await pairAs('::ffff:198.51.100.10')).toBe(426);
});

test.each(['10.0.0.0/8', '127.0.0.1', '::1', 'fd00::/8'])('%s is an address range', (range) => {
  expect(isAddressRange(range)).toBe(true);
});

test.each(['10.0.0.0/33', '10.0.0', 'localhost', 'fd00::/129', '10.0.0.0/8/8', '', '10.0.0.0/'])(
  '"%s" is not an address range',
  (range) => {
    expect(isAddressRange(range)).toBe(false);
  },
);
