// Binary HTTP against bhttp-js: each reads what the other wrote. Where that library takes less than RFC 9292 allows
// (no trailers, header values in ASCII, names shorter than 64 bytes when streamed, unique names), so do the messages.
import { BHttpDecoder, BHttpEncoder } from 'bhttp-js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
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
import { type Bytes, concatBytes } from '../src/wire.ts';
import { toHex } from './support/bytes.ts';
import { content } from './support/http-messages.ts';

const LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789-';
const word = (characters: string, minLength: number, maxLength: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...characters), minLength, maxLength });

// Headers trims values and sorts names, so a value starts and ends with a letter and the names are compared sorted.
const value = fc.tuple(
  word(LETTERS, 1, 5),
  word(`${LETTERS} !"#$%&'()*+,/:;<=>?@[]^_{|}~`, 0, 80),
  word(LETTERS, 1, 1),
);
const fields: fc.Arbitrary<Fields> = fc.uniqueArray(
  fc.tuple(
    word(LETTERS, 1, 40).map((rest) => `x-${rest}`),
    value.map((parts) => parts.join('')),
  ),
  { maxLength: 6, selector: ([name]) => name },
);

const head: fc.Arbitrary<RequestHead> = fc.record({
  method: fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'),
  scheme: fc.constantFrom('http', 'https'),
  authority: word('abcdefghijklmnopqrstuvwxyz', 1, 20).map((host) => `${host}.example:8443`),
  path: word(`${LETTERS}/`, 0, 80).map((rest) => `/p${rest}`),
  headers: fields,
});
const query = word(`${LETTERS}=&`, 1, 30).map((rest) => `?q${rest}`);
// bhttp-js builds a Response with a body, which 204, 205 and 304 may not have.
const status = fc.integer({ min: 200, max: 599 }).filter((code) => ![204, 205, 304].includes(code));
const body = content(500);
const pieces = fc.array(
  content(200).filter((bytes) => bytes.length > 0),
  { maxLength: 4 },
);
const RUNS = { numRuns: 150 };

const withBody = (method: string): boolean => method !== 'GET' && method !== 'HEAD';
const sorted = (lines: Iterable<readonly [string, string]>): string[][] =>
  [...lines].map((line) => [...line]).sort(([a], [b]) => ((a as string) < (b as string) ? -1 : 1));
const bytesOf = async (message: Request | Response): Promise<string> =>
  toHex(new Uint8Array(await message.arrayBuffer()));

async function expectRequest(message: Bytes, expected: RequestHead, body: Bytes): Promise<void> {
  const decoded = new BHttpDecoder().decodeRequest(message);
  expect(decoded.method).toBe(expected.method);
  expect(decoded.url).toBe(new URL(`${expected.scheme}://${expected.authority}${expected.path}`).href);
  expect(sorted(decoded.headers)).toEqual(sorted(expected.headers));
  expect(await bytesOf(decoded)).toBe(withBody(expected.method) ? toHex(body) : '');
}

async function expectResponse(message: Bytes, expected: ResponseHead, body: Bytes): Promise<void> {
  const decoded = new BHttpDecoder().decodeResponse(message);
  expect(decoded.status).toBe(expected.status);
  expect(sorted(decoded.headers)).toEqual(sorted(expected.headers));
  expect(await bytesOf(decoded)).toBe(toHex(body));
}

describe('bhttp-js reads', () => {
  test('our requests of known length, padded or not', async () => {
    const padding = fc.constantFrom(0, 64);
    await fc.assert(
      fc.asyncProperty(head, query, body, padding, async (request, search, sent, padToMultipleBytes) => {
        const ours = { ...request, path: request.path + search };
        await expectRequest(encodeRequest(ours, sent, { padToMultipleBytes }), ours, sent);
      }),
      RUNS,
    );
  });

  test('our requests of indeterminate length', async () => {
    await fc.assert(
      fc.asyncProperty(head, pieces, async (request, sent) => {
        const message = concatBytes([encodeRequestStart(request), ...sent.map(encodeContent), encodeEnd()]);
        await expectRequest(message, request, concatBytes([new Uint8Array(0), ...sent]));
      }),
      RUNS,
    );
  });

  test('our responses of known length behind informational ones', async () => {
    await fc.assert(
      fc.asyncProperty(status, fields, fields, body, async (code, headers, early, sent) => {
        const informational = [{ status: 103, headers: early }];
        await expectResponse(encodeResponse({ status: code, headers }, sent), { status: code, headers }, sent);
        const message = encodeResponse({ status: code, headers }, sent, { informational });
        await expectResponse(message, { status: code, headers }, sent);
      }),
      RUNS,
    );
  });

  test('our responses of indeterminate length behind informational ones', async () => {
    await fc.assert(
      fc.asyncProperty(status, fields, fields, pieces, async (code, headers, early, sent) => {
        const start = encodeResponseStart({ status: code, headers }, [{ status: 103, headers: early }]);
        const message = concatBytes([start, ...sent.map(encodeContent), encodeEnd()]);
        await expectResponse(message, { status: code, headers }, concatBytes([new Uint8Array(0), ...sent]));
      }),
      RUNS,
    );
  });
});

describe('we read', () => {
  test('the requests of bhttp-js', async () => {
    await fc.assert(
      fc.asyncProperty(head, body, async (request, sent) => {
        const init: RequestInit = {
          method: request.method,
          headers: request.headers.map(([name, line]) => [name, line]),
        };
        if (withBody(request.method)) init.body = sent;
        const source = new Request(`${request.scheme}://${request.authority}${request.path}`, init);
        const decoded = decodeWhole<RequestHead>(
          'request',
          new Uint8Array(await new BHttpEncoder().encodeRequest(source)),
        );
        expect({ ...decoded.head, headers: sorted(decoded.head.headers) }).toEqual({
          ...request,
          headers: sorted(request.headers),
        });
        expect(toHex(decoded.content)).toBe(withBody(request.method) ? toHex(sent) : '');
        expect(decoded.trailers).toEqual([]);
      }),
      RUNS,
    );
  });

  test('the responses of bhttp-js', async () => {
    await fc.assert(
      fc.asyncProperty(status, fields, body, async (code, headers, sent) => {
        const source = new Response(sent, { status: code, headers: headers.map(([name, line]) => [name, line]) });
        const decoded = decodeWhole<ResponseHead>(
          'response',
          new Uint8Array(await new BHttpEncoder().encodeResponse(source)),
        );
        expect(decoded.head.status).toBe(code);
        expect(sorted(decoded.head.headers)).toEqual(sorted(headers));
        expect(toHex(decoded.content)).toBe(toHex(sent));
      }),
      RUNS,
    );
  });
});
