// What a client reads of a relay, an API or an intermediary: event streams, discovery, refusals, progress, routes.
import { pinOfDigest } from '@mte-relay/protocol';
import { readRefusal } from '../../../packages/client/src/outer/transport.ts';
import { fieldTextOf } from '../../../packages/client/src/platform/field-text.ts';
import { progressOf } from '../../../packages/client/src/platform/response-parts.ts';
import { EventStreamReader, type StreamEvent } from '../../../packages/client/src/realtime/event-stream.ts';
import { Routes } from '../../../packages/client/src/service-worker/routes.ts';
import { publicKeysIn } from '../../../packages/client/src/session/pairing.ts';
import { Broken, cut, holds, latin1, same, type Target, texts } from '../engine/target.ts';

/** HTML §9.2.6 on a whole stream at once. */
function eventsIn(stream: string): { events: StreamEvent[]; lastEventId: string; retryMs: number | undefined } {
  const events: StreamEvent[] = [];
  let [data, type, id, lastEventId] = ['', '', '', ''];
  let retryMs: number | undefined;
  const lines = stream.split(/\r\n|\n|\r/);
  for (const line of lines.slice(0, -1)) {
    const [name = '', ...rest] = line.split(':');
    const value = rest.join(':').replace(/^ /, '');
    if (line === '') {
      lastEventId = id;
      if (data !== '') events.push({ type: type || 'message', data: data.slice(0, -1) });
      [data, type] = ['', ''];
    } else if (name === 'data') data += `${value}\n`;
    else if (name === 'event') type = value;
    else if (name === 'id' && !value.includes('\0')) id = value;
    else if (name === 'retry' && /^[0-9]+$/.test(value)) retryMs = Number(value);
  }
  return { events, lastEventId, retryMs };
}

const eventStream: Target = {
  name: 'event stream',
  corpus: texts(
    'data: one\n\n',
    'event: x\ndata: a\ndata: b\r\n\r\n',
    'id: 7\rretry: 100\r\rdata\n\n',
    ': comment\ndata:x\n\ndata: y',
    'id\ndata: a\n\n',
    'data:  two spaces\n\n',
  ),
  dictionary: texts('data: ', 'event: ', 'id: ', 'retry: ', '\n\n', '\r\n', '\r', ':', '\0', '\n'),
  check(input, choices) {
    const pieces = cut(input, choices);
    const events: StreamEvent[] = [];
    const reader = new EventStreamReader('', (event) => events.push(event));
    for (const piece of pieces) reader.push(latin1(piece));
    // A last CR may be half of a line end: the model knows the end, the reader does not.
    const expected = eventsIn(latin1(input));
    same({ events, lastEventId: reader.lastEventId, retryMs: reader.retryMs }, expected, 'reader and model agree');
    return `${Math.min(events.length, 5)} ${reader.lastEventId !== ''} ${reader.retryMs !== undefined}`;
  },
};

const key = Buffer.alloc(1216, 7).toString('base64');

const discovery: Target = {
  name: 'discovery document',
  corpus: texts(
    `{"versions":[1],"suite":1,"publicKey":"${key}"}`,
    `{"versions":[1,2],"suite":1,"keys":[{"publicKey":"${key}"},{"publicKey":"${key}"}]}`,
    '{"versions":[1],"suite":1,"keys":[]}',
    'null',
    '{"keys":[null]}',
    '<!doctype html>',
    '[]',
  ),
  dictionary: texts('null', '[]', '{}', '"keys":', '"versions":', '1', '"', '1e999', ',', '\\u0000', '"publicKey":'),
  maxBytes: 6000,
  check(input) {
    try {
      const keys = publicKeysIn(input);
      holds(keys.length > 0 && keys.length <= 4 && keys.every(({ length }) => length === 1216), 'keys are keys');
      holds(pinOfDigest(new Uint8Array(32)).length === 51, 'a pin has its length');
      return `${keys.length} keys`;
    } catch (error) {
      if ((error as { code?: string }).code === 'pairing-failed') return 'refused';
      throw error instanceof Broken ? error : new Broken(`threw ${error}`, { cause: error });
    }
  },
};

const refusal: Target = {
  name: 'outer refusal',
  corpus: texts(
    '{"code":"session-unknown","status":401}',
    '{"code":"x"}',
    'null',
    '',
    '<html>',
    '{"code":["a"]}',
    '"replayed"',
    '7',
  ),
  dictionary: texts('"code":', '"session-unknown"', 'null', '{', '}', '\\u', '__proto__', 'toString', 'constructor'),
  maxBytes: 6000,
  async check(input, choices) {
    const status = choices.pick([200, 400, 401, 404, 413, 429, 500, 503, 599]);
    const headers = {
      'content-type': choices.pick(['text/html', 'application/problem+json', 'application/json']),
      'retry-after': latin1(input.subarray(0, 6)).replaceAll(/[^ -~]/g, '9'),
    };
    const failure = await readRefusal(new Response(input, { status, headers }));
    if (failure.kind === 'refused')
      holds(failure.retryAfterMs === undefined || failure.retryAfterMs >= 0, 'a wait is not negative');
    return `${failure.kind} ${failure.kind === 'refused' ? failure.outerCode : ''}`.slice(0, 40);
  },
};

const parts: Target = {
  name: 'response parts',
  corpus: texts('5', '0', '999999999999999', '1e3', '-1', ' 5', '5, 5', '\xc3\xa9', '9999999999999999999'),
  maxBytes: 200,
  check(input) {
    const text = latin1(input);
    let total: number | undefined;
    const progress = progressOf([['content-length', text]], {
      onDownloadProgress: ({ totalBytes }: { totalBytes?: number }) => {
        total = totalBytes;
      },
    } as never);
    progress(1);
    holds(total === undefined || Number.isSafeInteger(total), 'a length is a length');
    const field = fieldTextOf(text);
    same(Buffer.from(field, 'latin1').toString(), text, 'text in a field is UTF-8');
    return `${total !== undefined}`;
  },
};

const ROUTES = new Routes(
  ['/api/*', '/exact', 'https://other.example/x/*'],
  'https://relay.example',
  'https://app.example',
);

const routes: Target = {
  name: 'routes of the worker',
  corpus: texts(
    '/api/a',
    '/API/b',
    '/%61pi/c',
    '//api/d',
    '/api\\e',
    '/exact',
    '/exact/',
    '/./api/f',
    '/x/../api/g',
    '/a%2fpi',
    '/a',
    '/api/mte',
    '/ap%69/..%2f',
  ),
  dictionary: texts(
    '/api/',
    '%61',
    '%2F',
    '%5c',
    '//',
    '\\',
    '..',
    '.',
    '%2e',
    ';',
    '?',
    '#',
    'exact',
    '%70',
    '%69',
    '%41',
  ),
  maxBytes: 1000,
  check(input, choices) {
    const origin = choices.pick(['https://relay.example', 'https://app.example']);
    const url = URL.parse(`/${latin1(input)}`.replace(/^\/{2,}/, '/'), origin);
    if (!url || url.origin !== origin) return 'not a URL';
    const listed = ROUTES.lists(url.href);
    const lower = url.pathname.toLowerCase();
    const isOwn = origin === 'https://relay.example' && /^\/(?:api\/mte|public\/)/.test(url.pathname);
    if (!isOwn && lower.startsWith('/api/')) holds(listed, 'a listed path is sealed, in upper case too');
    const unescaped = textOrNothing(() => decodeURIComponent(url.pathname));
    if (!isOwn && unescaped?.toLowerCase().startsWith('/api/')) holds(listed, 'a listed path is sealed, escaped too');
    return `${listed}`;
  },
};

function textOrNothing(decode: () => string): string | undefined {
  try {
    return decode();
  } catch {
    return undefined;
  }
}

export const CLIENT_TARGETS: readonly Target[] = [eventStream, discovery, refusal, parts, routes];
