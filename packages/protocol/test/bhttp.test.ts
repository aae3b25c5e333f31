// Binary HTTP: what is encoded comes back, in whatever pieces it arrives.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  BhttpDecoder,
  contentPrefix,
  decodeWhole,
  encodeContent,
  encodeEnd,
  encodeRequest,
  encodeRequestStart,
  encodeResponse,
  encodeResponseStart,
  type Fields,
  type RequestHead,
  type ResponseHead,
} from '../src/bhttp.ts';
import { CHUNK_PLAINTEXT_MAX_BYTES, CONTENT_PIECE_MAX_BYTES } from '../src/constants.ts';
import { type Bytes, concatBytes } from '../src/wire.ts';
import { ascii, fromHex, patternBytes, toHex } from './support/bytes.ts';
import { content, cutBy, cuts, fields, informational, requestHead, responseHead } from './support/http-messages.ts';
import { expectRefusal } from './support/refusal.ts';

interface Decoded {
  readonly events: string[];
  readonly heads: Array<RequestHead | ResponseHead>;
  readonly informational: ResponseHead[];
  readonly content: string;
  readonly trailers: Fields | undefined;
}

function decodePieces(kind: 'request' | 'response', pieces: readonly Bytes[]): Decoded {
  const decoded = {
    events: [] as string[],
    heads: [] as Array<RequestHead | ResponseHead>,
    informational: [] as ResponseHead[],
    trailers: undefined as Fields | undefined,
  };
  const content: Bytes[] = [];
  const event = (name: string): void => {
    if (name !== 'content' || decoded.events.at(-1) !== 'content') decoded.events.push(name);
  };
  const decoder = new BhttpDecoder<RequestHead | ResponseHead>(kind, {
    onInformational(head) {
      event('informational');
      decoded.informational.push(head);
    },
    onHead(head) {
      event('head');
      decoded.heads.push(head);
    },
    onContent(piece) {
      event('content');
      content.push(new Uint8Array(piece));
    },
    onEnd(trailers) {
      event('end');
      decoded.trailers = trailers;
    },
  });
  for (const piece of pieces) decoder.push(piece);
  decoder.end();
  return { ...decoded, content: toHex(concatBytes([new Uint8Array(0), ...content])) };
}

const RUNS = { numRuns: 200 };
const contentPieces = fc.array(
  content(60).filter((bytes) => bytes.length > 0),
  { maxLength: 5 },
);

describe('a request', () => {
  test('of known length comes back whole, trailers and padding included, however it is cut', () => {
    const padding = fc.constantFrom(0, 1, 32, 1024);
    fc.assert(
      fc.property(requestHead, content(300), fields, padding, cuts, (head, body, trailers, padTo, sizes) => {
        const message = encodeRequest(head, body, { trailers, padToMultipleBytes: padTo });
        if (padTo > 0) expect(message.length % padTo).toBe(0);
        const decoded = decodePieces('request', cutBy(message, sizes));
        expect(decoded.heads).toEqual([head]);
        expect(decoded.content).toBe(toHex(body));
        expect(decoded.trailers).toEqual(trailers);
        expect(decoded.events).toEqual(body.length > 0 ? ['head', 'content', 'end'] : ['head', 'end']);
      }),
      RUNS,
    );
  });

  test('of indeterminate length is padded as a whole, within its last chunk', () => {
    const head = { method: 'PUT', scheme: 'https', authority: 'a.example', path: '/', headers: [] };
    for (const size of [1, 63, 64, 65_000]) {
      for (const padTo of [64, 1_000, 65_535]) {
        const start = concatBytes([encodeRequestStart(head), encodeContent(patternBytes(size))]);
        const end = encodeEnd([['t', 'u']], start.length, padTo);
        expect((start.length + end.length) % padTo).toBe(0);
        const decoded = decodePieces('request', [start, end]);
        expect(decoded.content).toBe(toHex(patternBytes(size)));
        expect(decoded.trailers).toEqual([['t', 'u']]);
      }
    }
    expect(encodeEnd([['t', 'u'.repeat(60_000)]], 1, 65_535)).toHaveLength(65_535 - 1);
    expect(encodeEnd([['t', 'u'.repeat(60_000)]], 60_000, 65_535)).toHaveLength(65_536);
  });

  test('of indeterminate length comes back whole, however it is cut', () => {
    fc.assert(
      fc.property(requestHead, contentPieces, fields, cuts, (head, pieces, trailers, sizes) => {
        const message = concatBytes([encodeRequestStart(head), ...pieces.map(encodeContent), encodeEnd(trailers)]);
        const decoded = decodePieces('request', cutBy(message, sizes));
        expect(decoded.heads).toEqual([head]);
        expect(decoded.content).toBe(toHex(concatBytes([new Uint8Array(0), ...pieces])));
        expect(decoded.trailers).toEqual(trailers);
      }),
      RUNS,
    );
  });

  test('comes back when it arrives byte by byte', () => {
    const head = {
      method: 'POST',
      scheme: 'https',
      authority: 'a',
      path: '/b?c',
      headers: [['d', 'e'.repeat(300)]],
    } as const;
    const known = encodeRequest(head, patternBytes(200), { trailers: [['t', 'u']], padToMultipleBytes: 64 });
    const open = concatBytes([encodeRequestStart(head), encodeContent(patternBytes(200)), encodeEnd([['t', 'u']])]);
    for (const message of [known, open]) {
      const decoded = decodePieces('request', cutBy(message, [1]));
      expect(decoded.heads).toEqual([head]);
      expect(decoded.content).toBe(toHex(patternBytes(200)));
      expect(decoded.trailers).toEqual([['t', 'u']]);
    }
  });

  test('leaves out the whitespace around field values, which does not belong to them, and no other character', () => {
    const padded = [
      ['a', ' \tb c\t '],
      ['d', ' \t'],
      ['e', '\xa0f\xa0'],
    ] as const;
    const bare = [
      ['a', 'b c'],
      ['d', ''],
      ['e', '\xa0f\xa0'],
    ] as const;
    const head = { method: 'GET', scheme: 'https', authority: 'a', path: '/' };
    const none = new Uint8Array(0);
    expect(encodeRequest({ ...head, headers: padded }, none, { trailers: padded })).toEqual(
      encodeRequest({ ...head, headers: bare }, none, { trailers: bare }),
    );
    const streamed = concatBytes([encodeRequestStart({ ...head, headers: padded }), encodeEnd(padded)]);
    const decoded = decodePieces('request', [streamed]);
    expect(decoded.heads).toEqual([{ ...head, headers: bare }]);
    expect(decoded.trailers).toEqual(bare);
  });

  test('gives its head and content as soon as they are there', () => {
    const seen: string[] = [];
    const decoder = new BhttpDecoder<RequestHead>('request', {
      onHead: (head) => seen.push(head.path),
      onContent: (piece) => seen.push(Buffer.from(piece).toString()),
      onEnd: () => seen.push('end'),
    });
    decoder.push(encodeRequestStart({ method: 'GET', scheme: 'https', authority: 'a', path: '/now', headers: [] }));
    expect(seen).toEqual(['/now']);
    decoder.push(encodeContent(ascii('first')));
    decoder.push(concatBytes([contentPrefix(6), ascii('sec')]));
    expect(seen).toEqual(['/now', 'first', 'sec']);
    decoder.push(ascii('ond'));
    decoder.push(encodeEnd());
    expect(seen).toEqual(['/now', 'first', 'sec', 'ond']);
    decoder.end();
    expect(seen.at(-1)).toBe('end');
  });
});

describe('a response', () => {
  test('of known length comes back whole behind its informational responses', () => {
    fc.assert(
      fc.property(responseHead, informational, content(300), fields, cuts, (head, early, body, trailers, sizes) => {
        const message = encodeResponse(head, body, { trailers, informational: early, padToMultipleBytes: 16 });
        const decoded = decodePieces('response', cutBy(message, sizes));
        expect(decoded.heads).toEqual([head]);
        expect(decoded.informational).toEqual(early);
        expect(decoded.content).toBe(toHex(body));
        expect(decoded.trailers).toEqual(trailers);
      }),
      RUNS,
    );
  });

  test('of indeterminate length comes back whole behind its informational responses', () => {
    fc.assert(
      fc.property(responseHead, informational, contentPieces, fields, cuts, (head, early, pieces, trailers, sizes) => {
        const start = encodeResponseStart(head, early);
        const message = concatBytes([start, ...pieces.map(encodeContent), encodeEnd(trailers)]);
        const decoded = decodePieces('response', cutBy(message, sizes));
        expect(decoded.heads).toEqual([head]);
        expect(decoded.informational).toEqual(early);
        expect(decoded.content).toBe(toHex(concatBytes([new Uint8Array(0), ...pieces])));
        expect(decoded.trailers).toEqual(trailers);
      }),
      RUNS,
    );
  });
});

describe('layout', () => {
  test('a GET and its 200 have the bytes of RFC 9292 §3', () => {
    const head = {
      method: 'GET',
      scheme: 'https',
      authority: 'example.com',
      path: '/',
      headers: [['a', 'bc']],
    } as const;
    const control = '034745540568747470730b6578616d706c652e636f6d012f';
    expect(toHex(encodeRequest(head, ascii('hi')))).toBe(`00${control}05${'0161026263'}026869${'00'}`);
    expect(toHex(encodeRequestStart(head))).toBe(`02${control}${'0161026263'}00`);
    expect(toHex(encodeContent(ascii('hi')))).toBe('026869');
    expect(toHex(encodeEnd())).toBe('0000');
    expect(toHex(encodeResponse({ status: 200, headers: [] }, ascii('hi')))).toBe('0140c80002686900');
    expect(toHex(encodeResponseStart({ status: 200, headers: [] }, [{ status: 103, headers: [] }]))).toBe(
      '0340670040c800',
    );
  });

  test('sections that are empty at the end may be missing (RFC 9292 §3.8)', () => {
    const control = '00034745540568747470730161012f';
    for (const rest of ['', '00', '0000', '000000', '00000000000000']) {
      const { head, content, trailers } = decodeWhole<RequestHead>('request', fromHex(control + rest));
      expect(head.path).toBe('/');
      expect(content).toHaveLength(0);
      expect(trailers).toEqual([]);
    }
    for (const rest of ['', '00', '0000', '000000']) {
      expect(decodeWhole<ResponseHead>('response', fromHex(`0340c8${rest}`)).head.status).toBe(200);
      expect(decodeWhole<ResponseHead>('response', fromHex(`0140c8${rest}`)).head.status).toBe(200);
    }
  });

  test('a length in more bytes than it needs is read all the same', () => {
    const message = fromHex('0040034745540568747470738000000161012f4000400168');
    const { head, content } = decodeWhole<RequestHead>('request', message);
    expect(head).toEqual({ method: 'GET', scheme: 'https', authority: 'a', path: '/', headers: [] });
    expect(Buffer.from(content).toString()).toBe('h');
  });

  test('header names of JavaScript objects are plain data', () => {
    const headers: Fields = [
      ['__proto__', 'polluted'],
      ['constructor', 'x'],
      ['hasownproperty', 'y'],
      ['__proto__', 'again'],
    ];
    const { head } = decodeWhole<RequestHead>(
      'request',
      encodeRequest({ method: 'GET', scheme: 'https', authority: 'a', path: '/', headers }, new Uint8Array(0)),
    );
    expect(head.headers).toEqual(headers);
    expect(Object.getPrototypeOf(head)).toBe(Object.prototype);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});

test('the longest piece of content fills a chunk with its length in front', () => {
  expect(encodeContent(new Uint8Array(CONTENT_PIECE_MAX_BYTES)).length).toBe(CHUNK_PLAINTEXT_MAX_BYTES);
});

describe('misuse of the encoder', () => {
  test('text that one byte per character cannot carry is refused', async () => {
    const head = { method: 'GET', scheme: 'https', authority: 'a', path: '/', headers: [] };
    const none = new Uint8Array(0);
    await expectRefusal('misuse', () => encodeRequest({ ...head, path: '/\u{1f600}' }, none));
    await expectRefusal('misuse', () => encodeRequestStart({ ...head, headers: [['a', 'Ā']] }));
    await expectRefusal('misuse', () => encodeEnd([['Ā', 'a']]));
  });

  test('a piece of content without content is refused, for it would end the content', async () => {
    await expectRefusal('misuse', () => encodeContent(new Uint8Array(0)));
    await expectRefusal('misuse', () => contentPrefix(0));
  });
});
