// The behaviour of fetch, as data: each case is one call, the requests that the backend must have seen, and the result for
// the caller (Fetch Standard, WHATWG). The same cases run in every runtime, and in Node by its own fetch too.
import type { FetchCase, FormEntry, Gives, InitGiven, Seen } from './format.ts';

const OK: Gives = { status: 200 };
const TYPE_ERROR: Gives = { typeError: true };
const LARGE_BYTES = 300_000;
const CHUNK_BYTES = 65_536;

const FORM: readonly FormEntry[] = [
  { name: 'title', text: 'grüße' },
  { name: 'title', text: 'a second value of the name' },
  { name: 'file', patternBytes: 1000, filename: 'a "quoted" ü.bin', type: 'image/png' },
  { name: 'large', patternBytes: 70_000, filename: 'large.bin', type: 'application/octet-stream' },
];

/** A POST of this body: what arrives, and its fields. */
function sends(
  name: string,
  init: InitGiven,
  body: Seen['body'],
  headers: Readonly<Record<string, string | null>>,
  needs: FetchCase['needs'] = [],
): FetchCase {
  return {
    name: `body: ${name}`,
    needs,
    call: { init: { method: 'POST', ...init } },
    seen: [{ method: 'POST', ...(body && { body }), headers }],
    gives: OK,
  };
}

/** Refused before anything is sent. */
function refuses(name: string, call: FetchCase['call'], code?: string, needs: FetchCase['needs'] = []): FetchCase {
  return { name, needs, call, seen: [], gives: { typeError: true, ...(code !== undefined && { code }) } };
}

const INPUTS: readonly FetchCase[] = [
  { name: 'input: a string', call: {}, seen: [{ method: 'GET', headers: { 'content-length': null } }], gives: OK },
  {
    name: 'input: a URL',
    call: { input: 'url', target: '/x?a=1' },
    seen: [{ method: 'GET', target: '/x?a=1' }],
    gives: { status: 200, url: '/x?a=1' },
  },
  {
    name: 'input: a Request brings method, fields and body',
    needs: ['request', 'typed-requests'],
    call: {
      input: 'request',
      init: { method: 'PATCH', headers: [['x-a', '1']], body: { kind: 'string', text: '{}' } },
    },
    seen: [
      { method: 'PATCH', headers: { 'x-a': '1', 'content-type': 'text/plain;charset=UTF-8' }, body: { text: '{}' } },
    ],
    gives: OK,
  },
  {
    name: 'input: init overrides what a Request has; its fields are replaced as a whole',
    needs: ['request'],
    call: {
      input: 'request',
      init: {
        method: 'POST',
        headers: [
          ['x-a', '1'],
          ['x-b', '1'],
        ],
        body: { kind: 'string', text: 'old' },
      },
      override: { method: 'PUT', headers: [['x-a', '2']], body: { kind: 'string', text: 'new' } },
    },
    seen: [{ method: 'PUT', headers: { 'x-a': '2', 'x-b': null }, body: { text: 'new' } }],
    gives: OK,
  },
  {
    name: 'input: the large body of a Request',
    needs: ['request'],
    call: { input: 'request', init: { method: 'PUT', body: { kind: 'arrayBuffer', patternBytes: LARGE_BYTES } } },
    seen: [{ method: 'PUT', body: { patternBytes: LARGE_BYTES } }],
    gives: OK,
  },
  refuses(
    'input: a Request whose body was used is refused',
    { input: 'request', init: { method: 'POST', body: { kind: 'string', text: 'x' } }, usedBefore: true },
    undefined,
    ['request'],
  ),
  {
    name: 'url: path and query arrive as they are escaped, the fragment stays',
    call: { target: '/a%2Cb/%C3%BC;v=1?q=%26&q=2&empty=#part' },
    seen: [{ method: 'GET', target: '/a%2Cb/%C3%BC;v=1?q=%26&q=2&empty=' }],
    gives: { status: 200, url: '/a%2Cb/%C3%BC;v=1?q=%26&q=2&empty=' },
  },
  {
    name: 'url: what is not ASCII is escaped as UTF-8',
    call: { target: '/ü?q=ß "x"' },
    seen: [{ method: 'GET', target: '/%C3%BC?q=%C3%9F%20%22x%22' }],
    gives: { status: 200, url: '/%C3%BC?q=%C3%9F%20%22x%22' },
  },
  refuses('url: one that cannot be parsed is refused', { target: 'http://[' }),
  refuses('url: one with credentials is refused', { target: 'http://user:secret@localhost/' }),
  {
    name: 'url: another origin is refused, and nothing is sent anywhere',
    call: { target: 'http://127.0.0.1:1/' },
    seen: [],
    gives: { typeError: true, code: 'origin-not-relayed' },
    platform: { why: 'it would connect', gives: TYPE_ERROR },
  },
];

const METHODS: readonly FetchCase[] = [
  // The standard does not name PATCH; undici announces an empty body, browsers do not.
  { name: 'method: PATCH', call: { init: { method: 'PATCH' } }, seen: [{ method: 'PATCH' }], gives: OK },
  ...(['GET', 'DELETE', 'OPTIONS', 'PUT', 'POST'] as const).map((method): FetchCase => {
    const length = method === 'PUT' || method === 'POST' ? '0' : null;
    return {
      name: `method: ${method} without a body ${length ? 'states its length' : 'states no length'}`,
      call: { init: { method } },
      seen: [{ method, headers: { 'content-type': null, 'content-length': length } }],
      gives: OK,
    };
  }),
  {
    name: 'method: known ones are written large',
    call: { init: { method: 'delete' } },
    seen: [{ method: 'DELETE' }],
    gives: OK,
  },
  ...['CONNECT', 'trace', 'a b', ''].map((method) =>
    refuses(`method: ${JSON.stringify(method)} is refused`, { init: { method } }),
  ),
];

const FIELDS: readonly FetchCase[] = [
  {
    name: 'fields: those of the caller arrive, the same name joined, the whitespace around values gone',
    call: {
      init: {
        headers: [
          ['X-One', '1'],
          ['x-one', '2'],
          ['x-empty', ''],
          ['x-space', '  a b '],
        ],
      },
    },
    seen: [{ method: 'GET', headers: { 'x-one': '1, 2', 'x-empty': '', 'x-space': 'a b' } }],
    gives: OK,
  },
  {
    name: 'fields: names that objects have of their own are names like others',
    call: {
      init: {
        headers: [
          ['__proto__', 'p'],
          ['constructor', 'c'],
        ],
      },
    },
    seen: [{ method: 'GET', headers: { constructor: 'c' } }],
    gives: OK,
  },
  {
    name: 'fields: accept is */* unless the caller sets it',
    call: {},
    seen: [{ method: 'GET', headers: { accept: '*/*' } }],
    gives: OK,
  },
  {
    name: 'fields: the caller’s accept, authorization and content type stand',
    call: {
      init: {
        method: 'POST',
        headers: [
          ['accept', 'application/json'],
          ['authorization', 'Bearer x'],
          ['content-type', 'application/json'],
        ],
        body: { kind: 'string', text: '[]' },
      },
    },
    seen: [
      {
        method: 'POST',
        headers: { accept: 'application/json', authorization: 'Bearer x', 'content-type': 'application/json' },
        body: { text: '[]' },
      },
    ],
    gives: OK,
  },
  refuses('fields: a name that is not a token is refused', { init: { headers: [['a b', '1']] } }),
  refuses('fields: a line break in a value is refused', { init: { headers: [['x-a', 'a\nb: c']] } }),
  refuses('fields: a value beyond latin-1 is refused', { init: { headers: [['x-a', '€']] } }),
];

const TEXT = 'text/plain;charset=UTF-8';
const PARAMS = 'application/x-www-form-urlencoded;charset=UTF-8';
const BODIES: readonly FetchCase[] = [
  sends(
    'string',
    { body: { kind: 'string', text: 'grüße' } },
    { text: 'grüße' },
    { 'content-type': TEXT, 'content-length': '7' },
  ),
  sends('an empty string is a body', { body: { kind: 'string', text: '' } }, undefined, {
    'content-type': TEXT,
    'content-length': '0',
  }),
  sends(
    'URLSearchParams',
    {
      body: {
        kind: 'params',
        pairs: [
          ['a', 'b c'],
          ['a', 'ü&='],
        ],
      },
    },
    { text: 'a=b+c&a=%C3%BC%26%3D' },
    { 'content-type': PARAMS },
  ),
  sends(
    'ArrayBuffer',
    { body: { kind: 'arrayBuffer', patternBytes: 10 } },
    { patternBytes: 10 },
    { 'content-type': null, 'content-length': '10' },
  ),
  ...(['Uint8Array', 'Uint16Array', 'DataView'] as const).map((kind) =>
    sends(
      `${kind} into a larger buffer`,
      { body: { kind, patternBytes: 20 } },
      { patternBytes: 20 },
      { 'content-type': null, 'content-length': '20' },
    ),
  ),
  ...[0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, LARGE_BYTES].map((patternBytes) =>
    sends(
      `${patternBytes} bytes`,
      { body: { kind: 'arrayBuffer', patternBytes } },
      { patternBytes },
      { 'content-length': `${patternBytes}` },
    ),
  ),
  sends(
    'Blob with its type',
    { body: { kind: 'blob', patternBytes: 99, type: 'image/png' } },
    { patternBytes: 99 },
    { 'content-type': 'image/png', 'content-length': '99' },
    ['form-data'],
  ),
  sends(
    'Blob without a type',
    { body: { kind: 'blob', patternBytes: 99 } },
    { patternBytes: 99 },
    { 'content-type': null },
    ['form-data'],
  ),
  sends(
    'large Blob',
    { body: { kind: 'blob', patternBytes: LARGE_BYTES } },
    { patternBytes: LARGE_BYTES },
    { 'content-length': `${LARGE_BYTES}` },
    ['form-data'],
  ),
  sends(
    'FormData with the boundary that its type names',
    { body: { kind: 'form', entries: FORM } },
    { form: FORM },
    { 'content-type': '~multipart/form-data' },
    ['form-data'],
  ),
  sends(
    'FormData without entries',
    { body: { kind: 'form', entries: [] } },
    { form: [] },
    { 'content-type': '~multipart/form-data' },
    ['form-data'],
  ),
  sends(
    'stream',
    { body: { kind: 'stream', pieces: [10, 1, CHUNK_BYTES, 5000] }, duplex: 'half' },
    { patternBytes: 70_547 },
    { 'content-type': null },
    ['streams'],
  ),
  sends(
    'an empty stream',
    { body: { kind: 'stream', pieces: [] }, duplex: 'half' },
    undefined,
    { 'content-type': null },
    ['streams'],
  ),
  {
    name: 'body: the error of a stream fails the call',
    needs: ['streams'],
    call: { init: { method: 'POST', body: { kind: 'stream', pieces: [], thenFails: true }, duplex: 'half' } },
    seen: [],
    gives: { reason: true },
    platform: { why: 'undici reports "fetch failed", and the backend sees the beginning', gives: TYPE_ERROR, seen: [] },
  },
  refuses(
    'body: a stream without duplex is refused',
    { init: { method: 'POST', body: { kind: 'stream', pieces: [1] } } },
    undefined,
    ['streams'],
  ),
  ...(['GET', 'HEAD'] as const).map((method) =>
    refuses(`body: ${method} with one is refused`, { init: { method, body: { kind: 'string', text: 'x' } } }),
  ),
];

const RESPONSES: readonly FetchCase[] = [
  ...[200, 201, 400, 404, 418, 500, 503].map(
    (status): FetchCase => ({
      name: `response: status ${status} is a response like any other`,
      call: {},
      responses: { '': { status, body: { text: 'said' }, headers: [['x-a', '1']] } },
      seen: [{ method: 'GET' }],
      gives: { status, body: { text: 'said' }, headers: { 'x-a': '1' } },
    }),
  ),
  ...[204, 304].map(
    (status): FetchCase => ({
      name: `response: status ${status} has a null body`,
      call: {},
      responses: { '': { status, headers: [['etag', '"e"']] } },
      seen: [{ method: 'GET' }],
      gives: { status, body: null, headers: { etag: '"e"' } },
    }),
  ),
  {
    name: 'response: HEAD has a null body and the length of what it has not',
    call: { init: { method: 'HEAD' } },
    responses: { '': { body: { patternBytes: 1234 } } },
    seen: [{ method: 'HEAD' }],
    gives: { status: 200, body: null, headers: { 'content-length': '1234' } },
  },
  {
    name: 'response: an empty body is not a null one',
    call: {},
    seen: [{ method: 'GET' }],
    gives: { status: 200, body: { text: '' } },
  },
  {
    name: 'response: lines of one field are joined, latin-1 stays',
    call: {},
    responses: {
      '': {
        headers: [
          ['x-d', '1'],
          ['X-D', '2'],
          ['x-l', 'gr\xfc\xdfe'],
        ],
      },
    },
    seen: [{ method: 'GET' }],
    gives: { status: 200, headers: { 'x-d': '1, 2', 'x-l': 'gr\xfc\xdfe' } },
  },
  ...[1, CHUNK_BYTES, LARGE_BYTES].map(
    (patternBytes): FetchCase => ({
      name: `response: ${patternBytes} bytes`,
      call: {},
      responses: { '': { body: { patternBytes } } },
      seen: [{ method: 'GET' }],
      gives: { status: 200, body: { patternBytes }, headers: { 'content-length': `${patternBytes}` } },
    }),
  ),
  ...(['gzip', 'deflate'] as const).map(
    (coding): FetchCase => ({
      name: `response: ${coding} is asked for and undone, its field stays`,
      needs: ['codings'],
      call: {},
      responses: { '': { body: { patternBytes: LARGE_BYTES }, coding } },
      seen: [{ method: 'GET', headers: { 'accept-encoding': `~${coding}` } }],
      gives: { status: 200, body: { patternBytes: LARGE_BYTES }, headers: { 'content-encoding': coding } },
    }),
  ),
  {
    name: 'response: a range is asked for without coding',
    call: { init: { headers: [['range', 'bytes=0-1']] } },
    responses: { '': { status: 206, body: { text: 'ab' } } },
    seen: [{ method: 'GET', headers: { range: 'bytes=0-1', 'accept-encoding': 'identity' } }],
    gives: { status: 206, body: { text: 'ab' } },
    platform: {
      why: 'undici asks for codings all the same',
      seen: [{ method: 'GET', headers: { range: 'bytes=0-1' } }],
    },
  },
];

const JSON_BODY: InitGiven = {
  method: 'POST',
  body: { kind: 'string', text: '{"a":1}' },
  headers: [
    ['content-type', 'application/json'],
    ['authorization', 'Bearer x'],
  ],
};
const GONE = { 'content-type': null, 'content-length': null, authorization: 'Bearer x' };
const KEPT = { 'content-type': 'application/json', authorization: 'Bearer x' };
const REDIRECTS: readonly FetchCase[] = [
  ...([301, 302, 303, 307, 308] as const).map((status): FetchCase => {
    const again = status >= 307;
    return {
      name: `redirect: ${status} after a POST ${again ? 'sends it again' : 'becomes a GET without the body'}`,
      call: { init: JSON_BODY },
      responses: { '': { status, headers: [['location', '{case}/next?q=1']] }, '/next': { body: { text: 'there' } } },
      seen: [
        { method: 'POST', headers: KEPT, body: { text: '{"a":1}' } },
        again
          ? { method: 'POST', target: '/next?q=1', headers: KEPT, body: { text: '{"a":1}' } }
          : { method: 'GET', target: '/next?q=1', headers: GONE },
      ],
      gives: { status: 200, url: '/next?q=1', redirected: true, body: { text: 'there' } },
    };
  }),
  {
    name: 'redirect: 303 after a PUT becomes a GET, after a HEAD stays one',
    call: { init: { method: 'HEAD' } },
    responses: { '': { status: 303, headers: [['location', '{case}/next']] } },
    seen: [{ method: 'HEAD' }, { method: 'HEAD', target: '/next' }],
    gives: { status: 200, url: '/next', redirected: true, body: null },
  },
  {
    name: 'redirect: 302 leaves a PUT a PUT, and Location may be relative',
    call: { target: '/folder/a', init: { method: 'PUT', body: { kind: 'string', text: 'x' } } },
    responses: { '/folder/a': { status: 302, headers: [['location', '../b?c']] }, '/b': { body: { text: 'there' } } },
    seen: [
      { method: 'PUT', target: '/folder/a', body: { text: 'x' } },
      { method: 'PUT', target: '/b?c', body: { text: 'x' } },
    ],
    gives: { status: 200, url: '/b?c', redirected: true, body: { text: 'there' } },
  },
  {
    name: 'redirect: a chain ends where it ends, and the fragment is not part of url',
    call: { target: '#top' },
    responses: {
      '': { status: 302, headers: [['location', '{case}/1']] },
      '/1': { status: 307, headers: [['location', '{case}/2#end']] },
      '/2': { body: { text: 'end' } },
    },
    seen: [{ method: 'GET' }, { method: 'GET', target: '/1' }, { method: 'GET', target: '/2' }],
    gives: { status: 200, url: '/2', redirected: true, body: { text: 'end' } },
  },
  {
    name: 'redirect: one without Location is the response',
    call: {},
    responses: { '': { status: 302, body: { text: 'nowhere' } } },
    seen: [{ method: 'GET' }],
    gives: { status: 302, body: { text: 'nowhere' } },
  },
  {
    name: 'redirect: manual gives the response itself, with Location',
    call: { init: { redirect: 'manual' } },
    responses: { '': { status: 302, headers: [['location', '{case}/next']] } },
    seen: [{ method: 'GET' }],
    gives: { status: 302, headers: { location: '~/next' } },
  },
  {
    name: 'redirect: error fails',
    call: { init: { redirect: 'error' } },
    responses: { '': { status: 302, headers: [['location', '{case}/next']] } },
    seen: [{ method: 'GET' }],
    gives: { typeError: true, code: 'redirect-refused' },
    platform: { why: 'it has no code', gives: TYPE_ERROR },
  },
  {
    name: 'redirect: more than twenty fail',
    call: {},
    responses: { '': { status: 302, headers: [['location', '{case}']] } },
    seen: Array.from({ length: 21 }, () => ({ method: 'GET' })),
    gives: { typeError: true, code: 'redirect-refused' },
    platform: { why: 'it has no code', gives: TYPE_ERROR },
  },
  {
    name: 'redirect: to another origin fails, so that no field, cookie or body goes there',
    call: { init: JSON_BODY },
    responses: { '': { status: 307, headers: [['location', 'http://127.0.0.1:1/']] } },
    seen: [{ method: 'POST', body: { text: '{"a":1}' } }],
    gives: { typeError: true, code: 'redirect-refused' },
    platform: { why: 'it would connect', gives: TYPE_ERROR },
  },
  {
    name: 'redirect: a stream cannot be sent again',
    needs: ['streams'],
    call: { init: { method: 'POST', body: { kind: 'stream', pieces: [10, 10] }, duplex: 'half' } },
    responses: { '': { status: 307, headers: [['location', '{case}/next']] } },
    seen: [{ method: 'POST', body: { patternBytes: 20 } }],
    gives: { typeError: true, code: 'redirect-refused' },
    platform: { why: 'it has no code', gives: TYPE_ERROR },
  },
];

/** An option that changes nothing of a sealed call but the fields in `headers`. */
function takes(
  init: InitGiven,
  headers: Readonly<Record<string, string | null>> = {},
  platform?: FetchCase['platform'],
): FetchCase {
  return {
    name: `option: ${JSON.stringify(init)} is taken`,
    call: { init },
    seen: [{ method: init.method ?? 'GET', headers }],
    gives: OK,
    ...(platform && { platform }),
  };
}

const OPTIONS: readonly FetchCase[] = [
  takes({ cache: 'default' }, { 'cache-control': null, pragma: null }),
  takes({ cache: 'no-store' }, { 'cache-control': 'no-cache', pragma: 'no-cache' }),
  takes({ cache: 'reload' }, { 'cache-control': 'no-cache', pragma: 'no-cache' }),
  takes({ cache: 'no-cache' }, { 'cache-control': 'max-age=0' }),
  takes({ cache: 'force-cache' }, { 'cache-control': null }),
  takes({ cache: 'no-cache', headers: [['cache-control', 'max-age=60']] }, { 'cache-control': 'max-age=60' }),
  takes({ credentials: 'omit' }),
  takes({ credentials: 'same-origin' }),
  takes({ mode: 'cors' }),
  takes({ keepalive: true, method: 'POST' }),
  takes({ priority: 'high' }),
  takes({ referrer: '', referrerPolicy: 'no-referrer' }, { referer: null }),
  {
    ...refuses('option: integrity is refused by name', { init: { integrity: 'sha256-AAAA' } }, 'option-unsupported'),
    platform: { why: 'it checks it, and fails', seen: [{ method: 'GET' }], gives: TYPE_ERROR },
  },
  {
    ...refuses(
      'option: only-if-cached is refused by name',
      { init: { cache: 'only-if-cached', mode: 'same-origin' } },
      'option-unsupported',
    ),
    platform: { why: 'it may ask', seen: [{ method: 'GET' }], gives: OK },
  },
];

const ABORTS: readonly FetchCase[] = [
  {
    name: 'abort: before the call sends nothing',
    needs: ['abort'],
    call: { abort: 'before' },
    seen: [],
    gives: { reason: true },
  },
  {
    name: 'abort: while the response is waited for',
    needs: ['abort'],
    call: { abort: 'headers' },
    responses: { '': { holds: 'head' } },
    seen: [{ method: 'GET' }],
    gives: { reason: true },
  },
  {
    name: 'abort: while the body is read',
    needs: ['abort', 'streams'],
    call: { abort: 'body' },
    responses: { '': { holds: 'body', body: { patternBytes: 1000 } } },
    seen: [{ method: 'GET' }],
    gives: { status: 200, bodyError: { reason: true } },
  },
];

/** Every case; its place in the list is its name at the backend. */
export const FETCH_CASES: readonly FetchCase[] = [
  ...INPUTS,
  ...METHODS,
  ...FIELDS,
  ...BODIES,
  ...RESPONSES,
  ...REDIRECTS,
  ...OPTIONS,
  ...ABORTS,
];
