// Bytes for tests: hex, seeded pseudorandomness, pieces of any size, streams.
import type { Bytes } from '../../src/wire.ts';

export function fromHex(hex: string): Bytes {
  return new Uint8Array(Buffer.from(hex, 'hex'));
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
}

export function ascii(text: string): Bytes {
  return new Uint8Array(Buffer.from(text, 'latin1'));
}

/** Same bytes for the same seed, so that a failure can be run again (mulberry32). */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** An integer from 0 to `end`, exclusive. */
  below(end: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296) * end);
  }

  bytes(length: number): Bytes {
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i += 1) bytes[i] = this.below(256);
    return bytes;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }
}

/** Bytes that differ from position to position, quick to make in any length. */
export function patternBytes(length: number): Bytes {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i += 1) bytes[i] = (i * 31 + (i >>> 8) * 7) & 0xff;
  return bytes;
}

export function piecesOf(bytes: Bytes, pieceBytes: number): Bytes[] {
  const pieces: Bytes[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes) pieces.push(bytes.subarray(at, at + pieceBytes));
  return pieces;
}

export async function* streamOf(pieces: Iterable<Bytes>): AsyncGenerator<Bytes, void, undefined> {
  yield* pieces;
}

export async function gather(source: AsyncIterable<Bytes>): Promise<Bytes> {
  const pieces: Bytes[] = [];
  for await (const piece of source) pieces.push(piece);
  return new Uint8Array(Buffer.concat(pieces));
}

export function flipBit(bytes: Bytes, at: number, bit: number): Bytes {
  const flipped = new Uint8Array(bytes);
  flipped[at] = (flipped[at] as number) ^ (1 << bit);
  return flipped;
}
