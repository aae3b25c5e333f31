// Chunks: varint length ‖ ciphertext; the last has length 0 and runs to the end (SPEC §5.3, framing of
// draft-ietf-ohai-chunked-ohttp-08 §3). Sealing first, opening below as its mirror image.
import { AEAD_TAG_BYTES, CHUNK_CIPHERTEXT_MAX_BYTES, CHUNK_COUNT_MAX, CHUNK_PLAINTEXT_MAX_BYTES } from './constants.ts';
import { NonceCounter } from './crypto/aead-nonce.ts';
import { ProtocolError } from './errors.ts';
import type { Aead, Awaitable } from './suite.ts';
import {
  asciiBytes,
  type Bytes,
  concatBytes,
  emptyBytes,
  joinLast,
  readVarint,
  varintSize,
  varintSizeFromFirst,
  writeVarint,
} from './wire.ts';

const AAD_MORE: Bytes = emptyBytes();
const AAD_FINAL: Bytes = asciiBytes('final');

/** The bytes in front of a non-final chunk's ciphertext. */
export function chunkPrefix(ciphertextBytes: number): Bytes {
  const prefix = new Uint8Array(varintSize(ciphertextBytes));
  writeVarint(prefix, 0, ciphertextBytes);
  return prefix;
}

/** A non-final chunk on the wire. */
export function framedChunk(ciphertext: Bytes): Bytes {
  return concatBytes([chunkPrefix(ciphertext.length), ciphertext]);
}

/** The byte in front of the final chunk's ciphertext. */
export const FINAL_CHUNK_PREFIX: Bytes = Uint8Array.of(0);

const TOO_MANY = `message exceeds ${CHUNK_COUNT_MAX} chunks`;

/**
 * Seals the chunks of one message in order. `A` is the provider's AEAD, so that a synchronous one returns values at once.
 * Each method returns the ciphertext alone. {@link chunkPrefix} and {@link FINAL_CHUNK_PREFIX} frame it.
 */
export class ChunkSealer<A extends Aead = Aead> {
  readonly #aead: A;
  readonly #counter = new NonceCounter(CHUNK_COUNT_MAX, TOO_MANY);

  constructor(aead: A) {
    this.#aead = aead;
  }

  /** Seals 1 to 65,536 bytes. Throws `misuse` outside that, or after the final chunk. */
  seal(plaintext: Bytes): ReturnType<A['seal']> {
    checkLength(plaintext, 1);
    return this.#aead.seal(this.#counter.take(), AAD_MORE, plaintext) as ReturnType<A['seal']>;
  }

  /** Seals the last 0 to 65,536 bytes. */
  sealFinal(plaintext: Bytes): ReturnType<A['seal']> {
    checkLength(plaintext, 0);
    return this.#aead.seal(this.#counter.take(true), AAD_FINAL, plaintext) as ReturnType<A['seal']>;
  }

  /** Takes the place of the next chunk, to be sealed later, once. Throws `misuse` at a second time. */
  reserve(): (plaintext: Bytes) => ReturnType<A['seal']> {
    let nonce: Bytes | undefined = this.#counter.take(false);
    return (plaintext) => {
      const own = nonce;
      if (!own) throw new ProtocolError('misuse', 'a reserved chunk is sealed once');
      checkLength(plaintext, 1);
      nonce = undefined;
      return this.#aead.seal(own, AAD_MORE, plaintext) as ReturnType<A['seal']>;
    };
  }
}

function checkLength({ length }: Bytes, least: 0 | 1): void {
  if (length < least) throw new ProtocolError('misuse', 'a chunk before the final one carries at least 1 byte');
  if (length > CHUNK_PLAINTEXT_MAX_BYTES) {
    throw new ProtocolError('misuse', `chunk of ${length} bytes exceeds ${CHUNK_PLAINTEXT_MAX_BYTES}`);
  }
}

/** Opens the chunks of one message in order. After a failure the message is void and the opener must not be used. */
export class ChunkOpener<A extends Aead = Aead> {
  readonly #aead: A;
  readonly #counter = new NonceCounter(CHUNK_COUNT_MAX, TOO_MANY);

  constructor(aead: A) {
    this.#aead = aead;
  }

  /** Opens a chunk before the final one. Throws `unopenable`. */
  open(ciphertext: Bytes): ReturnType<A['open']> {
    return this.#aead.open(this.#counter.take(false), AAD_MORE, ciphertext) as ReturnType<A['open']>;
  }

  /** Opens the final chunk, after which the chunks are complete. Throws `unopenable`. */
  openFinal(ciphertext: Bytes): ReturnType<A['open']> {
    return this.#aead.open(this.#counter.take(true), AAD_FINAL, ciphertext) as ReturnType<A['open']>;
  }
}

/**
 * Splits a byte stream into chunk ciphertexts. It buffers at most one chunk and the bytes that arrived after it.
 * {@link ChunkSplitter.push} received bytes, call {@link ChunkSplitter.next} until it returns undefined, and
 * {@link ChunkSplitter.end} at the end of the stream.
 */
export class ChunkSplitter {
  #parts: Bytes[] = [];
  #pushed = 0;
  #buffered = 0;
  #needed = 1; // bytes to buffer before the next attempt
  #final = false;
  #scratch: Bytes | undefined;

  /** Adds bytes, and keeps a reference to them until they are returned. */
  push(bytes: Bytes): void {
    if (bytes.length === 0) return;
    this.#pushed += 1;
    joinLast(this.#parts, bytes, this.#pushed);
    this.#buffered += bytes.length;
    if (this.#final) this.#checkFinalSize();
  }

  /**
   * The next complete non-final ciphertext, or undefined until it has fully arrived. It is valid until the next call: all
   * chunks that arrive in several pieces share one buffer. Throws `too-large`, `malformed`.
   */
  next(): Bytes | undefined {
    if (this.#final || this.#buffered < this.#needed) return undefined;
    const first = (this.#parts[0] as Bytes)[0] as number;
    if (first === 0) {
      this.#drop(1);
      this.#final = true;
      this.#checkFinalSize();
      return undefined;
    }
    const prefixBytes = varintSizeFromFirst(first);
    if (this.#buffered < prefixBytes) return this.#wait(prefixBytes);
    const length = readVarint(this.#peek(prefixBytes), 0, prefixBytes);
    // One encoding per length, so that a change of any bit of a sealed message is detected.
    if (varintSize(length) !== prefixBytes) {
      throw new ProtocolError('malformed', 'chunk length is not in its shortest form');
    }
    if (length <= AEAD_TAG_BYTES) {
      throw new ProtocolError('malformed', 'a chunk before the final one is empty');
    }
    if (length > CHUNK_CIPHERTEXT_MAX_BYTES) {
      throw new ProtocolError('too-large', `chunk of ${length} bytes exceeds ${CHUNK_CIPHERTEXT_MAX_BYTES}`);
    }
    if (this.#buffered < prefixBytes + length) return this.#wait(prefixBytes + length);
    this.#needed = 1;
    this.#drop(prefixBytes);
    const ciphertext = this.#peek(length);
    this.#drop(length);
    return ciphertext;
  }

  /** The final ciphertext, once the stream has ended. Throws `truncated` when the final chunk had not begun. */
  end(): Bytes {
    if (!this.#final)
      throw new ProtocolError('truncated', `message ended inside a chunk, ${this.#buffered} bytes into it`);
    return this.#parts.length === 0 ? emptyBytes() : concatBytes(this.#parts);
  }

  #wait(needed: number): undefined {
    this.#needed = needed;
    return undefined;
  }

  /** The next bytes, all of which have arrived: in place if they are in one piece, else copied together. */
  #peek(length: number): Bytes {
    const first = this.#parts[0] as Bytes;
    if (first.length >= length) return first.subarray(0, length);
    this.#scratch ??= new Uint8Array(CHUNK_CIPHERTEXT_MAX_BYTES);
    let at = 0;
    for (const part of this.#parts) {
      const taken = part.subarray(0, length - at);
      this.#scratch.set(taken, at);
      at += taken.length;
      if (at === length) break;
    }
    return this.#scratch.subarray(0, length);
  }

  #drop(length: number): void {
    this.#buffered -= length;
    let left = length;
    let whole = 0; // parts to remove completely
    while (left > 0 && left >= (this.#parts[whole] as Bytes).length) {
      left -= (this.#parts[whole] as Bytes).length;
      whole += 1;
    }
    if (whole > 0) this.#parts.splice(0, whole);
    if (left > 0) this.#parts[0] = (this.#parts[0] as Bytes).subarray(left);
  }

  #checkFinalSize(): void {
    if (this.#buffered > CHUNK_CIPHERTEXT_MAX_BYTES) {
      throw new ProtocolError('too-large', `final chunk exceeds ${CHUNK_CIPHERTEXT_MAX_BYTES} bytes`);
    }
  }
}

/** Seals a stream of plaintext pieces of any size and flushes each one. The final chunk is empty. */
export async function* sealChunks(
  sealer: ChunkSealer,
  source: AsyncIterable<Bytes> | Iterable<Bytes>,
): AsyncGenerator<Bytes, void, undefined> {
  for await (const piece of source) {
    for (let at = 0; at < piece.length; at += CHUNK_PLAINTEXT_MAX_BYTES) {
      const ciphertext = await sealer.seal(piece.subarray(at, at + CHUNK_PLAINTEXT_MAX_BYTES));
      yield framedChunk(ciphertext);
    }
  }
  yield concatBytes([FINAL_CHUNK_PREFIX, await sealer.sealFinal(emptyBytes())]);
}

/**
 * Opens a stream of sealed bytes, split anywhere. Yields each chunk's plaintext once its tag has verified, and ends only
 * after a verified final chunk. Throws `truncated`, `unopenable`, `too-large`, `malformed`.
 */
export async function* openChunks(
  opener: ChunkOpener,
  source: AsyncIterable<Bytes> | Iterable<Bytes>,
): AsyncGenerator<Bytes, void, undefined> {
  const splitter = new ChunkSplitter();
  for await (const piece of source) {
    splitter.push(piece);
    for (let ciphertext = splitter.next(); ciphertext; ciphertext = splitter.next()) {
      yield await opener.open(ciphertext);
    }
  }
  const last: Awaitable<Bytes> = opener.openFinal(splitter.end());
  yield await last;
}
