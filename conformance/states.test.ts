// The state machines of SPEC §6 and §7 as vectors: the relay server and the small relay of the tests against scripts of
// messages, and the client's own sessions. client-calls.test.ts has its calls.
import { ProtocolError, startPairing } from '@mte-relay/protocol';
import { xwingKeyPairFromSeed as keyPair, nodeSuite } from '@mte-relay/protocol/node';
import { MiniRelay, type OuterResponse as MiniResponse } from '@mte-relay/testing/mini-relay';
import { REDIS_SERVER, startRedis } from '@mte-relay/testing/redis';
import { SealedClient } from '@mte-relay/testing/sealed-client';
import { stage } from '@mte-relay/testing/stage';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { MemorySessionStore } from '../packages/server/src/sessions/memory.ts';
import { stateVectors } from './providers.ts';
import { playScript, type RelayUnderTest } from './states/relay.ts';
import { type Clocks, playSession, provesLost, sentMsOf } from './states/session.ts';
import { AGE_MAX_MS, IDLE_MS, LIFETIME_MS, MESSAGE_LIMIT } from './twin/relay.ts';

const scripts = stateVectors['relay-states'];
const sessions = stateVectors['client-sessions'];

/** The clocks stand still but where a case moves them; timers and sockets go on. */
function virtualClocks(): Clocks {
  const startMs = Date.now();
  let at = { monotonic: Math.ceil(performance.now()), wall: startMs }; // whole ms, so that no sum rounds down
  vi.spyOn(Date, 'now').mockImplementation(() => at.wall);
  vi.spyOn(performance, 'now').mockImplementation(() => at.monotonic);
  return {
    advance: ({ monotonic, wall }) => {
      at = { monotonic: at.monotonic + monotonic, wall: at.wall + wall };
    },
  };
}

describe('relay-states', () => {
  let clocks: Clocks;
  beforeEach(() => {
    clocks = virtualClocks();
  });
  afterEach(() => void vi.restoreAllMocks());
  const wait = (ms: number): void => clocks.advance({ monotonic: ms, wall: ms });
  const expected = ({ steps }: (typeof scripts.cases)[number]) => steps.map(({ result }) => result);

  test('has the limits of the SPEC', () => {
    const limits = {
      lifetimeMs: LIFETIME_MS,
      idleMs: IDLE_MS,
      messageLimit: MESSAGE_LIMIT,
      messageAgeMaxMs: AGE_MAX_MS,
    };
    expect(scripts.parameters).toEqual(limits);
  });

  test.each(scripts.cases)('the relay server: $name', async (one) => {
    const { port, seen } = await stage();
    const client = await SealedClient.pair(port);
    const under: RelayUnderTest = { client, post: (message) => client.post(message), nowMs: Date.now, wait };
    expect(await playScript(under, one)).toEqual(expected(one));
    expect(seen.length).toBe(expected(one).filter((result) => result === 'runs').length);
  });

  test('the relay server with a store that may lose claims: the same, but nothing is reported as cancelled', async () => {
    const sessions = new ForgetfulStore({ sessionsMax: 1_000, soleInstance: true });
    const { port } = await stage(undefined, { sessions });
    for (const one of scripts.cases.filter(({ needs }) => needs === undefined)) {
      const client = await SealedClient.pair(port);
      const under: RelayUnderTest = { client, post: (message) => client.post(message), nowMs: Date.now, wait };
      const results = expected(one).map((result) => (result === 'cancelled' ? 'already claimed' : result));
      expect(await playScript(under, one), one.name).toEqual(results);
    }
  });

  // Redis has a clock of its own, so that its sessions do not end here.
  test.skipIf(!REDIS_SERVER)('the relay server with Redis: every script without lifetimes', async () => {
    const redis = endsWithTest(await startRedis());
    const { port } = await stage(undefined, { environment: { REDIS_URL: redis.url } });
    for (const one of scripts.cases.filter(({ needs }) => needs === undefined)) {
      const client = await SealedClient.pair(port);
      const under: RelayUnderTest = { client, post: (message) => client.post(message), nowMs: Date.now, wait };
      expect(await playScript(under, one), one.name).toEqual(expected(one));
    }
  });

  test.each(scripts.cases.filter(({ needs }) => needs === undefined))('the small relay: $name', async (one) => {
    let ran = 0;
    const suite = nodeSuite();
    const relay = await MiniRelay.start(
      { suite, keyPair },
      () => ({ status: ran++ < 0 ? 500 : 200 }),
      new Uint8Array(32),
    );
    const pairing = await startPairing(suite, keyPair(new Uint8Array(32)).publicKey, {
      authority: 'a.example',
      flags: 0,
    });
    const reply = (await relay.respond('/api/mte-pair', pairing.message)) as MiniResponse;
    const client = new SealedClient(0, await pairing.finish(reply.body as Uint8Array<ArrayBuffer>), {
      authority: 'a.example',
    });
    const under: RelayUnderTest = { client, post: (message) => postTo(relay, message), nowMs: Date.now, wait };
    expect(await playScript(under, one)).toEqual(expected(one));
    expect(ran).toBe(expected(one).filter((result) => result === 'runs').length);
  });
});

class ForgetfulStore extends MemorySessionStore {
  readonly mayLoseClaims = true;
}

/** The small relay throws what does not open. */
async function postTo(relay: MiniRelay, message: Uint8Array<ArrayBuffer>): ReturnType<RelayUnderTest['post']> {
  try {
    const { status, headers, body } = (await relay.respond('/api/mte', message)) as MiniResponse;
    const whole = body as Uint8Array<ArrayBuffer>;
    const code = status === 200 ? undefined : (JSON.parse(Buffer.from(whole).toString()) as { code: string }).code;
    return { status, headers, body: whole, code };
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return { status: 400, headers: {}, body: new Uint8Array(0), code: error.code };
  }
}

describe('client-sessions', () => {
  let clocks: Clocks;
  beforeEach(() => {
    clocks = virtualClocks();
  });
  afterEach(() => void vi.restoreAllMocks());

  test.each(sessions.sessions)('session: $name', async (one) => {
    expect(await playSession(one, clocks)).toEqual(one.events);
  });

  test.each(sessions.lineages)('lineage: $name', async (one) => {
    expect(await provesLost(one, clocks)).toBe(one.provesLost);
  });

  test.each(sessions.sentTimes)('stated time: $name', async (one) => {
    expect(await sentMsOf(one, clocks)).toEqual([one.sentMs, one.sentMs]);
  });
});
