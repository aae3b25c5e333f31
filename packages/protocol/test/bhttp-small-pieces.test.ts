// A request's small pieces of content reach the decoder's sink joined, and unchanged.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BhttpDecoder } from '../src/bhttp/decode.ts';
import { encodeContent, encodeEnd, encodeRequestStart } from '../src/bhttp/encode.ts';
import type { RequestHead } from '../src/bhttp/parts.ts';
import { type Bytes, concatBytes, writeVarint } from '../src/wire.ts';

const START = encodeRequestStart({ method: 'POST', scheme: 'http', authority: 'a', path: '/', headers: [] });

/** Content as the sink receives it, and the number of its calls. */
function decoded(message: Bytes, cut: number): { content: Bytes; calls: number } {
  const pieces: Bytes[] = [];
  const decoder = new BhttpDecoder<RequestHead>('request', {
    onHead: () => undefined,
    onContent: (piece) => pieces.push(piece),
    onEnd: () => undefined,
  });
  for (let at = 0; at < message.length; at += cut) decoder.push(message.subarray(at, at + cut));
  decoder.end();
  return { content: concatBytes([...pieces, new Uint8Array(0)]), calls: pieces.length };
}

test('a hundred thousand pieces of one byte are a few calls', () => {
  const piece = encodeContent(Uint8Array.of(7));
  const message = concatBytes([START, ...Array<Bytes>(100_000).fill(piece), encodeEnd()]);
  const { content, calls } = decoded(message, 65_536);
  expect(content).toEqual(new Uint8Array(100_000).fill(7));
  expect(calls).toBeLessThan(20);
});

test('a length in a longer form than it needs is read as before', () => {
  const longForm = new Uint8Array(5);
  writeVarint(longForm, 0, 1);
  longForm.set([0x80, 0, 0, 1, 9]); // four bytes for the length 1
  const { content, calls } = decoded(concatBytes([START, longForm, longForm, longForm, encodeEnd()]), 1_000);
  expect(content).toEqual(Uint8Array.of(9, 9, 9));
  expect(calls).toBe(1);
});

test('pieces of any sizes, cut anywhere, give their content', () => {
  const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 70 }), fc.integer({ min: 900, max: 1_200 })));
  fc.assert(
    fc.property(sizes, fc.integer({ min: 1, max: 3_000 }), (lengths, cut) => {
      const content = lengths.map((length, at) => new Uint8Array(length).fill(at % 251));
      const message = concatBytes([START, ...content.map(encodeContent), encodeEnd()]);
      expect(Buffer.compare(decoded(message, cut).content, concatBytes([...content, new Uint8Array(0)]))).toBe(0);
    }),
    { numRuns: 200 },
  );
});
