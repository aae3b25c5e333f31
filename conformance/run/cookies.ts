// Cases of SPEC §9.4 for clients: what the client keeps of a response, in the runtime's own storage where it has one. The
// relay's half is in conformance/cookies.test.ts.
import { type Fields, SET_COOKIES_FIELD } from '@mte-relay/protocol';
import { keeper } from '../../packages/client/src/platform/keeper.ts';
import { Cookies } from '../../packages/client/src/session/cookies.ts';
import type { CookieItemsCase } from '../format.ts';
import { type Case, expectSame } from './case.ts';

/** What a record's expiry may differ by, since the client reads the clock. */
const CLOCK_TOLERANCE_SECONDS = 120;

export function cookieItemsCases(cases: readonly CookieItemsCase[]): Case[] {
  return cases.map((one, i) => ({
    name: `cookie records of a client: ${one.name}`,
    async run() {
      // Not a URL, which not every engine has.
      const relay = { origin: `https://relay-${i}.example`, hostname: `relay-${i}.example` } as URL;
      const cookies = new Cookies(relay, globalThis.indexedDB ? keeper : undefined, undefined);
      await cookies.clear();
      await cookies.take(fieldsOf(one.before), []);
      const sent = await recordsOf(cookies);
      if (one.meanwhile !== undefined) await cookies.take(fieldsOf(one.meanwhile), []);
      await cookies.take(fieldsOf(one.items), sent);
      const kept = (await recordsOf(cookies)).map(({ id, record, expiresAtMs }, at) => ({
        id,
        record,
        lifetimeSeconds: lifetimeNear(expiresAtMs, one.kept[at]?.lifetimeSeconds),
      }));
      expectSame(kept, one.kept);
    },
  }));
}

function fieldsOf(items: string): Fields {
  return [[SET_COOKIES_FIELD, items]];
}

async function recordsOf(cookies: Cookies) {
  return (await cookies.send({ sameSite: 'strict', keepalive: false, namesFromScript: [] })).records;
}

/** The expected lifetime if the expiry is close to it. */
function lifetimeNear(expiresAtMs: number | undefined, expected: number | null | undefined): number | null {
  if (expiresAtMs === undefined) return null;
  const seconds = (expiresAtMs - Date.now()) / 1000;
  const isNear = typeof expected === 'number' && Math.abs(seconds - expected) < CLOCK_TOLERANCE_SECONDS;
  return isNear ? expected : Math.round(seconds);
}
