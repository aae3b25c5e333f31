// Rules of HTTP in the relay: targets, forwarding fields, `via`, trailers, fields that cross, request ids; and the syntax of
// tokens and values.
import type { IncomingMessage } from 'node:http';
import { FIELD_NAME, FIELD_VALUE, type Fields, TOKEN } from '@mte-relay/protocol';
import { Crossing } from '../../../packages/server/src/http/crossing.ts';
import {
  downstreamFields,
  endToEndFields,
  isDropped,
  listItems,
  rawFields,
  upstreamRequestHeaders,
} from '../../../packages/server/src/http/fields.ts';
import { forwardingFields, isAddressRange, TrustedProxies } from '../../../packages/server/src/http/forwarding.ts';
import { requestIdOf } from '../../../packages/server/src/http/request-id.ts';
import { canonicalTarget, pathOf, RouteSet } from '../../../packages/server/src/http/target.ts';
import { announcedTrailers, arrivedTrailers } from '../../../packages/server/src/http/trailers.ts';
import { Via } from '../../../packages/server/src/http/via.ts';
import { faultOf } from '../../../packages/server/src/observe/fault.ts';
import { ClientValues } from '../../../packages/server/src/upstream/client-value.ts';
import { holds, latin1, same, type Target, texts } from '../engine/target.ts';

const syntax: Target = {
  name: 'http syntax',
  corpus: texts('GET', 'content-type', 'a b', 'x\ty', '\x7f', 'café\xe9', "!#$%&'*+-.^_`|~", 'a\nb', ''),
  maxBytes: 300,
  check(input) {
    const text = latin1(input);
    const isTokenByte = (byte: number): boolean =>
      byte > 0x20 && byte < 0x7f && !'"(),/:;<=>?@[\\]{}'.includes(String.fromCharCode(byte));
    const isToken = input.length > 0 && input.every(isTokenByte);
    const isLower = input.every((byte) => byte < 0x41 || byte > 0x5a);
    const isValue = input.every((byte) => byte === 9 || (byte >= 0x20 && byte !== 0x7f));
    same(TOKEN.test(text), isToken, 'token');
    same(FIELD_NAME.test(text), isToken && isLower, 'field name');
    same(FIELD_VALUE.test(text), isValue, 'field value');
    return `${isToken} ${isLower} ${isValue}`;
  },
};

const ROUTES = new RouteSet(['/api/*', '/exact', '/*.x', '/a%2Ab*']);

const target: Target = {
  name: 'request target',
  corpus: texts(
    '/',
    '/a/b?c=d',
    '/a/../b',
    '/a/%2e%2E/b',
    '/a/..;x/b',
    '//h/a',
    '/a\\b',
    '/%7Ea/%41',
    '/a%2fb',
    '/a%00',
    '*',
    '/a?/../b',
    '/%2e',
    '/a/.%2E;/',
  ),
  dictionary: texts(
    '%2e',
    '%2E',
    '.',
    '..',
    '/',
    '//',
    '%2f',
    '%5C',
    '\\',
    ';',
    '%3B',
    '%3b',
    '?',
    '#',
    '%00',
    '%',
    '%25',
    '%252e',
    '%c0%ae',
    '\xe9',
    '\t',
  ),
  maxBytes: 2000,
  check(input) {
    const text = latin1(input);
    const canonical = canonicalTarget(text);
    if (canonical === undefined) return 'refused';
    same(canonicalTarget(canonical), canonical, 'a canonical target is its own canonical form');
    holds(/^\/(?!\/)/.test(canonical), 'a canonical target begins with one "/"');
    same(
      canonical.slice(canonical.indexOf('?') + 1),
      canonical.includes('?') ? text.slice(text.indexOf('?') + 1) : canonical.slice(0),
      'the query is not changed',
    );
    const path = pathOf(canonical);
    holds(!/[\\#?]|%(?:2F|2f|5C|5c|00)|%(?![0-9A-F]{2})/.test(path), 'a canonical path has no other reading');
    if (/^[\x21-\x7e]*$/.test(path)) {
      const read = URL.parse(`http://relay.example${path.replaceAll(/["<>`^{}|]/g, 'x')}`)?.pathname;
      same(read, path.replaceAll(/["<>`^{}|]/g, 'x'), 'a URL parser reads a canonical path as it is');
    }
    return `canonical, ${ROUTES.has(path)}`;
  },
};

/** Name and value per line, with ":" between. */
function fieldsIn(text: string): [string, string][] {
  return text
    .split('\n')
    .slice(0, 200)
    .map((line): [string, string] => {
      const colonAt = line.indexOf(':');
      return [line.slice(0, Math.max(0, colonAt)).toLowerCase(), line.slice(colonAt + 1).trim()];
    })
    .filter(([name, value]) => FIELD_NAME.test(name) && FIELD_VALUE.test(value));
}

/** What node:http would give: the first of some, others joined. */
function requestOf(fields: readonly (readonly [string, string])[], remoteAddress: string): IncomingMessage {
  const headers: Record<string, string> = Object.create(null);
  for (const [name, value] of fields) headers[name] = name in headers ? `${headers[name]}, ${value}` : value;
  return { headers, rawHeaders: fields.flat(), socket: { remoteAddress } } as unknown as IncomingMessage;
}

const PROXIES = new TrustedProxies(['10.0.0.0/8', 'fd00::/8', '192.0.2.1']);

const forwarding: Target = {
  name: 'forwarding fields',
  corpus: texts(
    'x-forwarded-for: 203.0.113.9, 10.0.0.7\nx-forwarded-proto: https\nx-forwarded-host: api.example',
    'x-forwarded-for: [2001:db8::1]:443, ::ffff:10.1.2.3\nforwarded: for=1.2.3.4',
    'x-forwarded-for: unknown, 1.2.3.4:55, 10.0.0.1\nhost: "a"',
    'x-forwarded-host: a", for=evil;x="\nx-request-id: abc',
    '10.0.0.0/8',
    'fd00::/129',
  ),
  dictionary: texts(
    'x-forwarded-for: ',
    'x-forwarded-host: ',
    'x-forwarded-proto: ',
    ',',
    '10.0.0.1',
    '::1',
    '[::1]:80',
    '"',
    ';',
    'fd00::1',
    '1.2.3.4:99999',
    'https',
    '\n',
    '::ffff:1.2.3.4',
    'x-request-id: ',
  ),
  check(input, choices) {
    const text = latin1(input);
    const fields = fieldsIn(text);
    const peer = choices.pick(['10.0.0.2', '::ffff:10.0.0.2', '203.0.113.1', 'fd00::2']);
    const req = requestOf(fields, peer);
    const way = PROXIES.read(req);
    holds(way.chain.length >= 1 && way.chain.length <= 33, 'the chain is bounded');
    same(way.chain[0], way.clientAddress, 'the chain begins with the client');
    holds(way.scheme === 'http' || way.scheme === 'https', 'the scheme is known');
    if (!PROXIES.trusts(req.socket)) same(way.chain.length, 1, 'a peer that is not trusted names nobody');
    const flat = forwardingFields(way);
    for (const value of flat) holds(FIELD_VALUE.test(value), 'forwarding fields are field values');
    const forwarded = flat.at(-1) as string;
    holds(
      /^for=(?:"\[[^"]*\]"|[^";,]+);proto=https?(?:;host="[^"]*")?(?:, for=(?:"\[[^"]*\]"|[^";,]+))*$/.test(forwarded),
      'Forwarded has its syntax',
    );
    holds(/^[A-Za-z0-9._:@=+/-]{1,128}$/.test(requestIdOf(req)), 'a request id is well-formed');
    isAddressRange(text);
    if (isAddressRange(text)) new TrustedProxies([text]);
    return `${way.chain.length > 3 ? 'many' : way.chain.length} ${way.scheme} ${flat.length}`;
  },
};

const VIA = new Via('sha256-pin', '*');
const TRUSTING = new Crossing(['x-real-ip'], ['x-client-cert', 'x_user']);

const fields: Target = {
  name: 'fields that cross',
  corpus: texts(
    'connection: close, x-a\nx-a: 1\nx-b: 2\ncookie: a=b',
    'te: trailers\ntransfer-encoding: chunked\ncontent-length: 5\nhost: a',
    'via: 1.1 other, 1.0 mte-relay-00000000\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    'x_forwarded_for: 1.2.3.4\nx-real-ip: 1\nx-client-cert: y\nx_client_cert: z',
    'trailer: x-sum, authorization, x-real-ip\nx-sum: 1\nauthorization: a',
    'set-cookie: a=b\nlocation: http://upstream:3000/base/x\nmte-relay-failure: x',
  ),
  dictionary: texts(
    'connection: ',
    'trailer: ',
    'via: ',
    VIA.value,
    ',',
    '\n',
    'x-real-ip',
    'x_real_ip',
    'content-length',
    'traceparent: ',
    'proxy',
    'x-original-url',
    '__proto__: a',
    'mte-relay-cookies',
    'http2-settings',
  ),
  check(input, choices) {
    const given: Fields = fieldsIn(latin1(input));
    const crossed = TRUSTING.sealed(
      endToEndFields(given),
      requestOf(given, choices.pick(['10.0.0.1', '203.0.113.5'])),
      PROXIES,
    );
    const way = { chain: ['203.0.113.5'], scheme: 'https', host: 'api.example' };
    const sent = rawFields(upstreamRequestHeaders(crossed, way, VIA));
    const listed = new Set(listItems(given, 'connection').map((name) => name.toLowerCase()));
    const own = [
      'forwarded',
      'x-forwarded-for',
      'x-forwarded-proto',
      'x-forwarded-host',
      'via',
      'x-client-cert',
      'x_user',
    ];
    for (const [name] of sent) {
      holds(own.includes(name) || !isDropped(name), `${name} is not forwarded`);
      holds(own.includes(name) || !listed.has(name), `${name}, which Connection lists, is not forwarded`);
    }
    same(sent.filter(([name]) => name === 'x-forwarded-for').length, 1, 'there is one x-forwarded-for');
    holds(VIA.isIn(sent), 'the relay finds its own entry');
    VIA.isIn(given);
    const trailers = announcedTrailers(given, TRUSTING.isProxys, () => given);
    const arrived = arrivedTrailers(given, TRUSTING.isProxys);
    for (const [name] of [...(trailers?.fields() ?? []), ...(arrived?.fields() ?? [])]) {
      holds(!isDropped(name) && !TRUSTING.isProxys(name) && name !== 'authorization', `${name} is not a trailer`);
    }
    const parsedFields: Record<string, string | string[]> = Object.create(null);
    for (const [name, value] of given)
      parsedFields[name] = name in parsedFields ? [parsedFields[name] as string, value].flat() : value;
    for (const [name] of downstreamFields(parsedFields))
      holds(!listed.has(name) && name !== 'mte-relay-failure', `${name} does not go back`);
    return `${given.length - sent.length} ${listed.size} ${trailers?.names.length} ${arrived?.names.length}`;
  },
};

const VALUES = [new ClientValues('http://upstream:3000', ''), new ClientValues('http://upstream:3000', '/base')];

const location: Target = {
  name: 'upstream URLs',
  corpus: texts(
    'http://upstream:3000/base/a?b#c',
    '/base/x',
    '/base',
    '//upstream:3000/base/a',
    'HTTP://UPSTREAM:3000/base',
    'relative/x',
    'http://other/base/',
    'javascript:alert(1)',
    'http://upstream:3000//base/..//x',
    'http:/\\upstream:3000',
  ),
  dictionary: texts('http://', 'upstream:3000', '/base', '/', '//', '\\', '@', '#', '?', '..', '%2e', '\t', ':'),
  maxBytes: 1500,
  check(input, choices) {
    const text = latin1(input);
    const isUpstreams = URL.parse(text, 'http://upstream:3000')?.origin === 'http://upstream:3000';
    const value = choices.pick(VALUES).of(choices.pick(['location', 'content-location']), text);
    holds(value.length <= text.length * 6 + 3, 'a value for the client is not much longer');
    if (!isUpstreams && /^(?:[a-z][a-z0-9+.-]*:|\/\/)/i.test(text))
      same(value, text, 'a URL of another origin is not changed');
    return `${isUpstreams} ${value === text}`;
  },
};

const fault: Target = {
  name: 'faults for the log',
  corpus: texts('secret', 'secret\n    at a (file:///x.js:1:2)', '', '    at async x:1:1', 'TypeError: secret'),
  dictionary: texts('\n    at ', ':1:2)', 'secret'),
  check(input, choices) {
    const text = latin1(input);
    const error = new Error(text, { cause: choices.below(2) === 0 ? new TypeError(text) : undefined });
    if (choices.below(3) === 0) error.name = text;
    if (choices.below(3) === 0) Object.assign(error, { code: text });
    const shown = JSON.stringify(faultOf(error));
    const isWord = /^[A-Za-z0-9_.-]{1,64}$/.test(text);
    if (text.length > 12 && !isWord && !import.meta.filename.includes(text))
      holds(!shown.includes(JSON.stringify(text).slice(1, -1)), 'a fault does not show its message');
    return isWord ? 'word' : 'other';
  },
};

export const HTTP_TARGETS: readonly Target[] = [syntax, target, forwarding, fields, location, fault];
