// Cookies (SPEC §9.4, RFC 6265bis): what the upstream sets, what a browser shows, jar keys, records of the relay and of the
// client; and what else the relay signs or seals: client ids, sessions.
import { type Bytes, FIELD_VALUE, SET_COOKIES_FIELD } from '@mte-relay/protocol';
import { nodeSuite } from '@mte-relay/protocol/node';
import * as twin from '../../../conformance/twin/cookies.ts';
import { Cookies } from '../../../packages/client/src/session/cookies.ts';
import {
  type Cookie,
  type CookieRequest,
  compareCookies,
  isSentWith,
  pairOf,
  pairsIn,
  takeCookie,
  writableDefaultPath,
} from '../../../packages/server/src/http/cookie.ts';
import { parseSetCookie, withinDomain, withPath } from '../../../packages/server/src/http/set-cookie.ts';
import { ClientIds } from '../../../packages/server/src/secrets/client-id.ts';
import { CookieRecords } from '../../../packages/server/src/secrets/cookie-records.ts';
import { isJarName, readJarKeys, setsJarKey, withoutJarKeys } from '../../../packages/server/src/secrets/jar-keys.ts';
import { SessionSealer } from '../../../packages/server/src/sessions/record.ts';
import { ClientValues } from '../../../packages/server/src/upstream/client-value.ts';
import { bytesOf, fromHex, holds, latin1, parsed, same, type Target, texts } from '../engine/target.ts';
import { vectors } from './vectors.ts';

const suite = nodeSuite();
const NOW_MS = 1_795_000_000_000;
const file = vectors('cookies');
const [firstRecord] = file.records as [(typeof file.records)[number]];
const { clientIdSecret } = firstRecord;
const records = new CookieRecords(suite, [clientIdSecret]);
const clientId = Buffer.from(firstRecord.id, 'hex').toString('base64url');
const JARS = readJarKeys(
  `mte-relay-jar=${firstRecord.jarKeys.kept}; mte-relay-session-jar=${firstRecord.jarKeys.session}`,
  false,
);

const ATTRIBUTES = texts(
  '; Path=/',
  '; Path=/a',
  '; Domain=example',
  '; Domain=.relay.example',
  '; Domain=co.uk',
  '; Max-Age=60',
  '; Max-Age=-1',
  '; Max-Age=99999999999999999999',
  '; Expires=Wed, 09 Jun 2027 10:18:14 GMT',
  '; Expires=x',
  '; SameSite=None',
  '; SameSite=Strict',
  '; Secure',
  '; HttpOnly',
  '; Partitioned',
  '__Host-',
  '__Secure-',
  '=',
  ';',
  ' ',
  '\t',
  ', ',
  '"',
  'mte-relay-jar=',
  '__Host-Http-mte-relay-jar=',
  `s${'a'.repeat(43)}`,
);

const REQUESTS: readonly CookieRequest[] = [
  { host: 'relay.example', path: '/a/b', isHttps: true, context: 'strict' },
  { host: 'www.relay.example', path: '/', isHttps: true, context: 'lax' },
  { host: 'relay.example', path: '/a', isHttps: false, context: 'none' },
  { host: 'localhost', path: '/a/', isHttps: false, context: 'strict' },
  { host: '[::1]', path: '/', isHttps: true, context: 'none' },
  { host: 'a.co.uk', path: '/a/b', isHttps: true, context: 'strict' },
];

const setCookie: Target = {
  name: 'set-cookie',
  corpus: texts(
    'sid=abc; Path=/; HttpOnly; Secure; SameSite=Lax',
    'a=voil\xc3\xa0',
    'a=b',
    '=value',
    'name',
    'a=b; Path=/base/voil\xc3\xa0',
    'a=b; Domain=relay.example; Max-Age=60',
    '__Host-a=b; Secure; Path=/',
    'a=b; Expires=Wed, 09 Jun 2027 10:18:14 GMT; SameSite=None; Secure; Partitioned',
    'a="q;x"; path=/a; PATH=/b',
  ),
  dictionary: ATTRIBUTES,
  maxBytes: 9000,
  check(input, choices) {
    const text = latin1(input);
    const request = choices.pick(REQUESTS);
    const cookie = takeCookie(text, request, NOW_MS);
    rewritten(text, request.host);
    if (!cookie) return 'ignored';
    holds(cookie.name.length + cookie.value.length <= 4096, 'a cookie is bounded');
    holds(
      cookie.expiresMs === 0 || cookie.expiresMs <= NOW_MS + 400 * 86_400_000,
      'a cookie lives for 400 days at most',
    );
    holds(request.host === cookie.domain || request.host.endsWith(`.${cookie.domain}`), 'a cookie is of its host');
    const pair = pairOf(cookie);
    holds(!pair.includes(';'), 'a cookie does not become two');
    if (FIELD_VALUE.test(text)) {
      const { name, value } = cookie;
      same({ name, value }, pairIn(text), 'name and value are those of the text');
      same(pairsIn(pair), [{ name, value }], 'the upstream reads one pair, the same');
    }
    const sent = isSentWith(cookie, request, NOW_MS);
    if (cookie.expiresMs !== 0 && cookie.expiresMs <= NOW_MS) holds(!sent, 'an expired cookie is not sent');
    same(compareCookies(cookie, cookie), 0, 'a cookie is in no order with itself');
    sealedAndOpened(cookie);
    return `${cookie.name === ''} ${cookie.isHostOnly} ${cookie.isSecure} ${cookie.sameSite} ${cookie.expiresMs > 1} ${sent}`;
  },
};

/** RFC 6265bis §5.6, steps 1 to 4. */
function pairIn(setCookie: string): { name: string; value: string } {
  const [pair = ''] = setCookie.split(';');
  const equalsAt = pair.indexOf('=');
  const withoutSpace = (text: string): string => text.replace(/^[ \t]+/, '').replace(/[ \t]+$/, '');
  if (equalsAt < 0) return { name: '', value: withoutSpace(pair) };
  return { name: withoutSpace(pair.slice(0, equalsAt)), value: withoutSpace(pair.slice(equalsAt + 1)) };
}

function sealedAndOpened(cookie: Cookie): void {
  const life = CookieRecords.lifeOf(cookie);
  const jar = JARS[life];
  holds(jar !== undefined, 'both jar keys are read');
  const opened = records.open(records.seal(cookie, clientId, jar.digest), clientId, JARS);
  same(opened?.cookie, cookie, 'a record opens to its cookie');
}

const REWRITING = new ClientValues('http://upstream:3000', '/base');

/** What is made of the text for a client that keeps its cookies itself. */
function rewritten(text: string, host: string): void {
  const within = withinDomain(text, host);
  same(withinDomain(within, host), within, 'without domains of others, a cookie stays as it is');
  holds(within.length <= text.length, 'removing a domain adds nothing');
  const cookie = parseSetCookie(text);
  if (cookie) {
    const { path } = cookie;
    if (path !== undefined) holds(text.includes(path) && !/^[ \t]|[ \t]$/.test(path), 'a path is as it is written');
    const moved = parseSetCookie(`${cookie.name}=${cookie.value}${withPath(cookie.attributes, '/moved')}`);
    same(moved?.path, '/moved', 'a moved cookie has its new path');
    same([moved?.name, moved?.value], [cookie.name, cookie.value], 'a moved cookie has its name and value');
  }
  REWRITING.of('set-cookie', text, host);
  holds(!writableDefaultPath(text).includes(';'), 'a default path can be written');
  setsJarKey(text);
}

const cookieField: Target = {
  name: 'cookie field',
  corpus: [
    ...texts('a=b; c=d', 'mte-relay-jar=x; a=b', ' ; ;=;', 'a'),
    ...file.jarKeys.map(({ field }) => bytesOf(field)),
  ],
  dictionary: ATTRIBUTES,
  check(input, choices) {
    const text = latin1(input);
    const isHttps = choices.below(2) === 0;
    const others = withoutJarKeys(text);
    if (others !== undefined) {
      same(withoutJarKeys(others), others, 'without jar keys, a field stays as it is');
      holds(!pairsIn(others).some(({ name }) => isJarName(name)), 'no jar key is left');
      same([readJarKeys(others, true), readJarKeys(others, false)], [{}, {}], 'no jar key can be read');
    }
    const keys = readJarKeys(text, isHttps);
    const field = pairsIn(text).map(pairOf).join('; ');
    const expected = twin.jarKeysIn(field, isHttps);
    same(
      [keys.kept?.value, keys.session?.value],
      [expected.kept?.value, expected.session?.value],
      'relay and twin agree',
    );
    return `${others === undefined} ${others === text} ${keys.kept !== undefined} ${keys.session?.isCrossSite}`;
  },
};

const OWNER = { clientIdSecret, id: fromHex(firstRecord.id) };
const TWIN_JARS = twin.jarKeysIn(
  `mte-relay-jar=${firstRecord.jarKeys.kept}; mte-relay-session-jar=${firstRecord.jarKeys.session}`,
  false,
);

const record: Target = {
  name: 'cookie record',
  corpus: file.records.map(({ record: text }) => bytesOf(text)),
  dictionary: texts('A', '-', '_', '=', '+', '/'),
  maxBytes: 18_000,
  check(input, choices) {
    const text = latin1(input);
    const opened = records.open(text, clientId, JARS);
    if (choices.below(8) === 0 && text.length < 2000) {
      const expected = parsed(() => twin.openRecord(OWNER, TWIN_JARS, text));
      // The relay refuses by length too, before it derives a key.
      if (opened || text.length > 60) same(opened === undefined, expected.code !== undefined, 'relay and twin agree');
    }
    return opened ? 'opened' : 'refused';
  },
};

/** A record of any plaintext: another version of the relay may have sealed it. */
const recordContent: Target = {
  name: 'content of a cookie record',
  corpus: file.records.map(({ cookieBytes }) => fromHex(cookieBytes)),
  dictionary: texts('\0\0', '\xff\xff', '\0\x20\0\0\0\0\0\0'),
  maxBytes: 1500,
  check(input) {
    const jar = TWIN_JARS.kept;
    holds(jar !== undefined, 'there is a jar key');
    const sealed = twin.sealCookie(OWNER, 1, jar.jar, new Uint8Array(16), input).record;
    const opened = records.open(sealed, clientId, JARS)?.cookie;
    const expected = parsed(() => twin.openRecord(OWNER, TWIN_JARS, sealed));
    if (opened === undefined) return 'refused';
    holds(expected.code === undefined, 'the twin opens what the relay opens');
    const { name, value, domain, path } = expected.value;
    same([opened.name, opened.value, opened.domain, opened.path], [name, value, domain, path], 'relay and twin agree');
    return `${opened.sameSite} ${opened.isHostOnly}`;
  },
};

const ids = new ClientIds([clientIdSecret, 'an older secret of thirty-two characters']);
const token = ids.issue(NOW_MS).token;
const field = Buffer.from(token).toString('base64url');

const signedId: Target = {
  name: 'client id',
  corpus: [bytesOf(field), ...vectors('identity').clientIds.map(({ fieldValue }) => bytesOf(fieldValue))],
  dictionary: texts('=', '+', '/', ' ', '\n'),
  maxBytes: 400,
  check(input) {
    const text = latin1(input);
    const verified = ids.verify(text, NOW_MS);
    if (!verified) return 'refused';
    const bytes = Buffer.from(text, 'base64url');
    same(verified.id, bytes.toString('base64url', 0, 16), 'a verified id is the one in the token');
    return `verified ${verified.renewed !== undefined}`;
  },
};

const sealer = new SessionSealer(suite, new Map([['*', [clientIdSecret]]]));
const place = { sid: new Uint8Array(16).fill(7), expiryMs: NOW_MS, domain: '*' };
const sessionRecord = (): Bytes => {
  const secrets = { request: new Uint8Array(32).fill(1), response: new Uint8Array(32).fill(2) };
  const [requestSecret, responseSecret] = [secrets.request, secrets.response].map((key) => suite.importExpandKey(key));
  const keys = { requestSecret: requestSecret as never, responseSecret: responseSecret as never };
  const session = { ...place, ...keys, secrets, authority: 'relay.example', flags: 3, clientId, network: '192.0.2.1' };
  return sealer.seal(session, NOW_MS);
};
const sealedSession = sessionRecord();

const session: Target = {
  name: 'session record',
  corpus: [sealedSession],
  maxBytes: 600,
  check(input) {
    const opened = sealer.open(place, input);
    holds((opened !== undefined) === (Buffer.compare(input, sealedSession) === 0), 'only an unchanged record opens');
    if (opened)
      same([opened.authority, opened.flags, opened.clientId], ['relay.example', 3, clientId], 'it has its parts');
    return `${opened !== undefined}`;
  },
};

const relay = { origin: 'https://relay.example', hostname: 'relay.example' } as URL;
const BEFORE = '+a:60:a-1 +b:-:b-1 +c:99:c-1';

/** What a client keeps of `mte-relay-set-cookies`, beside the twin. */
const items: Target = {
  name: 'cookie items',
  corpus: file.items.map((one) => bytesOf(one.items)).filter(({ length }) => length < 2000),
  dictionary: texts('+d:60:d-1', '-a', '*', '~0', '~1+e:9:e-1', '~', ' ', ':', '-', '+'),
  maxBytes: 1500,
  async check(input) {
    const text = latin1(input);
    const cookies = new Cookies(relay, undefined, undefined);
    await cookies.take([[SET_COOKIES_FIELD, BEFORE]], []);
    const sent = (await cookies.send(ASK)).records;
    await cookies.take([[SET_COOKIES_FIELD, text]], sent);
    const kept = (await cookies.send(ASK)).records;
    const before = twin.keep([], [], BEFORE);
    // A lifetime of no time has ended: the twin has no clock.
    const expected = twin
      .keep(before, before, text)
      .filter(({ lifetimeSeconds }) => lifetimeSeconds === null || lifetimeSeconds > 1);
    if (/:(?:0*[01])?:/.test(text)) return 'ends at once';
    // Repairs come first (SPEC §9.4): the order of one behind another item has no meaning.
    if (/(?:^| )[^~ ][^ ]* (?:.* )?~/.test(text)) return 'repairs behind others';
    same(
      kept.map(({ id, record: one }) => [id, one]),
      expected.map(({ id, record: one }) => [id, one]),
      'client and twin keep the same records',
    );
    return `${kept.length}`;
  },
};

const ASK = { sameSite: 'strict', keepalive: false, namesFromScript: [] } as const;

export const COOKIE_TARGETS: readonly Target[] = [
  setCookie,
  cookieField,
  record,
  recordContent,
  signedId,
  session,
  items,
];
