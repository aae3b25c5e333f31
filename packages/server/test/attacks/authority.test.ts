// The inner authority: it must be the pairing's, by which the relay has chosen domain and upstream. Otherwise a client of
// one domain could name any host to the upstream in X-Forwarded-Host (SPEC §9.3).
import { SealedClient } from '@mte-relay/testing/sealed-client';
import { openOuter, TestWebSocket } from '@mte-relay/testing/sealed-websocket';
import { TEST_ORIGIN, TEST_SECRET } from '@mte-relay/testing/settings';
import { stage } from '@mte-relay/testing/stage';
import { webSocketStage } from '@mte-relay/testing/websocket-stage';
import { expect, test } from 'vitest';

const FOREIGN = ['evil.example', 'relay.example:8443', 'relay.example.', 'xrelay.example', 'a";for=6.6.6.6'];
const OWN = ['relay.example', 'Relay.EXAMPLE', ''];

test.each(FOREIGN)(
  'a request to the authority %s of a session of another is malformed, and does not run',
  async (authority) => {
    const { port, seen } = await stage();
    const client = await SealedClient.pair(port);
    const refused = await client.fetch({ authority });
    expect([refused.head.status, refused.header('mte-relay-failure')]).toEqual([400, 'request-malformed']);
    expect(seen).toEqual([]);
  },
);

test.each(FOREIGN)('a WebSocket to the authority %s of a session of another is malformed', async (authority) => {
  const { client, upgrades, port } = await webSocketStage();
  const refused = await openWith(client, port, authority);
  expect([refused.head.status, refused.header('mte-relay-failure')]).toEqual([400, 'request-malformed']);
  expect(upgrades).toEqual([]);
});

test.each(OWN)('the authority "%s" is that of the pairing, in any case or left out', async (authority) => {
  const { port, seen } = await stage();
  const client = await SealedClient.pair(port);
  expect((await client.fetch({ authority })).head.status).toBe(200);
  expect(seen[0]?.headers).toMatchObject({
    'x-forwarded-host': 'relay.example',
    forwarded: 'for=127.0.0.1;proto=http;host="relay.example"',
  });
});

test.each(OWN)('a WebSocket to the authority "%s" opens', async (authority) => {
  const { client, upgrades, port } = await webSocketStage();
  expect((await openWith(client, port, authority)).head.status).toBe(200);
  expect(upgrades[0]?.headers['x-forwarded-host']).toBe('relay.example');
});

test('a client of one domain of a map cannot name another one to the upstream', async () => {
  const { seen, upstreamUrl } = await stage();
  const domain = { upstream: upstreamUrl, cors_origins: TEST_ORIGIN, client_id_secret: TEST_SECRET };
  const DOMAIN_MAP = JSON.stringify({ 'one.example': domain, 'two.example': domain });
  const { port } = await stage(undefined, { environment: { UPSTREAM: '', DOMAIN_MAP } });
  const one = await SealedClient.pair(port, { authority: 'one.example', headers: { host: 'one.example' } });
  const refused = await one.fetch({ authority: 'two.example' }, { host: 'one.example' });
  expect(refused.header('mte-relay-failure')).toBe('request-malformed');
  expect(seen).toEqual([]);
  await one.fetch({}, { host: 'one.example' });
  expect(seen[0]?.headers['x-forwarded-host']).toBe('one.example');
});

async function openWith(client: SealedClient, port: number, authority: string): ReturnType<TestWebSocket['begin']> {
  return await new TestWebSocket(await openOuter(port)).begin(client, { authority });
}
