// A failover that a proxy in front of Redis hides and that loses the last claims, where scripts may not read INFO: nothing
// runs twice, and no relay's cancel says of a POST that ran that it never will (docs/model/redis-claims.pml).
import { REDIS_SERVER, type RedisServer, startRedis } from '@mte-relay/testing/redis';
import { sdkClient } from '@mte-relay/testing/sdk-client';
import { plaintextOf, SealedClient } from '@mte-relay/testing/sealed-client';
import type { Responder } from '@mte-relay/testing/servers';
import { type Stage, stage } from '@mte-relay/testing/stage';
import { TcpForwarder } from '@mte-relay/testing/tcp-forwarder';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { until } from '@mte-relay/testing/until';
import { describe, expect, test } from 'vitest';
import { HidingProxy } from '../support/hiding-proxy.ts';
import { REDIS_PASSWORD, RELAY_USERS, urlWithoutFunctions, urlWithoutInfo } from '../support/redis-users.ts';

interface Scene {
  readonly relays: readonly [Stage, Stage];
  /** The replica as it is takes over; no connection drops. */
  failOver(): Promise<void>;
  /** From now on the replica misses what the master writes. */
  lag(): Promise<void>;
}

/** Two relays over a master and its replica, behind a proxy. */
async function scene(urlOf: typeof urlWithoutInfo, respond?: Responder): Promise<Scene> {
  const user = urlOf === urlWithoutInfo ? 'no-info' : 'no-functions';
  const master = endsWithTest(await startRedis(...RELAY_USERS));
  const replica = endsWithTest(await startRedis(...RELAY_USERS));
  await replica.command('REPLICAOF', '127.0.0.1', String(master.port));
  await until(async () => String(await replica.command('INFO', 'replication')).includes('master_link_status:up'));
  const proxy = endsWithTest(await new HidingProxy(master.port, { name: user, password: REDIS_PASSWORD }).start());
  const environment = { REDIS_URL: urlOf(proxy), REDIS_TIMEOUT_MS: '5000' };
  const relays: [Stage, Stage] = [await stage(respond, { environment }), await stage(respond, { environment })];
  for (const { port } of relays) await until(() => SealedClient.pair(port).then(Boolean, () => false));
  return {
    relays,
    async failOver() {
      await proxy.failOver(replica.port);
      await master.kill();
    },
    async lag() {
      await caughtUp(master, replica);
      await replica.command('REPLICAOF', 'NO', 'ONE');
    },
  };
}

/** A POST that has run, and whose claim the failover has lost. */
async function lostClaim(urlOf: typeof urlWithoutInfo): Promise<{
  readonly here: Stage;
  readonly there: Stage;
  readonly client: SealedClient;
  readonly message: Uint8Array<ArrayBuffer>;
  readonly n: number;
}> {
  const { relays, lag, failOver } = await scene(urlOf);
  const [here, there] = relays;
  const client = await SealedClient.pair(here.port);
  expect((await client.fetch({ path: '/before' })).head.status).toBe(200);
  await lag();
  const { message, n } = await client.seal(plaintextOf({ method: 'POST', path: '/once' }));
  expect((await client.post(message)).status).toBe(200);
  await failOver();
  return { here, there, client, message, n };
}

async function caughtUp(master: RedisServer, replica: RedisServer): Promise<void> {
  await until(async () => (await master.command('DBSIZE')) === (await replica.command('DBSIZE')));
  await master.command('WAIT', '1', '5000');
}

/** The same session, spoken to through another relay. */
function at(client: SealedClient, { port }: Stage): SealedClient {
  return Object.assign(Object.create(client) as SealedClient, { port });
}

describe.skipIf(REDIS_SERVER === undefined)('a failover that nobody sees (MTE_RELAY_REDIS_SERVER)', () => {
  test('a POST whose claim is lost runs once: neither relay takes it again, and no cancel says that it never ran', async () => {
    const { here, there, client, message, n } = await lostClaim(urlWithoutInfo);
    for (const relay of [there, here]) {
      expect((await at(client, relay).post(message)).code).toBe('session-unknown');
      await expect(at(client, relay).cancel(n)).rejects.toThrow('session-unknown');
    }
    expect([...here.seen, ...there.seen].filter(({ url }) => url === '/once')).toHaveLength(1);
    const again = await SealedClient.pair(there.port);
    expect((await again.fetch({ path: '/after' })).head.status).toBe(200);
  });

  test('without functions, too, no cancel says that a POST never ran', async () => {
    const { here, there, client, message, n } = await lostClaim(urlWithoutFunctions);
    const elsewhere = at(client, there);
    elsewhere.nextN = 10;
    expect(await elsewhere.cancel(n)).toBe(false);
    expect((await client.post(message)).code).toBe('replayed'); // the cancel has claimed it again
    expect([...here.seen, ...there.seen].filter(({ url }) => url === '/once')).toHaveLength(1);
  });

  test.each([
    ['with functions', urlWithoutInfo],
    ['without functions', urlWithoutFunctions],
  ])(
    'a client whose POST is in progress meanwhile fails with may-have-run, and it ran once: %s',
    async (_how, urlOf) => {
      const arrived = Promise.withResolvers<void>();
      const { relays, lag, failOver } = await scene(urlOf, (req, res) => {
        if (req.method === 'POST')
          arrived.resolve(); // and it has no response
        else res.end();
      });
      const [here, there] = relays;
      const wire = endsWithTest(await new TcpForwarder(() => here.port).start());
      const client = sdkClient({ url: wire.url, pin: here.pin });
      expect((await client.fetch('/before')).status).toBe(200);
      await lag();
      const failing = client.fetch('/once', { method: 'POST', body: 'x' }).catch((error: unknown) => error);
      await arrived.promise;
      await failOver();
      wire.reset();
      expect(await failing).toMatchObject({ code: 'may-have-run', mayHaveRun: true });
      expect([...here.seen, ...there.seen].filter(({ url }) => url === '/once')).toHaveLength(1);
    },
  );

  test('a lost connection of one relay ends no session of twenty clients, on either relay', async () => {
    const redis = endsWithTest(await startRedis(...RELAY_USERS));
    const wire = endsWithTest(await new TcpForwarder(() => redis.port).start());
    const relayOver = (port: number): Promise<Stage> =>
      stage(undefined, { environment: { REDIS_URL: urlWithoutInfo({ port }), REDIS_TIMEOUT_MS: '5000' } });
    const [here, there] = [await relayOver(redis.port), await relayOver(wire.port)];
    for (const { port } of [here, there]) await until(() => SealedClient.pair(port).then(Boolean, () => false));
    const clients = await Promise.all(Array.from({ length: 20 }, () => SealedClient.pair(here.port)));
    const posts = (path: string): Promise<number[]> =>
      Promise.all(clients.map(async (client) => (await client.fetch({ method: 'POST', path })).head.status));
    expect(await posts('/before')).toEqual(Array(20).fill(200));
    wire.reset();
    expect(await posts('/while')).toEqual(Array(20).fill(200));
    await until(() => SealedClient.pair(there.port).then(Boolean, () => false));
    // A POST that never arrived: its client learns that it never will, from the relay that lost its connection.
    for (const client of clients) {
      const { n } = await client.seal(plaintextOf({ method: 'POST', path: '/held' }));
      const elsewhere = at(client, there);
      elsewhere.nextN = n + 1;
      expect(await elsewhere.cancel(n)).toBe(true);
    }
    expect([...here.seen, ...there.seen]).toHaveLength(40);
  });
});
