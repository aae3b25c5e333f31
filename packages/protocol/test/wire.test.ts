// Integers, varints and the bounded reader.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  asciiBytes,
  ByteReader,
  type Bytes,
  concatBytes,
  copyBytes,
  equalBytes,
  readUint,
  readVarint,
  varintSize,
  varintSizeFromFirst,
  writeUint,
  writeVarint,
} from '../src/wire.ts';
import { fromHex, toHex } from './support/bytes.ts';
import { expectRefusal } from './support/refusal.ts';

function varint(value: number): Bytes {
  const bytes = new Uint8Array(varintSize(value));
  expect(writeVarint(bytes, 0, value)).toBe(bytes.length);
  return bytes;
}

/** RFC 9000 §16 by big integers, one step a line. */
function slowVarint(value: bigint): string {
  if (value < 1n << 6n) return value.toString(16).padStart(2, '0');
  if (value < 1n << 14n) return (value | (1n << 14n)).toString(16).padStart(4, '0');
  if (value < 1n << 30n) return (value | (2n << 30n)).toString(16).padStart(8, '0');
  return (value | (3n << 62n)).toString(16).padStart(16, '0');
}

describe('varints', () => {
  test('the examples of RFC 9000 §A.1 decode', () => {
    for (const [hex, value] of [
      ['9d7f3e7d', 494_878_333],
      ['7bbd', 15_293],
      ['25', 37],
      ['4025', 37], // longer than necessary
    ] as const) {
      const bytes = fromHex(hex);
      const size = varintSizeFromFirst(bytes[0] as number);
      expect(size).toBe(bytes.length);
      expect(readVarint(bytes, 0, size)).toBe(value);
    }
  });

  test('every value comes back, in the bytes of the slow formula', () => {
    const edges = [0, 63, 64, 16_383, 16_384, 2 ** 30 - 1, 2 ** 30, 2 ** 32, 2 ** 53 - 1];
    fc.assert(
      fc.property(fc.oneof(fc.constantFrom(...edges), fc.maxSafeNat(), fc.nat(70_000)), (value) => {
        const bytes = varint(value);
        expect(toHex(bytes)).toBe(slowVarint(BigInt(value)));
        expect(varintSizeFromFirst(bytes[0] as number)).toBe(bytes.length);
        expect(readVarint(bytes, 0, bytes.length)).toBe(value);
      }),
      { numRuns: 500 },
    );
  });

  test('a value beyond 2^53 − 1 is too large', async () => {
    for (const hex of ['c020000000000000', 'd000000000000000', 'ffffffffffffffff']) {
      await expectRefusal('too-large', () => readVarint(fromHex(hex), 0, 8), hex);
    }
    expect(readVarint(fromHex('c01fffffffffffff'), 0, 8)).toBe(2 ** 53 - 1);
  });
});

describe('unsigned integers', () => {
  test('every value comes back from every size that holds it', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.constantFrom(1, 2, 4, 8), (value, size) => {
        const held = size === 8 ? value : value % 2 ** (8 * size);
        const bytes = new Uint8Array(size + 2).fill(0xee);
        writeUint(bytes, 1, size, held);
        expect(toHex(bytes)).toBe(`ee${held.toString(16).padStart(2 * size, '0')}ee`);
        expect(readUint(bytes, 1, size)).toBe(held);
      }),
    );
  });

  test('a value that does not fit is refused, not cut', async () => {
    const target = new Uint8Array(8);
    for (const [size, value] of [
      [1, 256],
      [2, 65_536],
      [4, 2 ** 32],
      [8, -1],
      [4, Number.NaN],
      [8, Number.POSITIVE_INFINITY],
    ] as const) {
      await expectRefusal('misuse', () => writeUint(target, 0, size, value), `${value} in ${size}`);
    }
  });

  test('eight bytes beyond 2^53 − 1 are malformed', async () => {
    await expectRefusal('malformed', () => readUint(fromHex('0020000000000000'), 0, 8));
    await expectRefusal('malformed', () => readUint(fromHex('ffffffffffffffff'), 0, 8));
  });
});

describe('the bounded reader', () => {
  test('it gives back what was joined, piece by piece, and then has ended', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 20 })), (parts) => {
        const reader = new ByteReader(concatBytes([new Uint8Array(0), ...parts]), 'structure');
        let at = 0;
        for (const part of parts) {
          expect(reader.position).toBe(at);
          expect(toHex(reader.take(part.length))).toBe(toHex(part));
          at += part.length;
        }
        expect(reader.rest()).toHaveLength(0);
        reader.end();
      }),
    );
  });

  test('a read beyond the end is truncated and names its offset; bytes left over are malformed', async () => {
    const reader = new ByteReader(new Uint8Array(5), 'pairing request');
    reader.take(3);
    expect(() => reader.take(3)).toThrow('pairing request ended at byte 5, expected 6');
    await expectRefusal('truncated', () => reader.uint(4));
    await expectRefusal('malformed', () => reader.end());
    expect(() => reader.end()).toThrow('pairing request has 2 bytes too many');
  });
});

describe('byte strings', () => {
  test('equality holds for equal bytes only', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ maxLength: 40 }), (a, b) => {
        expect(equalBytes(a, new Uint8Array(a))).toBe(true);
        expect(equalBytes(a, b)).toBe(toHex(a) === toHex(b));
      }),
    );
    expect(equalBytes(fromHex('00ff'), fromHex('00'))).toBe(false);
    expect(equalBytes(fromHex('00ff'), fromHex('80ff'))).toBe(false);
  });

  test('a copy of a Node Buffer shares no memory with it', () => {
    const buffer = Buffer.from('secret');
    const copy = copyBytes(buffer);
    buffer.fill(0);
    expect(Buffer.from(copy).toString()).toBe('secret');
  });

  test('text that is not ASCII has no ASCII bytes', async () => {
    expect(toHex(asciiBytes('az~'))).toBe('617a7e');
    await expectRefusal('malformed', () => asciiBytes('é'));
    await expectRefusal('malformed', () => asciiBytes('relay\u{1f600}'));
  });
});
