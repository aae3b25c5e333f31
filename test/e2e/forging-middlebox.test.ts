// An intermediary that ends TLS forwards a sealed POST, lets it run, drops the response and forges a refusal. The
// client must not run the request twice, whatever is forged and however the cancel is treated (SPEC §7).
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { RelayClientError } from '@mte-relay/client';
import { PERSISTENCE, REDIS_SERVER, type RedisServer, startRedis } from '@mte-relay/testing/redis';
import { SealedClient } from '@mte-relay/testing/sealed-client';
import { closeServer, listen, urlOf } from '@mte-relay/testing/servers';
import { until } from '@mte-relay/testing/until';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type RelayPair, sdk, startRelayPair } from './support/relay-pair.ts';

const MESSAGE_TYPE_AT = 1;
const TYPE_CANCEL = 2;

type Forgery = '401' | '503' | 'reset' | 'garbage';

interface Plan {
  readonly forgery: Forgery;
  /** Cancels are let through, or their responses dropped likewise. */
  readonly cancels: 'pass' | 'forge';
  /** The first exchange is not forwarded at all, to be delivered later. */
  readonly keeps?: boolean;
  /** Called between the response and its forgery. */
  readonly before?: () => Promise<unknown>;
}

interface Intermediary {
  readonly url: string;
  plan: Plan | undefined;
  readonly forged: string[];
  kept: { readonly body: Buffer; readonly headers: IncomingMessage['headers'] } | undefined;
  close(): void;
}

const PROBLEMS = {
  '401': { status: 401, code: 'session-unknown' },
  '503': { status: 503, code: 'unavailable' },
} as const;

/** Forwards everything, and under a plan drops the responses of exchanges. */
async function startIntermediary(relayPort: number): Promise<Intermediary> {
  const agent = new Agent({ keepAlive: true });
  const server = createServer((req, res) => {
    const parts: Buffer[] = [];
    req.on('data', (part: Buffer) => parts.push(part));
    req.on('end', () => forward(req, res, Buffer.concat(parts)));
  });
  const forward = (req: IncomingMessage, res: ServerResponse, body: Buffer): void => {
    const { plan } = intermediary;
    const isExchange = req.url === '/api/mte' && req.method === 'POST';
    const isCancel = isExchange && body[MESSAGE_TYPE_AT] === TYPE_CANCEL;
    const forge = plan && isExchange && (!isCancel || plan.cancels === 'forge');
    if (plan?.keeps && isExchange && !isCancel) {
      intermediary.kept = { body, headers: req.headers };
      intermediary.plan = undefined;
      invent(res, plan.forgery);
      return;
    }
    const options = {
      port: relayPort,
      host: '127.0.0.1',
      path: req.url,
      method: req.method,
      headers: req.headers,
      agent,
    };
    const out = request(options, (response) => {
      const content: Buffer[] = [];
      response.on('data', (part: Buffer) => content.push(part));
      response.on('end', () => {
        if (!forge) {
          res.writeHead(response.statusCode as number, response.rawHeaders);
          res.end(Buffer.concat(content));
          return;
        }
        intermediary.forged.push(`${isCancel ? 'cancel' : 'exchange'} ${response.statusCode}`);
        void Promise.resolve(plan.before?.()).then(() => invent(res, plan.forgery));
      });
    });
    out.on('error', () => res.destroy());
    out.end(body);
  };
  const intermediary: Intermediary = {
    url: urlOf(await listen(server)),
    plan: undefined,
    forged: [],
    kept: undefined,
    close() {
      closeServer(server);
      agent.destroy();
    },
  };
  return intermediary;
}

function invent(res: ServerResponse, forgery: Forgery): void {
  if (forgery === 'reset') return void res.socket?.resetAndDestroy();
  if (forgery === 'garbage') {
    res.writeHead(200, { 'content-type': 'application/mte-relay' });
    return void res.end(Buffer.alloc(200, 7));
  }
  const { status, code } = PROBLEMS[forgery];
  const headers = { 'content-type': 'application/problem+json', 'retry-after': '0' };
  res.writeHead(status, headers);
  res.end(JSON.stringify({ type: 'about:blank', title: 'made up', status, code }));
}

const PLANS: Plan[] = (['401', '503', 'reset', 'garbage'] as const).flatMap((forgery) => [
  { forgery, cancels: 'pass' },
  { forgery, cancels: 'forge' },
]);

describe.each(['memory', 'redis'] as const)('with sessions in %s', (store) => {
  const skipped = store === 'redis' && REDIS_SERVER === undefined;
  let redis: RedisServer | undefined;
  let relays: RelayPair;
  let intermediary: Intermediary;

  beforeAll(async () => {
    if (skipped) return;
    if (store === 'redis') redis = await startRedis(...PERSISTENCE);
    // In memory the two relays would not know each other's sessions; the intermediary speaks to one.
    relays = await startRelayPair({ SOLE_INSTANCE: 'true', ...(redis && { REDIS_URL: redis.url }) });
    if (store === 'memory') await relays.kill(1);
    intermediary = await startIntermediary(store === 'memory' ? relays.port(0) : relays.balancer.port);
  });
  afterAll(async () => {
    intermediary?.close();
    await relays?.close();
    await redis?.remove();
  });

  test.skipIf(skipped).each(PLANS)('a POST runs once: $forgery forged, cancels $cancels', async (plan) => {
    const client = sdk({ url: intermediary.url, pin: relays.pin });
    const id = `${store}-${plan.forgery}-${plan.cancels}`;
    // A session that is confirmed and in use, as it would be.
    await (await client.fetch('/warm', { method: 'POST', body: `${id}-warm` })).text();
    intermediary.forged.length = 0;
    intermediary.plan = plan;
    const failure: unknown = await client
      .fetch('/orders', { method: 'POST', body: id })
      .then((response) => response.status)
      .catch((error: unknown) => error);
    intermediary.plan = undefined;
    expect(failure).toBeInstanceOf(RelayClientError);
    expect((failure as RelayClientError).mayHaveRun).toBe(true);
    // It did run, once, and the intermediary did drop that very response.
    expect(relays.ran.filter((ran) => ran === id)).toEqual([id]);
    expect(intermediary.forged[0]).toBe('exchange 200');
    expect(intermediary.forged.filter((entry) => entry.startsWith('exchange'))).toHaveLength(1);
    client.close();
  });

  test.skipIf(skipped)(
    'a POST that the intermediary kept is sent again, and its original, delivered later, never runs',
    async () => {
      const client = sdk({ url: intermediary.url, pin: relays.pin });
      await (await client.fetch('/warm', { method: 'POST', body: `${store}-warm` })).text();
      intermediary.plan = { forgery: '503', cancels: 'pass', keeps: true };
      const response = await client.fetch('/orders', { method: 'POST', body: `${store}-kept` });
      expect(response.status).toBe(200);
      const { body, headers } = intermediary.kept as NonNullable<Intermediary['kept']>;
      const late = await fetch(`${intermediary.url}/api/mte`, {
        method: 'POST',
        headers: { 'content-type': headers['content-type'] as string },
        body: new Uint8Array(body),
      });
      expect([late.status, ((await late.json()) as { code: string }).code]).toEqual([409, 'replayed']);
      expect(relays.ran.filter((ran) => ran === `${store}-kept`)).toHaveLength(1);
      client.close();
    },
  );

  if (store === 'memory') return;
  test.skipIf(skipped)('nor does a POST run twice when Redis is emptied under it', async () => {
    const client = sdk({ url: intermediary.url, pin: relays.pin });
    await (await client.fetch('/warm', { method: 'POST', body: 'emptied-warm' })).text();
    // The intermediary lets it run, makes Redis forget the session and then refuses: the cancel truly finds no session.
    intermediary.plan = { forgery: '401', cancels: 'pass', before: () => (redis as RedisServer).command('FLUSHALL') };
    const failure: unknown = await client
      .fetch('/orders', { method: 'POST', body: 'emptied' })
      .catch((error: unknown) => error);
    intermediary.plan = undefined;
    expect(failure).toBeInstanceOf(RelayClientError);
    expect((failure as RelayClientError).mayHaveRun).toBe(true);
    expect(relays.ran.filter((ran) => ran === 'emptied')).toHaveLength(1);
    client.close();
  });

  test.skipIf(skipped)('nor when Redis restarts with its data, and its slow clock is set forward', async () => {
    const server = redis as RedisServer;
    const minutesAgo = (minutes: number): string => String(Date.now() - minutes * 60_000);
    const states = (...facts: string[]): Promise<unknown> => server.command('HSET', 'mte-relay:{store}', ...facts);
    await states('epoch', minutesAgo(20), 'since', minutesAgo(120));
    const client = sdk({ url: intermediary.url, pin: relays.pin });
    await (await client.fetch('/warm', { method: 'POST', body: 'clock-warm' })).text();
    const restart = async (): Promise<void> => {
      await server.kill();
      await server.start();
      for (const index of [0, 1]) await until(() => serves(relays.port(index)));
      await states('epoch', minutesAgo(10)); // newer than the old line, and older than the POST
    };
    intermediary.plan = { forgery: '401', cancels: 'pass', before: restart };
    const failure: unknown = await client
      .fetch('/orders', { method: 'POST', body: 'clock' })
      .catch((error: unknown) => error);
    intermediary.plan = undefined;
    expect(failure).toBeInstanceOf(RelayClientError);
    expect((failure as RelayClientError).mayHaveRun).toBe(true);
    expect(relays.ran.filter((ran) => ran === 'clock')).toHaveLength(1);
    client.close();
  });
});

/** Whether a relay can pair, and so has its store. */
async function serves(port: number): Promise<boolean> {
  return SealedClient.pair(port).then(Boolean, () => false);
}
