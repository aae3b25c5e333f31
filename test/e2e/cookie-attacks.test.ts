// What an intermediary that ends TLS can do to the cookies of real browsers behind a relay: it plants, replays, forges,
// swaps and strips what is on the outer hop, and reads all of it. At most it logs a user out.

import { freePort } from '@mte-relay/testing/free-port';
import { relayTo } from '@mte-relay/testing/relay';
import { SealedClient } from '@mte-relay/testing/sealed-client';
import { closeServer, listen, serve, urlOf } from '@mte-relay/testing/servers';
import { TestBrowser } from '@mte-relay/testing/test-browser';
import { TestRelay } from '@mte-relay/testing/test-relay';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { CookieApi, PASSED_THROUGH } from './support/cookies/api.ts';
import { BROWSERS, type DrivenBrowser, type DrivenPage, openDriven } from './support/cookies/browsers.ts';
import { type Intercepted, Intermediary } from './support/cookies/intermediary.ts';

/** Users, each at a host of its own, so that its browser is another one than those of the others. */
const USERS = ['planted', 'replayed', 'forged', 'early', 'alice', 'bob', 'stripped', 'unpinned', 'read'] as const;
type User = (typeof USERS)[number];

const SEALED = ['/api/mte', '/api/mte-pair'];
const OPEN_PATH = '/open';
const JAR = /^(?:__Host-Http-)?mte-relay-(?:session-)?jar=/;
const ATTACKER = 'sid=of-the-attacker';
const forgedJar = (name: string): string => `${name}=s${'A'.repeat(43)}; Path=/; HttpOnly; Max-Age=1000`;

describe.each(['Chromium', 'Firefox'] as const)('an intermediary before %s', (name) => {
  const isMissing = BROWSERS[name] === undefined;
  const api = new CookieApi();
  /** Client ids of the requests that the relay has opened. */
  const clientIds: string[] = [];
  let upstream: string;
  let relay: ReturnType<typeof relayTo>;
  let relayPort: number;
  let intermediary: Intermediary;
  let browser: DrivenBrowser;

  beforeAll(async () => {
    if (isMissing) return;
    upstream = urlOf(await listen(api.server));
    relayPort = await freePort();
    intermediary = await new Intermediary(() => relayPort).start();
    const environment = {
      CORS_ORIGINS: USERS.map((user) => originOf(user)).join(','),
      PASS_THROUGH_ROUTES: [...PASSED_THROUGH, OPEN_PATH].join(','),
    };
    const onRequest = ({ clientId }: { clientId: string }): undefined => void clientIds.push(clientId);
    relay = relayTo(upstream, environment, { hooks: { onRequest } });
    await relay.listen(relayPort);
    browser = await openDriven(name);
  });

  afterEach(() => intermediary?.rest());

  afterAll(async () => {
    await browser?.close();
    await relay?.close();
    intermediary?.close();
    closeServer(api.server);
  });

  const originOf = (user: User): string => `http://${user}.localhost:${intermediary.port}`;

  /** Opens the app in a tab of this user. @param pins default: the relay's */
  async function visit(user: User, pins: readonly string[] = [relay.pin]): Promise<Visitor> {
    const page = await browser.newPage();
    const visitor = new Visitor(page, originOf(user), api);
    await visitor.open(pins);
    return visitor;
  }

  const planting = (cookie: string) => (intercepted: Intercepted) => {
    const { headers } = intercepted;
    headers['cookie'] = headers['cookie'] === undefined ? cookie : `${cookie}; ${headers['cookie']}`;
    return undefined;
  };

  describe.skipIf(isMissing)('', () => {
    test('that plants a cookie on sealed requests plants none at the API, with records and without', async () => {
      const visitor = await visit('planted');
      intermediary.onRequest = planting(ATTACKER);
      expect(await visitor.get(OPEN_PATH, globalFetch), 'where nothing is sealed, it does').toContain(ATTACKER);
      expect(await visitor.post('/transfer')).toEqual([]);
      await visitor.get('/login', { set: ['sid=own; Path=/; HttpOnly'] });
      expect(await visitor.post('/transfer')).toEqual(['sid=own']);
      intermediary.onRequest = (intercepted) => {
        Object.assign(intercepted.headers, {
          'mte-relay-script-cookies': ATTACKER,
          'mte-relay-cookies': 'strict',
          'set-cookie': ATTACKER,
        });
        return planting(`${ATTACKER}; mte-relay-jar=s${'A'.repeat(43)}`)(intercepted);
      };
      expect(await visitor.post('/transfer')).not.toContain(ATTACKER);
    });

    test('that replays what it saw before a logout brings no session back', async () => {
      const visitor = await visit('replayed');
      const shown: string[] = [];
      intermediary.onRequest = ({ path, headers }) => {
        if (SEALED.includes(path) && headers['cookie'] !== undefined) shown.push(headers['cookie'] as string);
        return undefined;
      };
      await visitor.get('/login', {
        set: ['sid=first; Path=/; HttpOnly', 'kept=first; Path=/; HttpOnly; Max-Age=600'],
      });
      expect(await visitor.post('/me')).toEqual(['sid=first', 'kept=first']);
      expect(shown.at(-1)).toMatch(JAR);
      await visitor.get('/logout', { set: ['sid=; Path=/; Max-Age=0', 'kept=; Path=/; Max-Age=0'] });
      intermediary.onRequest = ({ headers }) => {
        headers['cookie'] = `sid=first; kept=first; ${shown.at(-1)}`;
        return undefined;
      };
      expect(await visitor.post('/me')).toEqual([]);
      await visitor.open([relay.pin]);
      expect(await visitor.post('/me')).toEqual([]);
      await visitor.get('/login', { set: ['sid=second; Path=/; HttpOnly'] });
      expect(await visitor.post('/me')).toEqual(['sid=second']);
    });

    test('that forges Set-Cookie gives the browser no session of its own', async () => {
      const visitor = await visit('forged');
      await visitor.get('/login', { set: ['sid=own; Path=/; HttpOnly'] });
      intermediary.onResponse = () => [`${ATTACKER}; Path=/; HttpOnly`, 'csrf=of-the-attacker; Path=/'];
      expect(await visitor.post('/me')).toEqual(['sid=own']);
      expect(await visitor.post('/me')).toEqual(['sid=own']);
      expect(await visitor.cookies()).toContain('csrf=of-the-attacker'); // the browser has taken it
      intermediary.onResponse = () => [forgedJar('mte-relay-jar'), forgedJar('mte-relay-session-jar')];
      await visitor.post('/me');
      expect(await visitor.post('/me'), 'logged out').toEqual([]);
      intermediary.rest();
      await visitor.get('/login', { set: ['sid=again; Path=/; HttpOnly'] });
      expect(await visitor.post('/me')).toEqual(['sid=again']);
    });

    test('that has given a browser jar keys before its first visit opens nothing with them', async () => {
      intermediary.onResponse = () => [forgedJar('mte-relay-jar'), forgedJar('mte-relay-session-jar')];
      const visitor = await visit('early');
      await visitor.get('/login', { set: ['sid=own; Path=/; HttpOnly'] });
      expect(await visitor.post('/me')).toEqual(['sid=own']);
      const attacker = await visit('bob');
      expect(await attacker.post('/me')).toEqual([]); // with the same jar keys
      intermediary.rest();
      expect(await visitor.post('/me')).toEqual(['sid=own']);
    });

    test('that swaps the jar keys of two browsers swaps no sessions', async () => {
      const [alice, bob] = [await visit('alice'), await visit('bob')];
      for (const visitor of [alice, bob])
        await visitor.get('/login', { set: [`sid=${visitor === alice ? 'alice' : 'bob'}; Path=/; HttpOnly`] });
      const jars: Record<string, string> = {};
      intermediary.onRequest = ({ host, path, headers }) => {
        if (SEALED.includes(path)) jars[host] = headers['cookie'] as string;
        return undefined;
      };
      expect([await alice.post('/me'), await bob.post('/me')]).toEqual([['sid=alice'], ['sid=bob']]);
      intermediary.onRequest = ({ host, headers }) => {
        headers['cookie'] = jars[host.startsWith('alice') ? 'bob.localhost' : 'alice.localhost'];
        return undefined;
      };
      expect([await alice.post('/me'), await bob.post('/me')]).toEqual([[], []]);
      await alice.open([relay.pin]);
      expect(await alice.post('/me')).toEqual([]);
    });

    test('that strips cookies logs a user out, and no more', async () => {
      const visitor = await visit('stripped');
      await visitor.get('/login', { set: ['sid=own; Path=/; HttpOnly'] });
      intermediary.onRequest = ({ headers }) => {
        delete headers['cookie'];
        return undefined;
      };
      expect(await visitor.post('/me')).toEqual([]);
      intermediary.rest();
      expect(await visitor.post('/me'), 'nothing is lost for good').toEqual(['sid=own']);
    });

    test('that a page without pins paired with does not choose the identity of its later sessions', async () => {
      const attacker = await SealedClient.pair(relayPort);
      await attacker.fetch({ path: '/me' });
      const idOfAttacker = clientIds.at(-1);
      const hostile = await TestRelay.start(99);
      try {
        hostile.parameters = { clientId: attacker.parameters.clientId };
        intermediary.onRequest = ({ path }) => (path.startsWith('/api/mte') ? hostile.port : undefined);
        const victim = await visit('unpinned', []);
        expect(await victim.get('/first'), 'the API has not seen it').toBeNull();
        expect(hostile.ran).toHaveLength(1);
        intermediary.rest();
        clientIds.length = 0;
        await victim.open([relay.pin]);
        await victim.get('/login', { set: ['sid=own; Path=/; HttpOnly'] });
        expect(await victim.post('/me')).toEqual(['sid=own']);
        expect(clientIds).toHaveLength(2);
        expect(clientIds).not.toContain(idOfAttacker);
      } finally {
        await hostile.stop();
      }
    });

    test('that reads every byte finds no HttpOnly value, and no name of one', async () => {
      const visitor = await visit('read');
      const before = intermediary.crossed.length;
      const secret = 'TheSecretOfThisSession-0123456789';
      await visitor.get('/login', {
        set: [`very-own-name=${secret}; Path=/; HttpOnly`, 'readable-name=readable-value; Path=/'],
      });
      expect(await visitor.post('/me')).toEqual([`very-own-name=${secret}`, 'readable-name=readable-value']);
      await visitor.open([relay.pin]);
      expect(await visitor.post('/me')).toEqual([`very-own-name=${secret}`, 'readable-name=readable-value']);
      const wire = intermediary.crossed.subarray(before).toString('latin1');
      for (const form of formsOf(secret)) expect(wire).not.toContain(form);
      expect(wire).not.toContain('very-own-name');
      // The control: the browser itself adds what script may read to the requests of its origin.
      expect(wire).toContain('readable-name=readable-value');
      const named = wire.match(/[\w-]+(?==s[\w-]{43})/g) ?? [];
      expect([...new Set(named)].toSorted()).toEqual(['mte-relay-jar', 'mte-relay-session-jar']);
    });
  });
});

describe('a flood of cookies on the outer hop', () => {
  const FLOOD_CHARACTERS = 28_000;
  const repeated = (text: string): string => text.repeat(FLOOD_CHARACTERS / text.length);
  const FLOODS: Readonly<Record<string, Record<string, string>>> = {
    'no cookie': { 'x-padding': repeated('a') },
    'sealed values of another form': { cookie: repeated('a=mte1.AAA; ') },
    'short cookies': { cookie: repeated('a=1; ') },
    'jar keys': { cookie: repeated(`mte-relay-jar=s${'A'.repeat(43)}; `) },
    'records that are not in the seal': { 'mte-relay-cookies': `strict ${repeated(`${'A'.repeat(120)} `)}` },
  };
  const ROUNDS = 20;
  const REQUESTS_PER_ROUND = 10;
  /** One key derivation for each of the cookies would be fifty times the whole request. */
  const TIMES_MAX = 4;

  test('costs the relay no more than reading it', async () => {
    const backend = await serve((_, res) => res.end());
    const relay = relayTo(backend.url);
    const visitor = await TestBrowser.pair(await relay.listen(0));
    const costs = Object.entries(FLOODS).map(([name, outer]) => ({ name, outer, samples: [] as number[] }));
    for (let round = 0; round < ROUNDS; round += 1)
      for (const { outer, samples } of costs) {
        const before = process.cpuUsage();
        for (let i = 0; i < REQUESTS_PER_ROUND; i += 1) {
          const response = await visitor.fetch({ path: '/', outer });
          expect(response.head.status).toBe(200);
        }
        const { user, system } = process.cpuUsage(before);
        samples.push(user + system);
      }
    await relay.close();
    backend.close();
    const [without, ...others] = costs.map(({ name, samples }) => ({ name, median: medianOf(samples) }));
    for (const { name, median } of others)
      expect(median / (without as { median: number }).median, name).toBeLessThan(TIMES_MAX);
  });
});

function medianOf(samples: readonly number[]): number {
  return samples.toSorted((a, b) => a - b)[Math.floor(samples.length / 2)] as number;
}

/** What a call of the platform, past the relay's client, does. */
const globalFetch = { way: 'platform' } as const;

interface VisitorCall {
  readonly set?: readonly string[];
  readonly method?: string;
  readonly way?: 'fetch' | 'platform';
}

/** A user at one tab. */
class Visitor {
  readonly #page: DrivenPage;
  readonly #origin: string;
  readonly #api: CookieApi;

  constructor(page: DrivenPage, origin: string, api: CookieApi) {
    this.#page = page;
    this.#origin = origin;
    this.#api = api;
  }

  async open(pins: readonly string[]): Promise<void> {
    const params = new URLSearchParams({ relay: this.#origin });
    for (const pin of pins) params.append('pin', pin);
    await this.#page.goto(`${this.#origin}/page?${params}`);
  }

  /** `document.cookie`. */
  async cookies(): Promise<string[]> {
    return (await this.#page.evaluate(() => document.cookie, undefined)).split('; ');
  }

  post(path: string): Promise<readonly string[] | null> {
    return this.get(path, { method: 'POST' });
  }

  /** @returns the cookies that the API saw, null if it saw nothing */
  async get(
    path: string,
    { set = [], method = 'GET', way = 'fetch' }: VisitorCall = {},
  ): Promise<readonly string[] | null> {
    const plan = this.#api.plan({ set });
    const call = {
      way,
      url: `${this.#origin}${path}?plan=${plan}`,
      method,
      credentials: 'include',
      mode: 'cors',
    } as const;
    await this.#page.evaluate((steps) => globalThis.perform(steps), [{ calls: [call] }]);
    return this.#api.seen(plan)?.cookies ?? null;
  }
}

/** A text as it could be on a wire: as it is, in hex, in base64 at each offset. */
function formsOf(text: string): string[] {
  const bytes = Buffer.from(text);
  const encoded = [0, 1, 2].map((skipped) => bytes.subarray(skipped, skipped + 27).toString('base64url'));
  return [text, bytes.toString('hex'), encodeURIComponent(text), ...encoded];
}
