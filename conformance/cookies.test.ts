// Cases of SPEC §9.4 for relays: jar keys, cookie records and their ids. Only the relay server makes them, so they run in
// Node alone. Last, what the browser of the server's tests keeps; run/cookies.ts has the client's own half.
import { xwingKeyPairFromSeed as keyPair, nodeSuite } from '@mte-relay/protocol/node';
import { TestBrowser } from '@mte-relay/testing/test-browser';
import { describe, expect, it } from 'vitest';
import type { Cookie, SameSite } from '../packages/server/src/http/cookie.ts';
import {
  CookieRecords,
  RECORD_MAX_CHARACTERS,
  RECORD_MIN_CHARACTERS,
} from '../packages/server/src/secrets/cookie-records.ts';
import { type JarKey, type JarKeys, readJarKeys } from '../packages/server/src/secrets/jar-keys.ts';
import { refusedRecords } from './cases/cookies.ts';
import type { CookieRecordCase, JarKeyJson, JarKeyValues } from './format.ts';
import { vectors } from './providers.ts';
import { unhex } from './run/case.ts';
import { withRandomness } from './run/fixed-suite.ts';
import { hex } from './twin/bytes.ts';
import type { Cookie as TwinCookie } from './twin/cookies.ts';

const { jarKeys, records, refused, items } = vectors.cookies;
const OTHER_SECRET = 'another secret of thirty-two characters';
const SAME_SITES: Readonly<Record<TwinCookie['sameSite'], SameSite>> = {
  'not given': '',
  None: 'none',
  Lax: 'lax',
  Strict: 'strict',
};

it.each(jarKeys)('jar keys: $name', ({ field, https, kept, session }) => {
  const seen = readJarKeys(field, https);
  expect({ kept: jsonOf(seen.kept), session: jsonOf(seen.session) }).toEqual({ kept, session });
});

describe.each(records)('record: $name', (one) => {
  const { record, recordId, clientIdSecret, nonce } = one;
  const cookie = cookieOf(one.cookie);
  const id = base64url(one.id);
  const keys = keysOf(one.jarKeys);
  const jar = keys[CookieRecords.lifeOf(cookie)] as JarKey;

  it('is what the relay seals with this nonce', () => {
    const suite = withRandomness({ suite: nodeSuite(), keyPair }, { bytes: [unhex(nonce)] });
    expect(new CookieRecords(suite, [clientIdSecret]).seal(cookie, id, jar.digest)).toBe(record);
  });

  it('opens', () => {
    expect(recordsUnder(clientIdSecret).open(record, id, keys)).toEqual({ cookie, isOld: false });
  });

  it('opens under the old secret of two', () => {
    const { open, ids } = openerOf(OTHER_SECRET, clientIdSecret);
    expect(open(record)).toEqual({ cookie, isOld: true });
    expect(ids()[1]).toBe(recordId);
  });

  it('opens after it was sealed with another nonce', () => {
    const ours = recordsUnder(clientIdSecret);
    const sealed = ours.seal(cookie, id, jar.digest);
    expect(sealed).not.toBe(record);
    expect(ours.open(sealed, id, keys)?.cookie).toEqual(cookie);
  });

  it('has its id', () => {
    expect(recordsUnder(clientIdSecret).idsOf(cookie, id)).toEqual([recordId]);
  });

  function openerOf(...secrets: string[]) {
    const ours = new CookieRecords(nodeSuite(), secrets);
    return { open: (text: string) => ours.open(text, id, keys), ids: () => ours.idsOf(cookie, id) };
  }
});

it.each(refused)('record that does not open: $name', (one) => {
  const base = records.find(({ name }) => name === one.base) as CookieRecordCase;
  const { clientIdSecret, id, jarKeys: shown } = { ...base, ...one };
  const ours = recordsUnder(clientIdSecret);
  for (const record of refusedRecords(one, base))
    expect(ours.open(record, base64url(id), keysOf(shown))).toBeUndefined();
});

it('the relay bounds a record by the shortest and the longest one', () => {
  const lengths = records.map(({ record }) => record.length);
  expect([Math.min(...lengths), Math.max(...lengths)]).toEqual([RECORD_MIN_CHARACTERS, RECORD_MAX_CHARACTERS]);
});

it.each(items)('records that the browser of the tests keeps: $name', ({ before, meanwhile, items: field, kept }) => {
  const browser = new TestBrowser();
  browser.keep(fieldsOf(before));
  const sent = [...browser.records];
  if (meanwhile !== undefined) browser.keep(fieldsOf(meanwhile));
  browser.keep(fieldsOf(field), sent);
  expect([...browser.records]).toEqual(kept.map(({ id, record }) => [id, record]));
});

function fieldsOf(field: string): [string, string][] {
  return [['mte-relay-set-cookies', field]];
}

function recordsUnder(clientIdSecret: string): CookieRecords {
  return new CookieRecords(nodeSuite(), [clientIdSecret]);
}

/** As the relay would read them from the outer hop. */
function keysOf({ kept, session }: JarKeyValues): JarKeys {
  const nameOf = (value: string, rest: string): string =>
    `mte-relay-${value.startsWith('x') ? 'cross-site-' : ''}${rest}`;
  const pairs = [
    ...(kept ? [`${nameOf(kept, 'jar')}=${kept}`] : []),
    ...(session ? [`${nameOf(session, 'session-jar')}=${session}`] : []),
  ];
  return readJarKeys(pairs.join('; '), false);
}

function jsonOf(key: JarKey | undefined): JarKeyJson | undefined {
  return key && { value: key.value, kind: key.isCrossSite ? 'cross-site' : 'same-site', jar: hex(key.digest) };
}

function cookieOf(cookie: TwinCookie): Cookie {
  const { httpOnly, secure, hostOnly, partitioned, sameSite, createdUnixUs, expiresUnixMs, ...texts } = cookie;
  return {
    ...texts,
    isHttpOnly: httpOnly,
    isSecure: secure,
    isHostOnly: hostOnly,
    isPartitioned: partitioned,
    sameSite: SAME_SITES[sameSite],
    createdUs: createdUnixUs,
    expiresMs: expiresUnixMs,
  };
}

function base64url(digits: string): string {
  return Buffer.from(digits, 'hex').toString('base64url');
}
