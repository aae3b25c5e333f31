// Cases of SPEC §9.4, made by the twin.
import {
  type CookieItemsCase,
  type CookieRecordCase,
  type CookieRefusedCase,
  type CookieVectors,
  type JarKeysCase,
  type JarKeyValues,
  type Mutation,
  refusedInputs,
} from '../format.ts';
import { type Bytes, hex, join, NONE, text, uint, unhex } from '../twin/bytes.ts';
import {
  type Cookie,
  encodeCookie,
  type JarKey,
  type JarKeys,
  jarKey,
  jarKeysIn,
  keep,
  openRecord,
  recordId,
  sealCookie,
  sealRecord,
} from '../twin/cookies.ts';
import { base64url, fromBase64url } from '../twin/identity.ts';
import { Refused } from '../twin/refused.ts';
import { seeded } from './seeded.ts';

const SECRET = 'a secret of at least thirty-two characters';
const OTHER_SECRET = 'clé secrète, 32 octets au moins: ünïcödé';
const CREATED_UNIX_US = 1_795_000_000_000_001;
const EXPIRES_UNIX_MS = 1_795_000_000_000 + 34_560_000_000; // 400 days
const LARGEST = Number.MAX_SAFE_INTEGER;

const JAR_KEYS = { kept: jarValue('s', 'jar'), session: jarValue('s', 'session jar') };
const OTHER_JAR_KEYS = { kept: jarValue('x', 'another jar'), session: jarValue('x', 'another session jar') };

const LOGIN: Cookie = {
  name: 'sid',
  value: 'c2Vzc2lvbg==',
  domain: 'relay.example',
  path: '/',
  httpOnly: true,
  secure: true,
  hostOnly: true,
  partitioned: false,
  sameSite: 'Lax',
  createdUnixUs: CREATED_UNIX_US,
  expiresUnixMs: EXPIRES_UNIX_MS,
};
const NO_FLAGS = {
  httpOnly: false,
  secure: false,
  hostOnly: false,
  partitioned: false,
  sameSite: 'not given',
} as const;

export function cookieVectors(): CookieVectors {
  const records = recordCases();
  return { jarKeys: jarKeysCases(), records, refused: refusedCases(records), items: itemsCases() };
}

function jarValue(kind: string, label: string): string {
  return kind + base64url(seeded(label, 32));
}

function jarKeysCases(): JarKeysCase[] {
  const { kept, session } = JAR_KEYS;
  const other = OTHER_JAR_KEYS.kept;
  const caseOf = (name: string, https: boolean, ...pairs: string[]): JarKeysCase => {
    const field = pairs.join('; ');
    const { kept: keptKey, session: sessionKey } = jarKeysIn(field, https);
    const json = (key: JarKey) => ({ ...key, jar: hex(key.jar) });
    return {
      name,
      field,
      https,
      ...(keptKey && { kept: json(keptKey) }),
      ...(sessionKey && { session: json(sessionKey) }),
    };
  };
  return [
    caseOf(
      'both over https',
      true,
      `__Host-Http-mte-relay-jar=${kept}`,
      `__Host-Http-mte-relay-session-jar=${session}`,
    ),
    caseOf(
      'both over http, between others',
      false,
      'a=1',
      `mte-relay-session-jar=${session}`,
      'b',
      `mte-relay-jar=${kept}`,
    ),
    caseOf('of a page of another site', true, `__Host-Http-mte-relay-cross-site-jar=${other}`),
    caseOf('of both kinds', false, `mte-relay-cross-site-jar=${other}`, `mte-relay-jar=${kept}`),
    caseOf('a kind under the name of the other', false, `mte-relay-jar=${other}`, `mte-relay-cross-site-jar=${kept}`),
    caseOf('that of the session alone', true, `__Host-Http-mte-relay-session-jar=${session}`),
    caseOf('without the prefix over https', true, `mte-relay-jar=${kept}`),
    caseOf('with the prefix over http', false, `__Host-Http-mte-relay-jar=${kept}`),
    caseOf('a name in another case', false, `MTE-Relay-Jar=${kept}`),
    caseOf('a name with more behind it', false, `mte-relay-jar2=${kept}`),
    caseOf('another kind', false, `mte-relay-jar=y${kept.slice(1)}`),
    caseOf('a kind in upper case', false, `mte-relay-jar=S${kept.slice(1)}`),
    caseOf('a character too few', false, `mte-relay-jar=${kept.slice(0, -1)}`),
    caseOf('a character too many', false, `mte-relay-jar=${kept}A`),
    caseOf('a character of base64', false, `mte-relay-jar=${kept.slice(0, -1)}+`),
    caseOf('padded', false, `mte-relay-jar=${kept}=`),
    caseOf('two of a name', false, `mte-relay-jar=${kept}`, `mte-relay-jar=s${other.slice(1)}`),
    caseOf('two of a name, the first malformed', false, 'mte-relay-jar=planted', `mte-relay-jar=${kept}`),
    caseOf('none', true, 'a=1; b=2'),
  ];
}

function recordCases(): CookieRecordCase[] {
  const caseOf = (name: string, cookie: Cookie, more: { clientIdSecret?: string; jarKeys?: typeof JAR_KEYS } = {}) => {
    const { clientIdSecret = SECRET, jarKeys = JAR_KEYS } = more;
    const id = seeded('client id 0', 16);
    const nonce = seeded(`${name}: cookie nonce`, 16);
    const { jar } = jarKey(cookie.expiresUnixMs === 0 ? jarKeys.session : jarKeys.kept);
    const { cookieBytes, key, record } = sealRecord({ clientIdSecret, id }, jar, nonce, cookie);
    const hexes = { id: hex(id), nonce: hex(nonce), cookieBytes: hex(cookieBytes), key: hex(key) };
    return {
      name,
      clientIdSecret,
      jarKeys,
      cookie,
      ...hexes,
      record,
      recordId: recordId({ clientIdSecret, id }, cookie),
    };
  };
  const cases = [
    caseOf('kept', LOGIN),
    caseOf('of the browser’s session', { ...LOGIN, expiresUnixMs: 0 }),
    caseOf('of another domain than the host', { ...LOGIN, domain: 'example', hostOnly: false, path: '/orders' }),
    caseOf('readable by script, without attributes', { ...LOGIN, ...NO_FLAGS, name: 'theme', value: 'dark' }),
    caseOf('partitioned', { ...LOGIN, partitioned: true, sameSite: 'None' }, { jarKeys: OTHER_JAR_KEYS }),
    caseOf('SameSite Strict', { ...LOGIN, sameSite: 'Strict', expiresUnixMs: 0 }),
    caseOf('latin-1', { ...LOGIN, name: 'caf\xe9', value: '\x80\xff=;"\t', path: '/\xe9\xff' }),
    caseOf('a secret that is not ASCII', LOGIN, { clientIdSecret: OTHER_SECRET }),
    caseOf('without a name', { ...LOGIN, name: '', value: 'alone' }),
    caseOf('shortest', {
      ...LOGIN,
      ...NO_FLAGS,
      name: '',
      value: '',
      domain: '',
      path: '',
      createdUnixUs: 0,
      expiresUnixMs: 0,
    }),
    caseOf('longest', {
      ...LOGIN,
      name: 'n'.repeat(96),
      value: 'v'.repeat(4_000),
      domain: 'd'.repeat(255),
      path: `/${'p'.repeat(8_191)}`,
    }),
    caseOf('largest numbers, all flags', {
      ...LOGIN,
      partitioned: true,
      sameSite: 'Strict',
      createdUnixUs: LARGEST,
      expiresUnixMs: LARGEST,
    }),
  ];
  for (const one of cases) {
    const opened = openRecord(
      { clientIdSecret: one.clientIdSecret, id: unhex(one.id) },
      jarKeysOf(one.jarKeys),
      one.record,
    );
    if (JSON.stringify(opened) !== JSON.stringify(one.cookie))
      throw new Error(`${one.name}: the twin disagrees with itself`);
  }
  return cases;
}

function jarKeysOf({ kept, session }: JarKeyValues): JarKeys {
  return { ...(kept && { kept: jarKey(kept) }), ...(session && { session: jarKey(session) }) };
}

function refusedCases([base, ofSession]: CookieRecordCase[]): CookieRefusedCase[] {
  if (!base || !ofSession) throw new Error('no record case');
  const bytes = fromBase64url(base.record).length;
  const refused: CookieRefusedCase[] = [];
  const add = (name: string, how: Omit<CookieRefusedCase, 'name' | 'base'>, of = base) =>
    refused.push({ name, base: of.name, ...how });
  const flip = (from: number, to: number, mask = 0x01): { mutation: Mutation } => ({
    mutation: { op: 'flip', from, to, step: 1, mask },
  });

  add('kept changed to session', flip(0, 0));
  add('session changed to kept', flip(0, 0), ofSession);
  add('kept of another value', flip(0, 0, 0x02));
  add('nonce changed', flip(1, 16));
  add('sealed cookie changed', flip(17, bytes - 17));
  add('tag changed', flip(bytes - 16, bytes - 1));
  add('any byte changed in its highest bit', flip(0, bytes - 1, 0x80));
  add('truncated', { mutation: { op: 'truncate', from: 0, to: bytes - 1, step: 1 } });
  add('a byte too many', { record: base64url(join(fromBase64url(base.record), uint(1, 0))) });
  add('padded', { record: `${base.record}=` });
  add('a character of another alphabet', { record: base.record.replace(/[-_]/, '/') });
  add('beside another jar key', { jarKeys: OTHER_JAR_KEYS });
  add('beside the jar key of the session alone', { jarKeys: { session: base.jarKeys.session } });
  add('of the session, beside the jar key of 400 days alone', { jarKeys: { kept: base.jarKeys.kept } }, ofSession);
  add('jar keys exchanged', { jarKeys: { kept: base.jarKeys.session, session: base.jarKeys.kept } });
  add('without jar keys', { jarKeys: {} });
  add('jar key of the other kind', { jarKeys: { kept: `x${base.jarKeys.kept.slice(1)}` } });
  add('of another client', { id: hex(seeded('client id 1', 16)) });
  add('under another secret', { clientIdSecret: OTHER_SECRET });

  const cookieBytes = unhex(base.cookieBytes);
  const sealedWell = (name: string, cookie: Bytes, kept = 1) => {
    const { jar } = jarKey(base.jarKeys.kept);
    const owner = { clientIdSecret: base.clientIdSecret, id: unhex(base.id) };
    add(`${name}, sealed well`, { record: sealCookie(owner, kept, jar, unhex(base.nonce), cookie).record });
  };
  const changed = (at: number, ...values: Bytes[]) => {
    const made = cookieBytes.slice();
    made.set(join(...values), at);
    return made;
  };
  sealedWell('kept of another value', cookieBytes, 2);
  sealedWell('an empty cookie', NONE);
  sealedWell('a cookie that ends in its times', cookieBytes.slice(0, 16));
  sealedWell('a cookie that ends before the length of its name', cookieBytes.slice(0, 17));
  sealedWell('a name that is longer than the cookie', changed(17, uint(2, cookieBytes.length)));
  sealedWell('a value that is longer than the cookie', changed(22, uint(2, 0xffff)));
  sealedWell('a domain that is longer than the cookie', changed(36, uint(1, 0xff)));
  sealedWell('a flag of no meaning', changed(0, uint(1, 64)));
  sealedWell('created at 2^53', changed(1, uint(8, 2n ** 53n)));
  sealedWell('expires at 2^53', changed(9, uint(8, 2n ** 53n)));
  if (hex(encodeCookie(LOGIN)) !== base.cookieBytes) throw new Error('the base is not the cookie that is changed here');
  if (hex(cookieBytes.slice(37, 50)) !== hex(text(LOGIN.domain))) throw new Error('the domain stands elsewhere');

  for (const one of refused) confirm(one, one.base === base.name ? base : ofSession);
  return refused;
}

/** The twin must open none of the records that the case stands for. */
function confirm(refused: CookieRefusedCase, base: CookieRecordCase): void {
  const { clientIdSecret, id, jarKeys } = { ...base, ...refused };
  for (const record of refusedRecords(refused, base)) {
    try {
      openRecord({ clientIdSecret, id: unhex(id) }, jarKeysOf(jarKeys), record);
    } catch (error) {
      if (error instanceof Refused) continue;
      throw error;
    }
    throw new Error(`${refused.name}: the twin opens ${record}`);
  }
}

/** The records that a refused case stands for. */
export function refusedRecords({ record, ...refused }: CookieRefusedCase, base: CookieRecordCase): string[] {
  if (record !== undefined) return [record];
  if (!refused.mutation) return [base.record];
  return refusedInputs(refused, fromBase64url(base.record)).map(base64url);
}

function itemsCases(): CookieItemsCase[] {
  const put = (id: string, record = `${id}-1`, seconds: number | '-' = 60) => `+${id}:${seconds}:${record}`;
  const THREE = [put('a'), put('b', 'b-1', '-'), put('c', 'c-1', 34_560_000)].join(' ');
  const caseOf = (name: string, items: string, before = THREE, meanwhile?: string): CookieItemsCase => {
    const sent = keep([], [], before);
    const present = meanwhile === undefined ? sent : keep(sent, [], meanwhile);
    return { name, before, ...(meanwhile !== undefined && { meanwhile }), items, kept: keep(present, sent, items) };
  };
  const numbered = Array.from({ length: 181 }, (_, i) => put(`id-${i}`, `r${i}`)).join(' ');
  return [
    caseOf('put three', `${put('d')} ${put('e', 'e-1', '-')} ${put('f', 'f-1', 34_560_000)}`),
    caseOf('put in place of one, which is then the newest', put('a', 'a-2', '-')),
    caseOf('put twice: the last one counts', `${put('d')} ${put('a', 'a-2')} ${put('d', 'd-2', '-')}`),
    caseOf('delete', '-b'),
    caseOf('delete one that is not there', '-d'),
    caseOf('delete, then put', `-b ${put('b', 'b-2')}`),
    caseOf('put, then delete', `${put('b', 'b-2')} ${put('d')} -d -b`),
    caseOf('ids with each special character', `${put('-_-')} ${put('d')} -d --_-`),
    caseOf('drop the first', '~0'),
    caseOf('drop the last', '~2'),
    caseOf('drop by places in the request, not by those that are left', '~0 ~1'),
    caseOf('drop a place that the request did not have', '~3 ~180'),
    caseOf('drop, then put under the same id', `~0 ${put('a', 'a-2')}`),
    caseOf('put, then drop the one before it under the same id', `${put('a', 'a-2')} ~0`),
    caseOf('drop one that another response has replaced meanwhile', '~0 ~1', THREE, put('a', 'a-2')),
    caseOf('drop one that another response has deleted meanwhile', '~0', THREE, `-a ${put('d')}`),
    caseOf('drop by places in the request, whatever another response has set meanwhile', '~1', THREE, put('a', 'a-2')),
    caseOf('delete one that another response has replaced meanwhile', '-a', THREE, put('a', 'a-2')),
    caseOf('delete all', '*'),
    caseOf('delete all, also of other responses', '*', THREE, put('d')),
    caseOf('delete all, then put', `* ${put('a', 'a-2')} ${put('d')}`),
    caseOf('put, then delete all', `${put('a', 'a-2')} ${put('d')} *`),
    caseOf('put, delete all, then put', `${put('a', 'a-2')} ${put('d')} * ${put('d', 'd-2')}`),
    caseOf(
      'items of another form are ignored',
      `?a a ~ ~x ~-1 ~1.5 ~0x1 - + +d +d:60 +d:x:d-1 +d:60: +:60:d-1 ** *a ${put('e')}`,
    ),
    caseOf('replace one by its place', `~1${put('b', 'b-2')}`),
    caseOf('replace one by its place, under another id', `~0${put('f', 'f-1')}`),
    caseOf('replace one that another response has replaced meanwhile', `~0${put('a', 'a-3')}`, THREE, put('a', 'a-2')),
    caseOf('replace one that another response has deleted meanwhile', `~0${put('a', 'a-3')}`, THREE, `-a ${put('d')}`),
    caseOf('replace a place that the request did not have', `~3${put('d')}`),
    caseOf('records beyond 180 drop those set longest ago', '~0', numbered),
  ];
}
