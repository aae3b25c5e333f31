// Binary HTTP that must not be believed: cut off, beyond its limits, or with characters that no HTTP parser would pass
// (CVE-2022-31150, CVE-2022-35948, CVE-2023-23936, CVE-2026-1527: CR, LF or NUL in what was never parsed as HTTP).
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  BhttpDecoder,
  type BhttpSink,
  decodeWhole,
  encodeContent,
  encodeEnd,
  encodeRequest,
  encodeRequestStart,
  encodeResponse,
  encodeResponseStart,
  type RequestHead,
  type ResponseHead,
} from '../src/bhttp.ts';
import { FIELD_COUNT_MAX, HEAD_MAX_BYTES } from '../src/constants.ts';
import { ProtocolError } from '../src/errors.ts';
import { type Bytes, concatBytes, varintSize, writeVarint } from '../src/wire.ts';
import { ascii, fromHex, patternBytes } from './support/bytes.ts';
import { bytesCopied } from './support/copies.ts';
import { cutBy, cuts } from './support/http-messages.ts';
import { expectRefusal, refusalOf } from './support/refusal.ts';

const HEAD: RequestHead = {
  method: 'POST',
  scheme: 'https',
  authority: 'api.example',
  path: '/orders?id=7',
  headers: [
    ['accept', '*/*'],
    ['x-one', 'two'],
  ],
};

const NO_SINK: BhttpSink<RequestHead> = {
  onHead: () => undefined,
  onContent: () => undefined,
  onEnd: () => undefined,
};

const request = (message: Bytes): unknown => decodeWhole<RequestHead>('request', message);
const response = (message: Bytes): unknown => decodeWhole<ResponseHead>('response', message);

function varint(value: number): Bytes {
  const bytes = new Uint8Array(varintSize(value));
  writeVarint(bytes, 0, value);
  return bytes;
}

function text(value: string): Bytes {
  return concatBytes([varint(value.length), ascii(value)]);
}

describe('truncation', () => {
  // Offsets where RFC 9292 §3.8 lets a message end early, because all that is missing is empty.
  async function offsetsThatPass(message: Bytes, decode: (message: Bytes) => unknown): Promise<number[]> {
    const passed: number[] = [];
    for (let end = 0; end < message.length; end += 1) {
      const code = await refusalOf(() => decode(message.subarray(0, end)));
      if (code === 'passed') passed.push(end);
      else expect(code, `cut at ${end} of ${message.length}`).toBe('truncated');
    }
    return passed;
  }

  test('at every byte is refused, but for right behind control data, a header section or known-length content', async () => {
    const none = new Uint8Array(0);
    const trailers = [['t', 'u']] as const;
    const known = encodeRequest(HEAD, ascii('content'), { trailers });
    const controlEnd = encodeRequest({ ...HEAD, headers: [] }, none).length - 3;
    const headEnd = encodeRequest(HEAD, none).length - 2;
    expect(await offsetsThatPass(known, request)).toEqual([controlEnd, headEnd, known.length - 5]);

    const responseHead = { status: 200, headers: HEAD.headers };
    const whole = encodeResponse(responseHead, ascii('content'), { trailers });
    const responseHeadEnd = encodeResponse(responseHead, none).length - 2;
    expect(await offsetsThatPass(whole, response)).toEqual([3, responseHeadEnd, whole.length - 5]);
  });

  test('inside or right behind a piece of streamed content is refused at every byte', async () => {
    const start = encodeRequestStart(HEAD);
    const message = concatBytes([start, encodeContent(ascii('one')), encodeContent(ascii('two')), encodeEnd()]);
    for (let end = start.length + 1; end < message.length - 1; end += 1) {
      await expectRefusal('truncated', () => request(message.subarray(0, end)), `cut at ${end}`);
    }
    expect(await refusalOf(() => request(message.subarray(0, message.length - 1)))).toBe('passed');
  });

  test('behind an informational response is refused: the final one must follow', async () => {
    for (const framing of ['01', '03']) {
      await expectRefusal('truncated', () => response(fromHex(`${framing}406700`)));
      await expectRefusal('truncated', () => response(fromHex(`${framing}4067`)));
    }
  });

  test('nothing at all is refused', async () => {
    await expectRefusal('truncated', () => request(new Uint8Array(0)));
    await expectRefusal('truncated', () => response(new Uint8Array(0)));
  });
});

describe('lengths', () => {
  const control = concatBytes([varint(0), text('GET'), text('https'), text('a'), text('/')]);

  test('beyond the message are refused when it ends, and nothing is buffered for them', async () => {
    const lying = concatBytes([control, varint(0), varint(2 ** 53 - 1), ascii('short')]);
    const seen: number[] = [];
    const decoder = new BhttpDecoder<RequestHead>('request', {
      ...NO_SINK,
      onContent: (piece) => seen.push(piece.length),
      onEnd: () => seen.push(-1),
    });
    decoder.push(lying);
    expect(seen).toEqual([5]);
    await expectRefusal('truncated', () => decoder.end());
    expect(seen).toEqual([5]);
  });

  test('of 2^60 and other more than 2^53 − 1 are too large at once', async () => {
    for (const hex of ['d000000000000000', 'ffffffffffffffff', 'c020000000000000']) {
      await expectRefusal('too-large', () => request(concatBytes([varint(0), fromHex(hex)])), `method ${hex}`);
      await expectRefusal('too-large', () => request(concatBytes([control, fromHex(hex)])), `fields ${hex}`);
      await expectRefusal(
        'too-large',
        () => request(concatBytes([control, varint(0), fromHex(hex)])),
        `content ${hex}`,
      );
      const inField = concatBytes([control, varint(9), fromHex(hex)]);
      await expectRefusal('too-large', () => request(inField), `name ${hex}`);
    }
  });

  test('of control data or fields beyond the head limit are refused before they arrive', async () => {
    const beyond = varint(HEAD_MAX_BYTES + 1);
    await expectRefusal('too-large', () => request(concatBytes([varint(0), beyond])));
    await expectRefusal('too-large', () => request(concatBytes([control, beyond])));
    await expectRefusal('too-large', () => request(concatBytes([varint(2), control.subarray(1), beyond])));
    const value = concatBytes([varint(2), control.subarray(1), text('name'), beyond]);
    await expectRefusal('too-large', () => request(value));
  });

  test('of a field that runs beyond its section are malformed', async () => {
    await expectRefusal('malformed', () =>
      request(concatBytes([control, varint(4), text('ab'), text('cd'), varint(0)])),
    );
  });
});

describe('limits', () => {
  const long = 'v'.repeat(1000);

  test('the head limit counts control data, header fields, informational responses and trailers together', async () => {
    const limits = { headMaxBytes: 4500 };
    const fields = (count: number): Array<[string, string]> => Array.from({ length: count }, (_, i) => [`n${i}`, long]);
    const decode = (message: Bytes): unknown => decodeWhole<ResponseHead>('response', message, limits);
    const none = new Uint8Array(0);
    expect(await refusalOf(() => decode(encodeResponse({ status: 200, headers: fields(4) }, none)))).toBe('passed');
    await expectRefusal('too-large', () => decode(encodeResponse({ status: 200, headers: fields(5) }, none)));
    const early = [{ status: 103, headers: fields(2) }];
    await expectRefusal('too-large', () =>
      decode(encodeResponse({ status: 200, headers: fields(3) }, none, { informational: early })),
    );
    await expectRefusal('too-large', () =>
      decode(encodeResponse({ status: 200, headers: fields(2) }, ascii('x'), { trailers: fields(3) })),
    );
    const streamed = concatBytes([
      encodeResponseStart({ status: 200, headers: fields(2) }, early),
      encodeEnd(fields(1)),
    ]);
    await expectRefusal('too-large', () => decode(streamed));
  });

  test('a head of just the limit passes, and one byte less is too large, however it is cut', async () => {
    const message = encodeRequest(HEAD, new Uint8Array(0), { trailers: [['name', long]] });
    const verdictAt = (headMaxBytes: number, pieceBytes: number): Promise<string> =>
      refusalOf(() => {
        const decoder = new BhttpDecoder<RequestHead>('request', NO_SINK, { headMaxBytes });
        for (const piece of cutBy(message, [pieceBytes])) decoder.push(piece);
        decoder.end();
      });
    let limit = 0;
    while ((await verdictAt(limit, message.length)) !== 'passed') limit += 1;
    expect(limit).toBeGreaterThan(long.length);
    for (const pieceBytes of [1, 2, 3, 7, 50]) {
      expect(await verdictAt(limit, pieceBytes), `pieces of ${pieceBytes}`).toBe('passed');
      expect(await verdictAt(limit - 1, pieceBytes), `pieces of ${pieceBytes}`).toBe('too-large');
    }
  });

  test('informational responses without fields come to an end too', async () => {
    const early = Array.from({ length: HEAD_MAX_BYTES }, () => ({ status: 103, headers: [] }));
    const message = encodeResponseStart({ status: 200, headers: [] }, early);
    await expectRefusal('too-large', () => response(message));
  });

  test('one field more than the limit is refused in every section', async () => {
    const fields = (count: number): Array<[string, string]> => Array.from({ length: count }, (_, i) => [`n${i}`, '']);
    const [full, over] = [fields(FIELD_COUNT_MAX), fields(FIELD_COUNT_MAX + 1)];
    const none = new Uint8Array(0);
    expect(await refusalOf(() => request(encodeRequest({ ...HEAD, headers: full }, none, { trailers: full })))).toBe(
      'passed',
    );
    await expectRefusal('too-large', () => request(encodeRequest({ ...HEAD, headers: over }, none)));
    await expectRefusal('too-large', () => request(encodeRequest(HEAD, none, { trailers: over })));
    await expectRefusal('too-large', () => request(encodeRequestStart({ ...HEAD, headers: over })));
    await expectRefusal('too-large', () => request(concatBytes([encodeRequestStart(HEAD), encodeEnd(over)])));
  });
});

describe('characters', () => {
  const everyByte = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code));

  async function accepted(make: (character: string) => Partial<RequestHead>): Promise<string> {
    const passed: string[] = [];
    for (const character of everyByte) {
      const head = { ...HEAD, ...make(character) };
      const codes = [
        await refusalOf(() => request(encodeRequest(head, new Uint8Array(0)))),
        await refusalOf(() => request(concatBytes([encodeRequestStart(head), encodeEnd()]))),
      ];
      expect(codes[0], `byte ${character.charCodeAt(0)}`).toBe(codes[1]);
      expect(['passed', 'malformed']).toContain(codes[0]);
      if (codes[0] === 'passed') passed.push(character);
    }
    return passed.join('');
  }

  const tokenSymbols = "!#$%&'*+-.^_`|~";
  const sorted = (text: string): string => [...text].sort().join('');
  const range = (first: number, last: number): string => everyByte.slice(first, last + 1).join('');

  test('a method is a token', async () => {
    const alphanumeric = range(0x30, 0x39) + range(0x41, 0x5a) + range(0x61, 0x7a);
    expect(await accepted((c) => ({ method: `GE${c}T` }))).toBe(sorted(tokenSymbols + alphanumeric));
    await expectRefusal('malformed', () => request(encodeRequest({ ...HEAD, method: '' }, new Uint8Array(0))));
  });

  test('a path is printable ASCII without space and starts with a slash', async () => {
    expect(await accepted((c) => ({ path: `/a${c}b` }))).toBe(range(0x21, 0x7e));
    for (const path of ['', 'a', 'http://evil/', '**', '\\evil', ' /', '?x', '#']) {
      await expectRefusal('malformed', () => request(encodeRequest({ ...HEAD, path }, new Uint8Array(0))), path);
    }
  });

  test('an authority is printable ASCII without space', async () => {
    expect(await accepted((c) => ({ authority: `a${c}b` }))).toBe(range(0x21, 0x7e));
  });

  test('a scheme is http or https', async () => {
    for (const scheme of ['', 'HTTP', 'ftp', 'https:', 'http\r\n', 'file', 'javascript']) {
      await expectRefusal('malformed', () => request(encodeRequest({ ...HEAD, scheme }, new Uint8Array(0))), scheme);
    }
  });

  test('a field name is a token in lower case', async () => {
    const lower = range(0x30, 0x39) + range(0x61, 0x7a);
    expect(await accepted((c) => ({ headers: [[`x${c}y`, 'z']] }))).toBe(sorted(tokenSymbols + lower));
    const nameless = concatBytes([
      varint(0),
      text('GET'),
      text('https'),
      text('a'),
      text('/'),
      varint(2),
      text(''),
      text(''),
    ]);
    await expectRefusal('malformed', () => request(nameless));
  });

  test('a field value has no control character but the tab: no CR, LF or NUL', async () => {
    expect(await accepted((c) => ({ headers: [['x', `y${c}z`]] }))).toBe(`\t${range(0x20, 0x7e)}${range(0x80, 0xff)}`);
  });

  test('a field value has no space or tab around it, but any other character', async () => {
    const control = encodeRequest({ ...HEAD, headers: [] }, new Uint8Array(0)).subarray(0, -3);
    const withValue = (value: string): Bytes => {
      const line = concatBytes([text('x'), text(value)]);
      return concatBytes([control, varint(line.length), line]);
    };
    for (const value of [' y', '\ty', 'y ', 'y\t', ' ', '\t']) {
      await expectRefusal('malformed', () => request(withValue(value)));
    }
    expect(await refusalOf(() => request(withValue('y z')))).toBe('passed');
  });

  test('the same holds for trailers and for responses', async () => {
    const none = new Uint8Array(0);
    for (const field of [
      ['x', 'a\r\nb'],
      ['x', 'a\nb'],
      ['x', '\0'],
      ['a b', ''],
      ['A', ''],
      [':path', '/'],
    ] as const) {
      await expectRefusal('malformed', () => request(encodeRequest(HEAD, none, { trailers: [field] })));
      await expectRefusal('malformed', () => request(concatBytes([encodeRequestStart(HEAD), encodeEnd([field])])));
      await expectRefusal('malformed', () => response(encodeResponse({ status: 200, headers: [field] }, none)));
      await expectRefusal('malformed', () =>
        response(
          encodeResponse({ status: 200, headers: [] }, none, { informational: [{ status: 103, headers: [field] }] }),
        ),
      );
    }
  });
});

describe('framing', () => {
  test('a message of the other kind, or of none, is malformed', async () => {
    const none = new Uint8Array(0);
    await expectRefusal('malformed', () => response(encodeRequest(HEAD, none)));
    await expectRefusal('malformed', () => request(encodeResponse({ status: 200, headers: [] }, none)));
    for (const framing of [4, 63, 64, 16_384]) await expectRefusal('malformed', () => request(varint(framing)));
  });

  test('a status outside 100 to 599 is malformed', async () => {
    for (const status of [0, 1, 99, 600, 999, 16_383, 2 ** 40]) {
      await expectRefusal('malformed', () => response(concatBytes([varint(1), varint(status)])), `${status}`);
    }
  });

  test('padding that is not all zero is malformed, wherever it arrives', async () => {
    const message = encodeRequest(HEAD, ascii('x'), { padToMultipleBytes: 256 });
    const unpadded = encodeRequest(HEAD, ascii('x')).length;
    for (let at = unpadded; at < message.length; at += 1) {
      const dirty = new Uint8Array(message);
      dirty[at] = 1;
      await expectRefusal('malformed', () => request(dirty), `byte ${at}`);
    }
  });

  test('any bytes at all either decode or are refused as bytes, in any pieces and with one verdict', () => {
    const start = fc.constantFrom(encodeRequestStart(HEAD), encodeRequest(HEAD, patternBytes(20)), new Uint8Array(0));
    fc.assert(
      fc.property(start, fc.uint8Array({ maxLength: 60 }), fc.nat(80), cuts, (valid, noise, at, sizes) => {
        const message = concatBytes([new Uint8Array(0), valid.subarray(0, at), noise, valid.subarray(at)]);
        expect(verdict(cutBy(message, sizes))).toBe(verdict([message]));
      }),
      { numRuns: 2000 },
    );

    function verdict(pieces: readonly Bytes[]): string {
      const decoder = new BhttpDecoder<RequestHead>('request', NO_SINK);
      try {
        for (const piece of pieces) decoder.push(piece);
        decoder.end();
        return 'passed';
      } catch (error) {
        if (error instanceof ProtocolError) return error.code;
        throw error;
      }
    }
  });

  test('a field in small pieces costs work in proportion to its length', () => {
    const head = { ...HEAD, headers: [['long', 'v'.repeat(2 ** 17)]] as const };
    const message = encodeRequest(head, patternBytes(1000));
    let ended = false;
    const sink = {
      ...NO_SINK,
      onEnd: () => {
        ended = true;
      },
    };
    const decoder = new BhttpDecoder<RequestHead>('request', sink, { headMaxBytes: 2 ** 21 });
    const copied = bytesCopied(() => {
      for (let at = 0; at < message.length; at += 4) decoder.push(message.subarray(at, at + 4));
    });
    decoder.end();
    expect(ended).toBe(true);
    // Joining everything that is buffered at every piece would copy more than 2 GB here.
    expect(copied).toBeLessThan(4 * message.length);
  });
});
