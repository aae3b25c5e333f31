// Stores in Redis with sessions in them.
import { nodeSuite } from '@mte-relay/protocol/node';
import { TEST_SECRET } from '@mte-relay/testing/settings';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { until } from '@mte-relay/testing/until';
import pino from 'pino';
import { SESSION_LIFETIMES } from '../../src/limits/fixed.ts';
import { RedisSessionStore, type RedisSessionStoreOptions } from '../../src/sessions/redis.ts';
import { parseRedisUrl, type RedisTarget } from '../../src/sessions/redis-url.ts';
import type { NewSession, Session } from '../../src/sessions/store.ts';

export const suite: ReturnType<typeof nodeSuite> = nodeSuite();

let prefixes = 0;

/** A store with a key prefix of its own that is closed after the test. */
export function openStore(url: string, options: Partial<RedisSessionStoreOptions> = {}): RedisSessionStore {
  prefixes += 1;
  const store = endsWithTest(
    new RedisSessionStore({
      target: parseRedisUrl(url) as RedisTarget,
      keyPrefix: `t${prefixes}:`,
      timeoutMs: 500,
      sessionsCachedMax: 10,
      perNetworkMax: 1_000,
      secrets: new Map([['*', [TEST_SECRET]]]),
      suite,
      log: pino({ level: 'silent' }),
      lifetimes: { ...SESSION_LIFETIMES, absoluteMs: 60_000 },
      ...options,
    }),
  );
  return store;
}

export async function openedStore(
  url: string,
  options: Partial<RedisSessionStoreOptions> = {},
): Promise<RedisSessionStore> {
  const store = openStore(url, options);
  await until(() => store.ready);
  return store;
}

export function newSession(): NewSession & { raw: { request: Buffer; response: Buffer } } {
  const request = suite.randomBytes(32);
  const response = suite.randomBytes(32);
  return {
    sid: suite.randomBytes(16),
    requestSecret: suite.importExpandKey(request),
    responseSecret: suite.importExpandKey(response),
    secrets: { request, response },
    raw: { request: Buffer.from(request), response: Buffer.from(response) },
    domain: '*',
    authority: 'relay.example:8443',
    flags: 1,
    clientId: 'the-client',
    network: '192.0.2.1',
  };
}

/** A session that the store holds. */
export async function created(store: RedisSessionStore): Promise<Session> {
  const session = newSession();
  await store.create(session, await store.birth());
  return { ...session, ended: false };
}
