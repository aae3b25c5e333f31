// Joins small pieces: an object per piece costs many times the bytes that it has.
import type { Bytes } from '@mte-relay/protocol';
import { JOINED_MAX_BYTES, SMALL_PIECE_BYTES } from './fixed.ts';

const FIRST_BYTES = 1_024;

/** True for a piece that is worth copying into a larger one. */
export function isSmall(piece: Uint8Array): boolean {
  return piece.length < SMALL_PIECE_BYTES;
}

/** Small pieces as one. A single piece stays itself, uncopied. */
export class JoinedPieces {
  #bytes: Bytes | undefined;
  #capacity = 0; // 0 while the bytes are the first piece itself
  #length = 0;

  /** Bytes so far. */
  get length(): number {
    return this.#length;
  }

  /** True once it has grown to what a reader takes at a time. */
  get isFull(): boolean {
    return this.#length >= JOINED_MAX_BYTES;
  }

  /** Adds a small piece. */
  add(piece: Bytes): void {
    if (this.#length === 0) {
      this.#bytes = piece;
      this.#length = piece.length;
      return;
    }
    const end = this.#length + piece.length;
    if (end > this.#capacity) this.#grow(end);
    (this.#bytes as Bytes).set(piece, this.#length);
    this.#length = end;
  }

  /** All bytes so far; the next piece begins anew. */
  take(): Bytes {
    const joined = this.#bytes?.subarray(0, this.#length) ?? new Uint8Array(0);
    this.#bytes = undefined;
    this.#capacity = 0;
    this.#length = 0;
    return joined;
  }

  #grow(least: number): void {
    this.#capacity = Math.max(least, 2 * this.#capacity, FIRST_BYTES);
    const grown = new Uint8Array(this.#capacity);
    grown.set((this.#bytes as Bytes).subarray(0, this.#length));
    this.#bytes = grown;
  }
}

/** A list of pieces in which no two neighbours are small. */
export class PieceList {
  readonly #pieces: Bytes[] = [];
  readonly #joined = new JoinedPieces();

  /** Keeps a piece, and copies small neighbours together. */
  add(piece: Bytes): void {
    if (isSmall(piece)) return this.#joined.add(piece);
    this.#endJoined();
    this.#pieces.push(piece);
  }

  /** Everything in order; the list is then empty. */
  take(): Bytes[] {
    this.#endJoined();
    return this.#pieces.splice(0);
  }

  #endJoined(): void {
    if (this.#joined.length > 0) this.#pieces.push(this.#joined.take());
  }
}

/**
 * Writes the small pieces of one turn of the event loop at its end, as one, so that an event of a stream is not delayed.
 * While a piece before them is not written out, it joins further ones. It does not ask how much the sink has: that may
 * be of others, such as a head, and nobody says when those are written out.
 */
export class JoinedWrites {
  readonly #write: (bytes: Bytes, written: () => void) => void;
  readonly #joined = new JoinedPieces();
  #isTurn = false; // the end of the turn is awaited
  #unwritten = 0; // pieces that are not written out

  /** @param write handles its own errors and back-pressure, and has its sink call `written`. */
  constructor(write: (bytes: Bytes, written: () => void) => void) {
    this.#write = write;
  }

  /** Writes a piece, now or later. */
  write(piece: Bytes): void {
    if (!isSmall(piece)) {
      this.flush();
      return this.#pass(piece);
    }
    this.#joined.add(piece);
    if (this.#joined.isFull) return this.flush();
    if (this.#isTurn) return;
    this.#isTurn = true;
    setImmediate(this.#endTurn);
  }

  /** Writes what is joined. */
  flush(): void {
    if (this.#joined.length > 0) this.#pass(this.#joined.take());
  }

  #pass(bytes: Bytes): void {
    this.#unwritten += 1;
    this.#write(bytes, this.#onWritten);
  }

  readonly #endTurn = (): void => {
    this.#isTurn = false;
    if (this.#unwritten === 0) this.flush();
  };

  readonly #onWritten = (): void => {
    this.#unwritten -= 1;
    if (!this.#isTurn) this.flush();
  };
}
