// Random HTTP messages (fast-check), as wide as Binary HTTP carries them.
import fc from 'fast-check';
import type { Fields, RequestHead, ResponseHead } from '../../src/bhttp.ts';
import type { Bytes } from '../../src/wire.ts';

const TOKEN_CHARACTERS = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz";
const UPPER = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';

function charactersFrom(first: number, last: number): string {
  return Array.from({ length: last - first + 1 }, (_, i) => String.fromCharCode(first + i)).join('');
}

function text(characters: string, minLength: number, maxLength: number): fc.Arbitrary<string> {
  return fc.string({ unit: fc.constantFrom(...characters), minLength, maxLength });
}

const printable = charactersFrom(0x21, 0x7e);
const valueCharacters = `\t ${printable}${charactersFrom(0x80, 0xff)}`;

const name: fc.Arbitrary<string> = fc.oneof(
  { weight: 8, arbitrary: text(TOKEN_CHARACTERS, 1, 80) },
  { weight: 1, arbitrary: fc.constantFrom('__proto__', 'constructor', 'prototype', 'hasownproperty', 'tostring') },
);

const value = text(valueCharacters, 0, 100).map((padded) => padded.replace(/^[ \t]+|[ \t]+$/g, ''));
export const fields: fc.Arbitrary<Fields> = fc.array(fc.tuple(name, value), { maxLength: 8 });

export const requestHead: fc.Arbitrary<RequestHead> = fc.record({
  method: text(TOKEN_CHARACTERS + UPPER, 1, 70),
  scheme: fc.constantFrom('http', 'https'),
  authority: text(printable, 0, 70),
  path: fc.oneof(
    text(printable, 0, 200).map((rest) => `/${rest}`),
    fc.constant('*'),
  ),
  headers: fields,
});

export const responseHead: fc.Arbitrary<ResponseHead> = fc.record({
  status: fc.integer({ min: 200, max: 599 }),
  headers: fields,
});

export const informational: fc.Arbitrary<ResponseHead[]> = fc.array(
  fc.record({ status: fc.integer({ min: 100, max: 199 }), headers: fields }),
  { maxLength: 3 },
);

export function content(maxLength: number): fc.Arbitrary<Bytes> {
  return fc.uint8Array({ maxLength }).map((bytes) => new Uint8Array(bytes));
}

/** Sizes of the pieces in which a message arrives; used in turn, again and again. */
export const cuts: fc.Arbitrary<number[]> = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 12 });

export function cutBy(bytes: Bytes, sizes: readonly number[]): Bytes[] {
  const pieces: Bytes[] = [];
  let at = 0;
  for (let i = 0; at < bytes.length; i += 1) {
    const end = at + (sizes[i % sizes.length] as number);
    pieces.push(bytes.subarray(at, end));
    at = end;
  }
  return pieces;
}
