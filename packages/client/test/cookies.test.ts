// A browser's cookies and identity in the client (SPEC §3.5, §9.4): what it sends, keeps, drops, and shares with the other
// pages of its origin, here through a store that two clients have in common.
import type { SessionParameters } from '@mte-relay/protocol';
import { describe, expect, test } from 'vitest';
import type { CookieRecord, Keeper, KeptIdentity, ScriptCookies } from '../src/platform/platform.ts';
import { type CookieRequest, Cookies } from '../src/session/cookies.ts';
import { ClientIdentity } from '../src/session/identity.ts';
import type { Session } from '../src/session/session.ts';

const RELAY = new URL('https://relay.example');
const REQUEST: CookieRequest = { sameSite: 'strict', keepalive: false, namesFromScript: [] };

/** A store of one origin, which pages share. */
function sharedStore(): Keeper & { readonly kept: Map<string, CookieRecord>; identities: KeptIdentity[] } {
  const kept = new Map<string, CookieRecord>();
  let identity: KeptIdentity | undefined;
  const identities: KeptIdentity[] = [];
  return {
    kept,
    identities,
    async identity(_relay, decide) {
      identity = decide(identity);
      identities.push(identity);
      return identity;
    },
    records: async () => [...kept.values()],
    async changeRecords(_relay, { clear, deleted, repaired, put }) {
      if (clear) kept.clear();
      for (const id of deleted) kept.delete(id);
      for (const { former, next } of repaired) {
        if (kept.get(former.id)?.record !== former.record) continue;
        kept.delete(former.id);
        if (next) kept.set(next.id, next);
      }
      for (const record of put) kept.set(record.id, record);
    },
  };
}

const setting = (...items: string[]) => [['mte-relay-set-cookies', items.join(' ')]] as const;

describe('the cookies of a browser’s client', () => {
  test('are sent as they were set, in their order, with every later request of every page', async () => {
    const store = sharedStore();
    const [one, other] = [new Cookies(RELAY, store, undefined), new Cookies(RELAY, store, undefined)];
    await one.take(setting('+idA:-:recordA', '+idB:60:recordB'), []);
    expect((await other.send(REQUEST)).fields).toEqual([['mte-relay-cookies', 'strict recordA recordB']]);
    await other.take(setting('+idA:-:again', '-idB', '+idC:60:recordC'), []);
    expect((await one.send({ ...REQUEST, sameSite: 'lax' })).fields).toEqual([
      ['mte-relay-cookies', 'lax again recordC'],
    ]);
    await one.take(setting('*', '+idD:60:recordD'), []);
    expect((await other.send(REQUEST)).fields).toEqual([['mte-relay-cookies', 'strict recordD']]);
  });

  test('are dropped by their place in the request, unless another response has replaced them meanwhile', async () => {
    const cookies = new Cookies(RELAY, sharedStore(), undefined);
    await cookies.take(setting('+idA:-:recordA', '+idB:-:recordB', '+idC:-:recordC'), []);
    const { records } = await cookies.send(REQUEST);
    await cookies.take(setting('+idC:-:newer'), []);
    await cookies.take(setting('~0', '~2', '~7', '~-1', '~x'), records);
    expect((await cookies.send(REQUEST)).fields).toEqual([['mte-relay-cookies', 'strict recordB newer']]);
  });

  test('end with their lifetime, and items of an unknown form change nothing', async () => {
    const store = sharedStore();
    const cookies = new Cookies(RELAY, store, undefined);
    await cookies.take(setting('+idA:0:recordA', '+idB:60:recordB', '', '?', '+', '-'), []);
    expect((await cookies.send(REQUEST)).fields).toEqual([['mte-relay-cookies', 'strict recordB']]);
    await expect.poll(() => store.kept.has('idA')).toBe(false);
  });

  test('are at most what a request may carry: the ones that were set longest ago are deleted', async () => {
    const store = sharedStore();
    const cookies = new Cookies(RELAY, store, undefined);
    for (let at = 0; at < 200; at += 1) await cookies.take(setting(`+id${at}:60:record${at}`), []);
    const { records } = await cookies.send(REQUEST);
    expect(records).toHaveLength(180);
    expect(records[0]?.id).toBe('id20');
    await expect.poll(() => store.kept.size).toBe(180);
    await cookies.take(setting(...Array.from({ length: 12 }, (_, at) => `+long${at}:60:${'r'.repeat(5_400)}`)), []);
    const [[, value] = ['', '']] = (await cookies.send(REQUEST)).fields;
    expect(value.length).toBeLessThanOrEqual(32_768 + 'strict '.length);
    expect(value.split(' ')).toHaveLength(7);
  });

  test('last as long as the page where storage does not work', async () => {
    const broken: Keeper = {
      identity: () => Promise.reject(new Error('blocked')),
      records: () => Promise.reject(new Error('blocked')),
      changeRecords: () => Promise.reject(new Error('blocked')),
    };
    for (const keeper of [broken, undefined]) {
      const cookies = new Cookies(RELAY, keeper, undefined);
      expect((await cookies.send(REQUEST)).fields).toEqual([['mte-relay-cookies', 'strict']]);
      await cookies.take(setting('+idA:-:recordA'), []);
      expect((await cookies.send(REQUEST)).fields).toEqual([['mte-relay-cookies', 'strict recordA']]);
    }
  });

  test('a page that is leaving sends what it has read last', async () => {
    const store = sharedStore();
    const cookies = new Cookies(RELAY, store, undefined);
    await cookies.take(setting('+idA:-:recordA'), []);
    store.records = () => new Promise(() => undefined);
    expect((await cookies.send({ ...REQUEST, keepalive: true })).fields).toEqual([
      ['mte-relay-cookies', 'strict recordA'],
    ]);
  });
});

describe('the cookies of a browser’s client, beside other pages of its origin', () => {
  test('that have expired in the memory of one page stay when another page has renewed them', async () => {
    const store = sharedStore();
    const [idle, busy] = [new Cookies(RELAY, store, undefined), new Cookies(RELAY, store, undefined)];
    await idle.take(setting('+sid:0:former'), []);
    await busy.take(setting('+sid:60:renewed'), []);
    await idle.send({ ...REQUEST, keepalive: true }); // as the page is closed
    expect((await busy.send(REQUEST)).fields).toEqual([['mte-relay-cookies', 'strict renewed']]);
  });

  test('that are set after the clock was set back are newer than those before', async () => {
    const store = sharedStore();
    const yearAheadMs = Date.now() + 365 * 24 * 60 * 60 * 1_000;
    for (let at = 0; at < 180; at += 1) {
      store.kept.set(`id${at}`, { id: `id${at}`, record: `record${at}`, setAtMs: yearAheadMs + at });
    }
    const cookies = new Cookies(RELAY, store, undefined);
    await cookies.send(REQUEST);
    await cookies.take(setting('+sid:60:login'), []);
    const { records } = await cookies.send(REQUEST);
    expect(records.at(-1)?.id).toBe('sid');
  });
});

describe('cookies that script may read or has set', () => {
  function page(host: string, cookie = ''): ScriptCookies & { readonly lines: string[] } {
    const lines: string[] = [];
    return {
      host,
      lines,
      read: async () => cookie,
      async set(line) {
        lines.push(line);
      },
    };
  }

  test('are set in a page of the relay’s host, or of a domain that the browser then checks, in UTF-8', async () => {
    const line = (text: string) => ['mte-relay-script-cookie', text] as const;
    const headers = [line('a=gr\u00c3\u00bc\u00c3\u009f; Path=/'), line('b=1; Path=/; Domain=example')];
    for (const [host, expected] of [
      ['relay.example', ['a=grüß; Path=/', 'b=1; Path=/; Domain=example']],
      ['app.example', ['b=1; Path=/; Domain=example']],
    ] as const) {
      const script = page(host);
      await new Cookies(RELAY, undefined, script).take(headers, []);
      expect(script.lines).toEqual(expected);
    }
  });

  test('are sent when the relay lists their names, and no others', async () => {
    const cookies = new Cookies(RELAY, undefined, page('relay.example', 'theme=grün; sid=1; =x; themes=2'));
    expect((await cookies.send(REQUEST)).fields).toHaveLength(1);
    expect((await cookies.send({ ...REQUEST, namesFromScript: ['theme', 'lang'] })).fields).toEqual([
      ['mte-relay-cookies', 'strict'],
      ['mte-relay-script-cookies', 'theme=gr\u00c3\u00bcn'],
    ]);
  });
});

describe('the identity of a browser’s client', () => {
  const sessionOf = (id: string, pin: string): Session =>
    ({ parameters: { clientId: new TextEncoder().encode(id) } as Partial<SessionParameters>, pin }) as Session;
  const nameOf = (id: string): string => Buffer.from(id).toString('base64url');
  const [PIN, NEXT, FOREIGN] = ['sha256-own', 'sha256-next', 'sha256-foreign'];

  test('is sent in later sessions, and not to a relay with a pin that the client does not list', async () => {
    const store = sharedStore();
    const first = new ClientIdentity(RELAY.origin, [PIN, NEXT], store);
    await first.adopt(sessionOf('first', PIN));
    const later = new ClientIdentity(RELAY.origin, [PIN, NEXT], store);
    await later.adopt(sessionOf('second', NEXT)); // the relay has rotated its key
    expect(later.fieldsIn(sessionOf('second', NEXT))).toEqual([['mte-relay-client-id', nameOf('first')]]);
    const foreign = new ClientIdentity(RELAY.origin, [FOREIGN], store);
    await foreign.adopt(sessionOf('third', FOREIGN));
    expect(foreign.fieldsIn(sessionOf('third', FOREIGN))).toEqual([]);
  });

  test('that an intermediary hands out under its own key is not taken by a pinned client', async () => {
    const store = sharedStore();
    await new ClientIdentity(RELAY.origin, [FOREIGN], store).adopt(sessionOf('of-the-attacker', FOREIGN));
    const pinned = new ClientIdentity(RELAY.origin, [PIN], store);
    await pinned.adopt(sessionOf('own', PIN));
    expect(pinned.fieldsIn(sessionOf('later', PIN))).toEqual([['mte-relay-client-id', nameOf('own')]]);
    expect(store.identities.at(-1)).toEqual({ token: nameOf('own'), pin: PIN });
  });

  test('is replaced by a renewed one, and by that of the session when the relay does not know it', async () => {
    const store = sharedStore();
    const identity = new ClientIdentity(RELAY.origin, [PIN], store);
    await identity.adopt(sessionOf('old', PIN));
    const sent = identity.fieldsIn(sessionOf('later', PIN));
    expect(await identity.take(sessionOf('later', PIN), [['mte-relay-client-id', nameOf('renewed')]], sent)).toBe(
      false,
    );
    expect(identity.fieldsIn(sessionOf('later', PIN))).toEqual([['mte-relay-client-id', nameOf('renewed')]]);
    const resent = identity.fieldsIn(sessionOf('later', PIN));
    expect(await identity.take(sessionOf('later', PIN), [['mte-relay-client-id', 'unknown']], resent)).toBe(true);
    expect(identity.fieldsIn(sessionOf('later', PIN))).toEqual([]);
    expect(store.identities.at(-1)?.token).toBe(nameOf('later'));
    const other = new ClientIdentity(RELAY.origin, [PIN], store);
    await other.adopt(sessionOf('x', PIN));
    expect(await other.take(sessionOf('y', PIN), [['x', 'y']], [])).toBe(false);
  });

  test('that the relay does not know is replaced once, however many responses state it', async () => {
    const store = sharedStore();
    const identity = new ClientIdentity(RELAY.origin, [PIN], store);
    await identity.adopt(sessionOf('expired', PIN));
    const cookies = new Cookies(RELAY, store, undefined);
    const unknown = [['mte-relay-client-id', 'unknown']] as const;
    // Three requests were sent with the expired identity, the last in a later session. Each response sets a cookie.
    const sessions = [sessionOf('one', PIN), sessionOf('one', PIN), sessionOf('two', PIN)];
    const requests = sessions.map((session) => ({ session, sent: identity.fieldsIn(session) }));
    for (const [at, { session, sent }] of requests.entries()) {
      if (await identity.take(session, unknown, sent)) await cookies.clear();
      await cookies.take(setting(`+id${at}:60:record${at}`), []);
    }
    expect(identity.fieldsIn(sessionOf('one', PIN))).toEqual([]);
    expect((await cookies.send(REQUEST)).fields).toEqual([['mte-relay-cookies', 'strict record0 record1 record2']]);
  });

  test('of a page whose site data was deleted is stored again, so that other pages share its cookies', async () => {
    const store = sharedStore();
    const open = new ClientIdentity(RELAY.origin, [PIN], store);
    await open.adopt(sessionOf('of-the-open-page', PIN));
    await store.identity(RELAY.origin, () => undefined as unknown as KeptIdentity); // the user deletes the site data
    await open.adopt(sessionOf('its-next-session', PIN));
    const later = new ClientIdentity(RELAY.origin, [PIN], store);
    await later.adopt(sessionOf('of-a-later-page', PIN));
    const any = sessionOf('any', PIN);
    expect(later.fieldsIn(any)).toEqual(open.fieldsIn(any));
  });
});
