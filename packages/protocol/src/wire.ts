// Bounded reading and writing of bytes: big-endian integers and QUIC varints (RFC 9000 §16).
import { ProtocolError } from './errors.ts';

/** Bytes of every runtime. Functions do not keep a reference to a caller's buffer after the call unless documented. */
export type Bytes = Uint8Array<ArrayBuffer>;

const EMPTY: Bytes = new Uint8Array(0);

/** An empty byte string. */
export function emptyBytes(): Bytes {
  return EMPTY;
}

/** A copy of these bytes. Not `slice()`, which shares memory for a Node Buffer, so that erasing one would erase the other. */
export function copyBytes(bytes: Uint8Array): Bytes {
  return new Uint8Array(bytes);
}

/** Joins byte strings into a new one. Returns a single part itself, uncopied. */
export function concatBytes(parts: readonly Uint8Array[]): Bytes {
  if (parts.length === 1) return parts[0] as Bytes;
  let total = 0;
  for (const part of parts) total += part.length;
  const joined = new Uint8Array(total);
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

const JOINED_PARTS = 256;

/**
 * Adds the part number `pushed` to those of an incomplete element, and joins the last ones now and then: a part of one
 * byte takes hundreds of bytes of memory. Each byte is copied once.
 */
export function joinLast(parts: Bytes[], part: Bytes, pushed: number): void {
  parts.push(part);
  if (pushed % JOINED_PARTS === 0) parts.push(concatBytes(parts.splice(-JOINED_PARTS)));
}

/** Bytes of an ASCII string. */
export function asciiBytes(text: string): Bytes {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) throw new ProtocolError('malformed', `"${text.length}"-character text is not ASCII`);
    bytes[i] = unit;
  }
  return bytes;
}

/** Decodes UTF-8 without TextDecoder, which some engines lack. Keeps a byte order mark. Throws URIError otherwise. */
export function utf8Text(bytes: Uint8Array): string {
  let escaped = '';
  for (const byte of bytes) escaped += `%${byte.toString(16).padStart(2, '0')}`;
  return decodeURIComponent(escaped);
}

/** Compares in time that depends on the lengths alone. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i += 1) difference |= (a[i] as number) ^ (b[i] as number);
  return difference === 0;
}

/**
 * Writes an unsigned integer, big-endian, into `size` bytes at `at`; `value` ≤ 2^53 − 1.
 * Throws `misuse` when it does not fit: a truncated length or number would be sealed as another one.
 */
export function writeUint(target: Uint8Array, at: number, size: number, value: number): void {
  let rest = value;
  for (let i = at + size - 1; i >= at; i -= 1) {
    target[i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  if (rest !== 0) throw new ProtocolError('misuse', `${value} does not fit ${size} bytes`);
}

/** Reads an unsigned big-endian integer. Throws `malformed` above 2^53 − 1. */
export function readUint(source: Uint8Array, at: number, size: number): number {
  let value = 0;
  for (let i = at; i < at + size; i += 1) value = value * 256 + (source[i] as number);
  if (!Number.isSafeInteger(value)) throw new ProtocolError('malformed', `integer of ${size} bytes exceeds 2^53 - 1`);
  return value;
}

/** Size of the shortest varint of this value: 1, 2, 4 or 8 bytes. */
export function varintSize(value: number): 1 | 2 | 4 | 8 {
  if (value < 0x40) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x4000_0000) return 4;
  return 8;
}

/** Writes `value` (≤ 2^53 − 1) as the shortest varint at `at`. Returns the offset after it. */
export function writeVarint(target: Uint8Array, at: number, value: number): number {
  const size = varintSize(value);
  writeUint(target, at, size, value);
  // The two top bits of the first byte carry log2 of the size.
  target[at] = (target[at] as number) | (size === 1 ? 0 : size === 2 ? 0x40 : size === 4 ? 0x80 : 0xc0);
  return at + size;
}

/** Size of the varint that starts with `first`. */
export function varintSizeFromFirst(first: number): number {
  return 1 << (first >> 6);
}

/** Reads the varint of `size` bytes at `at`, which the caller has checked to be available. */
export function readVarint(source: Uint8Array, at: number, size: number): number {
  let value = (source[at] as number) & 0x3f;
  for (let i = at + 1; i < at + size; i += 1) value = value * 256 + (source[i] as number);
  if (!Number.isSafeInteger(value)) throw new ProtocolError('too-large', 'length exceeds 2^53 - 1');
  return value;
}

/** Reads a fixed layout from front to back. Checks every read against the end. */
export class ByteReader {
  readonly #bytes: Bytes;
  readonly #what: string;
  #at = 0;

  /** @param what names the structure in errors, e.g. "pairing request". */
  constructor(bytes: Bytes, what: string) {
    this.#bytes = bytes;
    this.#what = what;
  }

  /** Offset of the next byte. */
  get position(): number {
    return this.#at;
  }

  /** The next `length` bytes, uncopied. Throws `truncated`. */
  take(length: number): Bytes {
    const end = this.#at + length;
    if (end > this.#bytes.length) {
      throw new ProtocolError('truncated', `${this.#what} ended at byte ${this.#bytes.length}, expected ${end}`);
    }
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }

  /** The next unsigned integer of `size` bytes, big-endian. Throws `truncated`, or `malformed` above 2^53 − 1. */
  uint(size: number): number {
    return readUint(this.take(size), 0, size);
  }

  /** All remaining bytes, uncopied. */
  rest(): Bytes {
    return this.take(this.#bytes.length - this.#at);
  }

  /** Throws `malformed` unless everything was read. */
  end(): void {
    const left = this.#bytes.length - this.#at;
    if (left > 0) throw new ProtocolError('malformed', `${this.#what} has ${left} bytes too many`);
  }
}
