// Byte strings, integers and varints (SPEC §1). Integers are bigint here, so that nothing can round.
import { Refused, require } from './refused.ts';

export type Bytes = Uint8Array;

export const NONE: Bytes = new Uint8Array(0);
const INTEGER_MAX = 2n ** 53n - 1n;

/** a ‖ b ‖ … */
export function join(...parts: Bytes[]): Bytes {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** One byte per character, 0 to 255. */
export function text(value: string): Bytes {
  return Uint8Array.from(value, (character) => character.charCodeAt(0));
}

/** The characters of these bytes, one each. */
export function textOf(bytes: Bytes): string {
  return [...bytes].map((byte) => String.fromCharCode(byte)).join('');
}

export function hex(bytes: Bytes): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function unhex(digits: string): Bytes {
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/** U(size, value): unsigned, big-endian. */
export function uint(size: number, value: number | bigint): Bytes {
  return unhex(
    BigInt(value)
      .toString(16)
      .padStart(2 * size, '0'),
  );
}

/** The shortest varint of a value (RFC 9000 §16). */
export function varint(value: number | bigint): Bytes {
  const wide = BigInt(value);
  if (wide < 2n ** 6n) return uint(1, wide);
  if (wide < 2n ** 14n) return uint(2, wide | (0b01n << 14n));
  if (wide < 2n ** 30n) return uint(4, wide | (0b10n << 30n));
  return uint(8, wide | (0b11n << 62n));
}

/** Reads front to back from bytes that are all there. */
export class Cursor {
  readonly bytes: Bytes;
  at = 0;

  constructor(bytes: Bytes) {
    this.bytes = bytes;
  }

  get left(): number {
    return this.bytes.length - this.at;
  }

  take(count: number): Bytes {
    require(count <= this.left, 'truncated');
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }

  rest(): Bytes {
    return this.take(this.left);
  }

  /** U(size); above 2^53 − 1 malformed. */
  uint(size: number): number {
    const value = BigInt(`0x${hex(this.take(size))}`);
    require(value <= INTEGER_MAX, 'malformed');
    return Number(value);
  }

  /** A varint in any of its forms; above 2^53 − 1 too large. */
  varint(): number {
    const first = this.take(1)[0] as number;
    const size = [1, 2, 4, 8][first >> 6] as number;
    const all = join(Uint8Array.of(first & 0b0011_1111), this.take(size - 1));
    const value = BigInt(`0x${hex(all)}`);
    if (value > INTEGER_MAX) throw new Refused('too-large');
    return Number(value);
  }
}
