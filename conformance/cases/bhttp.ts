// Cases of SPEC §5.5, made by the twin.
import type { BhttpCase, BhttpRefusedCase } from '../format.ts';
import { decode, encodeIndeterminate, encodeKnown, type Field, type Message } from '../twin/bhttp.ts';
import { type Bytes, hex, join, NONE, text, uint, unhex, varint } from '../twin/bytes.ts';
import { type FailureClass, Refused } from '../twin/refused.ts';
import { seeded } from './seeded.ts';

type Kind = 'request' | 'response';

const GET: Message = {
  method: 'GET',
  scheme: 'https',
  authority: 'relay.example',
  path: '/orders?page=2',
  headers: [['accept', 'application/json']],
  content: NONE,
  trailers: [],
};
const POST: Message = {
  ...GET,
  method: 'POST',
  headers: [
    ['content-type', 'text/plain'],
    ['cookie', 'a=1'],
    ['cookie', 'b=2'],
    ['x-empty', ''],
    ['x-latin-1', 'caf\xe9\t\xff'],
  ],
  content: text('hello world'),
};
const OK: Message = { status: 200, headers: [['content-type', 'text/plain']], content: text('hello'), trailers: [] };
const TRAILERS: Field[] = [
  ['server-timing', 'db;dur=3'],
  ['x-checksum', 'abc'],
];
const EARLY_HINTS = { status: 103, headers: [['link', '</a.css>; rel=preload']] as Field[] };

export function bhttpCases(): BhttpCase[] {
  const cases: BhttpCase[] = [];
  const add = (
    name: string,
    form: BhttpCase['form'],
    message: Message,
    encoded: Bytes,
    more: Partial<BhttpCase> = {},
  ) => {
    const { content, ...rest } = message;
    const kind = message.status === undefined ? 'request' : 'response';
    cases.push({ name, kind, form, ...rest, content: hex(content), ...more, encoded: hex(encoded) });
  };
  const known = (name: string, message: Message, padToMultiple?: number) =>
    add(name, 'known', message, encodeKnown(message, padToMultiple), padToMultiple ? { padToMultiple } : {});
  const indeterminate = (name: string, message: Message, pieces: number[]) =>
    add(name, 'indeterminate', message, encodeIndeterminate(message, cut(message.content, pieces)), { pieces });
  const decodes = (name: string, message: Message, encoded: Bytes) => add(name, 'decode', message, encoded);

  known('request without content', GET);
  known('request with content, repeated, empty and latin-1 fields', POST);
  known('request with trailers', { ...POST, trailers: TRAILERS });
  known('OPTIONS *', { ...GET, method: 'OPTIONS', path: '*', headers: [] });
  known('request with an empty authority and an unusual method', {
    ...GET,
    method: "M-SEARCH!#$%&'*+.^_`|~",
    authority: '',
  });
  known('request with content of 16,384 bytes', { ...POST, headers: [], content: seeded('content', 16_384) });
  known('request padded to 128 bytes', GET, 128);
  known('response padded to 64 bytes', OK, 64);
  known('response', OK);
  known('response without content', { ...OK, status: 204, headers: [], content: NONE });
  known('response with an informational one before it', { ...OK, informational: [EARLY_HINTS] });
  known('response with two informational ones and trailers', {
    ...OK,
    informational: [{ status: 100, headers: [] }, EARLY_HINTS],
    trailers: TRAILERS,
  });
  known('response with two cookies', {
    ...OK,
    headers: [
      ['set-cookie', 'a=1; Path=/'],
      ['set-cookie', 'b=2; HttpOnly'],
    ],
  });
  known('response with status 599', { ...OK, status: 599 });
  indeterminate('streamed request in one piece', POST, [11]);
  indeterminate('streamed request in pieces', { ...POST, trailers: TRAILERS }, [1, 4, 6]);
  indeterminate('streamed request without content', GET, []);
  indeterminate(
    'streamed response with informational ones and trailers',
    { ...OK, informational: [EARLY_HINTS], trailers: TRAILERS },
    [2, 3],
  );
  indeterminate('streamed response without fields or content', { ...OK, headers: [], content: NONE }, []);

  const bare: Message = { ...GET, headers: [] };
  const control = join(
    uint(1, 0),
    ...['GET', 'https', 'relay.example', '/orders?page=2'].map((part) => join(varint(part.length), text(part))),
  );
  const streamed = join(uint(1, 2), control.subarray(1));
  decodes('known request cut behind its control data', bare, control);
  decodes('known request cut behind its header section', bare, join(control, uint(1, 0)));
  decodes('known request cut behind an empty content', bare, join(control, uint(2, 0)));
  decodes(
    'known request cut behind its content',
    { ...POST, headers: [] },
    join(knownPost(), varint(11), POST.content),
  );
  decodes('streamed request cut behind its control data', bare, streamed);
  decodes('streamed request cut behind its header terminator', bare, join(streamed, uint(1, 0)));
  decodes('streamed request cut behind its content terminator', bare, join(streamed, uint(2, 0)));
  decodes('known response cut behind its status', { ...OK, headers: [], content: NONE }, join(uint(1, 1), varint(200)));
  decodes(
    'streamed response cut behind its status',
    { ...OK, headers: [], content: NONE },
    join(uint(1, 3), varint(200)),
  );
  decodes('streamed request with padding', GET, join(encodeIndeterminate(GET, []), new Uint8Array(9)));
  decodes('one byte of padding', OK, join(encodeKnown(OK), uint(1, 0)));
  decodes('integers not in their shortest form', { ...GET, headers: [['a', 'b']] }, longIntegers());
  decodes(
    '256 fields',
    { ...OK, headers: fields(256), content: NONE },
    encodeKnown({ ...OK, headers: fields(256), content: NONE }),
  );
  decodes(
    'field names that objects inherit',
    {
      ...OK,
      headers: [
        ['__proto__', 'x'],
        ['constructor', 'y'],
      ],
    },
    encodeKnown({
      ...OK,
      headers: [
        ['__proto__', 'x'],
        ['constructor', 'y'],
      ],
    }),
  );
  for (const one of cases) confirmDecodes(one);
  return cases;
}

function knownPost(): Bytes {
  const parts = ['POST', 'https', 'relay.example', '/orders?page=2'];
  return join(uint(1, 0), ...parts.map((part) => join(varint(part.length), text(part))), uint(1, 0));
}

/** Every integer of a request in eight bytes. */
function longIntegers(): Bytes {
  const long = (value: number) => uint(8, (0b11n << 62n) | BigInt(value));
  const string = (value: string) => join(long(value.length), text(value));
  const line = join(string('a'), string('b'));
  const control = ['GET', 'https', 'relay.example', '/orders?page=2'].map(string);
  return join(long(0), ...control, long(line.length), line, long(0), long(0));
}

function fields(count: number): Field[] {
  return Array.from({ length: count }, (_, i) => [`f${i}`, '']);
}

function cut(content: Bytes, pieces: number[]): Bytes[] {
  let at = 0;
  return pieces.map((length) => {
    at += length;
    return content.subarray(at - length, at);
  });
}

export function bhttpRefused(): BhttpRefusedCase[] {
  const cases: BhttpRefusedCase[] = [];
  const add = (name: string, expect: FailureClass, kind: Kind, encoded: Bytes) =>
    cases.push({ name, kind, encoded: hex(encoded), expect });
  const request = (name: string, change: Partial<Message>, expect: FailureClass = 'malformed') =>
    add(name, expect, 'request', encodeKnown({ ...GET, ...change }));
  const field = (name: string, line: Field, expect: FailureClass = 'malformed') => {
    add(`${name}, header`, expect, 'request', encodeKnown({ ...GET, headers: [line] }));
    add(
      `${name}, streamed trailer`,
      expect,
      'response',
      encodeIndeterminate({ ...OK, trailers: [line] }, [OK.content]),
    );
  };

  add('empty message', 'truncated', 'request', NONE);
  add('response where a request belongs', 'malformed', 'request', encodeKnown(OK));
  add('streamed response where a request belongs', 'malformed', 'request', encodeIndeterminate(OK, [OK.content]));
  add('request where a response belongs', 'malformed', 'response', encodeKnown(GET));
  add('framing 4', 'malformed', 'request', join(uint(1, 4), encodeKnown(GET).subarray(1)));
  request('empty method', { method: '' });
  request('method with a space', { method: 'GET /x' });
  request('method with a line end', { method: 'GET\r\n' });
  request('method with a latin-1 letter', { method: 'G\xc9T' });
  request('scheme ftp', { scheme: 'ftp' });
  request('scheme in upper case', { scheme: 'HTTPS' });
  request('empty scheme', { scheme: '' });
  request('authority with a space', { authority: 'relay example' });
  request('authority with a NUL', { authority: 'relay\0' });
  request('empty path', { path: '' });
  request('path in absolute form', { path: 'https://evil.example/' });
  request('path without a slash', { path: 'orders' });
  request('path with a space', { path: '/a b' });
  request('path with a line end', { path: '/a\r\nx: y' });
  request('path with a NUL', { path: '/a\0' });
  request('path with a byte above ASCII', { path: '/caf\xe9' });
  request('path * and more', { path: '*/' });
  field('empty name', ['', 'x']);
  field('name in upper case', ['Accept', 'x']);
  field('name with a colon', [':path', '/x']);
  field('name with a space', ['a b', 'x']);
  field('name with a line end', ['a\r\nb', 'x']);
  field('name with a byte above ASCII', ['caf\xe9', 'x']);
  field('value with a carriage return', ['a', 'x\ry']);
  field('value with a line feed', ['a', 'x\ny']);
  field('value with a NUL', ['a', 'x\0y']);
  field('value with DEL', ['a', 'x\x7fy']);
  field('value with a space before it', ['a', ' x']);
  field('value with a tab behind it', ['a', 'x\t']);
  field('value that is a space', ['a', ' ']);
  add('status 99', 'malformed', 'response', join(uint(1, 1), varint(99)));
  add('status 600', 'malformed', 'response', encodeKnown({ ...OK, status: 600 }));
  add('status 0', 'malformed', 'response', encodeKnown({ ...OK, status: 0 }));
  add('padding that is not zero', 'malformed', 'request', join(encodeKnown(GET), uint(1, 1)));
  add(
    'padding with a one behind zeros',
    'malformed',
    'response',
    join(encodeKnown(OK), new Uint8Array(70), uint(1, 1)),
  );
  add(
    'field that runs beyond its section',
    'malformed',
    'response',
    join(uint(1, 1), varint(200), unhex('03'), unhex('0161'), unhex('0262630000')),
  );
  addTruncations(add);
  addLimits(add);
  const kept = cases.filter((one) => one.name !== 'empty name, streamed trailer'); // an empty name ends that section
  for (const one of kept) confirmRefused(one);
  return kept;
}

type Add = (name: string, expect: FailureClass, kind: Kind, encoded: Bytes) => void;

function addTruncations(add: Add): void {
  const post = { ...POST, headers: [['a', 'b']] as Field[], trailers: [['c', 'd']] as Field[] };
  const whole = encodeKnown(post);
  const behindControl = knownPost().length - 1;
  const trailers = 5; // length, 01 'c' 01 'd'
  const contentEnd = whole.length - trailers;
  for (let at = 1; at < whole.length; at += 1) {
    const complete = at === behindControl || at === behindControl + 5 || at === contentEnd;
    if (!complete) add(`known request cut at byte ${at}`, 'truncated', 'request', whole.subarray(0, at));
  }
  const streamed = encodeIndeterminate(post, [text('hello '), text('world')]);
  const end = streamed.length - 6; // 00, 01 'c' 01 'd' 00
  for (let at = 1; at < streamed.length; at += 1) {
    const complete = at === behindControl || at === behindControl + 5 || at === end + 1;
    if (!complete) add(`streamed request cut at byte ${at}`, 'truncated', 'request', streamed.subarray(0, at));
  }
  add('nothing but the framing of a response', 'truncated', 'response', uint(1, 1));
  add(
    'known informational response and no final one',
    'truncated',
    'response',
    join(uint(1, 1), varint(100), uint(1, 0)),
  );
  add('known informational status and nothing behind it', 'truncated', 'response', join(uint(1, 1), varint(100)));
  add('streamed informational status and nothing behind it', 'truncated', 'response', join(uint(1, 3), varint(103)));
}

function addLimits(add: Add): void {
  const control = knownPost().subarray(0, -1);
  add('257 fields', 'too-large', 'response', encodeKnown({ ...OK, headers: fields(257), content: NONE }));
  add('257 trailers', 'too-large', 'response', encodeIndeterminate({ ...OK, trailers: fields(257) }, [OK.content]));
  add('method of 65,537 bytes announced', 'too-large', 'request', join(uint(1, 0), varint(65_537), text('GET')));
  add('header section of 65,537 bytes announced', 'too-large', 'request', join(control, varint(65_537), unhex('0161')));
  add(
    'field name of 2^40 bytes announced',
    'too-large',
    'request',
    join(uint(1, 2), control.subarray(1), varint(2n ** 40n)),
  );
  add(
    'content of 2^53 bytes announced',
    'too-large',
    'request',
    join(control, uint(1, 0), varint(2n ** 53n), text('x')),
  );
  const path = `/${'a'.repeat(40_000)}`;
  const value = 'b'.repeat(26_000);
  add(
    'control data and fields above 65,536 bytes together',
    'too-large',
    'request',
    encodeKnown({ ...GET, path, headers: [['a', value]] }),
  );
}

function confirmDecodes(one: BhttpCase): void {
  const { name, kind, encoded } = one;
  const seen = decode(kind, unhex(encoded));
  const expected = { ...one, content: unhex(one.content) };
  for (const key of ['method', 'scheme', 'authority', 'path', 'status', 'headers', 'trailers', 'content'] as const) {
    if (JSON.stringify(seen[key]) !== JSON.stringify(expected[key]))
      throw new Error(`${name}: the twin decodes another ${key}`);
  }
  if (kind === 'response' && JSON.stringify(seen.informational) !== JSON.stringify(one.informational ?? [])) {
    throw new Error(`${name}: the twin decodes other informational responses`);
  }
}

function confirmRefused({ name, kind, encoded, expect }: BhttpRefusedCase): void {
  try {
    decode(kind, unhex(encoded));
  } catch (error) {
    if (error instanceof Refused && error.failure === expect) return;
    throw new Error(`${name}: expected ${expect}, the twin gives ${error}`);
  }
  throw new Error(`${name}: the twin accepts it`);
}
