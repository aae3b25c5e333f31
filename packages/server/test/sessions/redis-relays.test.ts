// Two relays over one Redis: any message of a session to either of them.
import { REDIS_SERVER, type RedisServer, startRedis } from '@mte-relay/testing/redis';
import { type OuterResponse, openResponse, plaintextOf, SealedClient, send } from '@mte-relay/testing/sealed-client';
import { type Stage, stage } from '@mte-relay/testing/stage';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { until } from '@mte-relay/testing/until';
import { describe, expect, test } from 'vitest';

async function twoRelays(timeoutMs = 300): Promise<{ redis: RedisServer; relays: [Stage, Stage] }> {
  const redis = endsWithTest(await startRedis());
  const environment = {
    REDIS_URL: redis.url,
    REDIS_TIMEOUT_MS: String(timeoutMs),
    ADMIN_PORT: '0',
    ADMIN_HOST: '127.0.0.1',
  };
  const relays: [Stage, Stage] = [await stage(undefined, { environment }), await stage(undefined, { environment })];
  for (const relay of relays) await until(() => isReady(relay));
  return { redis, relays };
}

async function isReady(relay: Stage): Promise<boolean> {
  return (await readyz(relay)).status === 200;
}

function readyz(relay: Stage): Promise<OuterResponse> {
  return send(relay.relay.adminPort as number, '/readyz', { method: 'GET' });
}

/** The same session, spoken to through another relay. */
function at(client: SealedClient, relay: Stage): SealedClient {
  return Object.assign(Object.create(client) as SealedClient, { port: relay.port });
}

/** A timeout that a busy machine does not reach: a claim that does gets 503. */
const PATIENT_MS = 20_000;

interface Race {
  readonly client: SealedClient;
  readonly message: Uint8Array<ArrayBuffer>;
}

async function sealedRace(relays: readonly [Stage, Stage]): Promise<Race> {
  const client = await SealedClient.pair(relays[0].port);
  const { message } = await client.seal(plaintextOf({ method: 'POST', path: '/race' }));
  return { client, message };
}

function sendHundred({ client, message }: Race, relays: readonly [Stage, Stage]): Promise<OuterResponse[]> {
  return Promise.all(Array.from({ length: 100 }, (_, i) => at(client, relays[i % 2] as Stage).post(message)));
}

/** How often each outcome came. */
function tally(responses: readonly OuterResponse[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status, code } of responses) {
    const outcome = `${status} ${code ?? ''}`.trim();
    counts[outcome] = (counts[outcome] ?? 0) + 1;
  }
  return counts;
}

describe.skipIf(REDIS_SERVER === undefined)('relays over one Redis (MTE_RELAY_REDIS_SERVER)', () => {
  test('consecutive messages of one session alternate between them', async () => {
    const { relays } = await twoRelays();
    const client = await SealedClient.pair(relays[0].port);
    for (let n = 0; n < 20; n += 1) {
      const relay = relays[n % 2] as Stage;
      const { exchange, message } = await client.seal(plaintextOf({ method: 'POST', path: `/${n}`, body: `${n}` }));
      const response = await openResponse(exchange, await at(client, relay).post(message));
      expect(JSON.parse(response.text)).toMatchObject({ url: `/${n}`, body: `${n}` });
    }
    expect(relays.map(({ seen }) => seen.length)).toEqual([10, 10]);
  });

  test('a message that ran on one is refused by the other, and so is one that was cancelled there', async () => {
    const { relays } = await twoRelays();
    const [here, there] = relays;
    const client = await SealedClient.pair(here.port);
    const { message, n } = await client.seal(plaintextOf({ method: 'POST', path: '/once' }));
    expect((await client.post(message)).status).toBe(200);
    const replayed = await at(client, there).post(message);
    expect([replayed.status, replayed.code]).toEqual([409, 'replayed']);
    const held = await client.seal(plaintextOf({ method: 'POST', path: '/held' }));
    const elsewhere = at(client, there);
    elsewhere.nextN = 10;
    expect(await elsewhere.cancel(held.n)).toBe(true);
    expect(await elsewhere.cancel(n)).toBe(false);
    expect((await client.post(held.message)).code).toBe('replayed');
    expect([...here.seen, ...there.seen].map(({ url }) => url)).toEqual(['/once']);
  });

  test('a hundred copies of one message, sent to both at once, run once', async () => {
    const { relays } = await twoRelays(PATIENT_MS);
    const responses = await sendHundred(await sealedRace(relays), relays);
    expect(tally(responses)).toEqual({ '200': 1, '409 replayed': 99 });
    expect(relays[0].seen.length + relays[1].seen.length).toBe(1);
  });

  test('of copies whose claims time out none runs, whatever Redis made of them, and one at most when it is back', async () => {
    const { redis, relays } = await twoRelays();
    const race = await sealedRace(relays);
    redis.freeze(true);
    expect(tally(await sendHundred(race, relays))).toEqual({ '503 unavailable': 100 });
    redis.freeze(false);
    for (const relay of relays) await until(() => isReady(relay));
    const { '200': served = 0, '409 replayed': replayed = 0, ...others } = tally(await sendHundred(race, relays));
    expect(Object.keys(others).filter((outcome) => outcome !== '503 unavailable')).toEqual([]);
    expect(replayed).toBeGreaterThan(0);
    expect(served).toBeLessThanOrEqual(1);
    expect(relays[0].seen.length + relays[1].seen.length).toBe(served);
  });

  test('without Redis: 503 with Retry-After and not ready; with it again, ready and served', async () => {
    const { redis, relays } = await twoRelays();
    const [relay] = relays;
    const client = await SealedClient.pair(relay.port);
    await client.fetch({ path: '/before' });
    await redis.kill();
    const { message } = await client.seal(plaintextOf({ method: 'POST', path: '/down' }));
    const refused = await client.post(message);
    expect([refused.status, refused.code]).toEqual([503, 'unavailable']);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    await expect(SealedClient.pair(relay.port)).rejects.toThrow('503 unavailable');
    expect((await readyz(relay)).status).toBe(503);
    await redis.start();
    await until(() => isReady(relay));
    // The session was lost with the data of Redis: the client must pair again.
    expect((await client.post(message)).code).toBe('session-unknown');
    const again = await SealedClient.pair(relay.port);
    expect((await again.fetch({ path: '/after' })).head.status).toBe(200);
    expect(relay.seen.map(({ url }) => url)).toEqual(['/before', '/after']);
  });

  test('with a Redis that hangs the relay refuses a call within the timeout', async () => {
    const { redis, relays } = await twoRelays();
    const client = await SealedClient.pair(relays[0].port);
    await client.fetch({ path: '/before' });
    redis.freeze(true);
    const startedMs = performance.now();
    const { message } = await client.seal(plaintextOf({ method: 'POST', path: '/hung' }));
    expect((await client.post(message)).code).toBe('unavailable');
    expect(performance.now() - startedMs).toBeLessThan(10_000); // not for as long as it hangs
    redis.freeze(false);
  });
});
