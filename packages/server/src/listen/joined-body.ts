// Joins the pieces of a request's body that arrive within one turn of the event loop, and paces a client that sends many:
// node:http makes an object for each chunk of HTTP/1.1, however small.
import type { IncomingMessage } from 'node:http';
import { NOT_JOINED_BYTES } from '../limits/fixed.ts';
import { type Pacer, PieceMeter } from '../limits/pacer.ts';
import { isSmall, JoinedPieces } from '../limits/small-pieces.ts';

/** Has a request emit its small pieces joined. Call it before anything of the body is read. */
export function joinBody(req: IncomingMessage, pacer: Pacer): void {
  if (Number(req.headers['content-length']) <= NOT_JOINED_BYTES) return;
  const body = new JoinedBody(req, pacer);
  // node:http pushes each piece, calls `_read` to go on reading from the connection, and `_dump` to discard the rest.
  req.push = (piece: Buffer | null) => body.push(piece);
  req._read = (size) => body.read(size);
  (req as { _dump?: () => void })._dump = () => body.discard();
}

class JoinedBody {
  readonly #req: IncomingMessage;
  readonly #push: (piece: Uint8Array | null) => boolean;
  readonly #read: (size: number) => void;
  readonly #meter: PieceMeter;
  readonly #joined = new JoinedPieces();
  #state: 'whole' | 'begun' | 'joining' | 'discarding' = 'whole';
  #isTurn = false; // the end of the turn is awaited
  #isHeld = false; // nothing is read from the connection

  constructor(req: IncomingMessage, pacer: Pacer) {
    this.#req = req;
    this.#push = req.push.bind(req);
    this.#read = req._read.bind(req);
    this.#meter = new PieceMeter(pacer, 'body');
  }

  /** @returns false if nothing more is to be read from the connection for now. */
  push(piece: Buffer | null): boolean {
    if (piece === null) return this.#end();
    // A request that is small and whole goes on at once: nearly every one is.
    if (this.#state === 'whole') {
      this.#state = 'begun';
      return this.#push(piece);
    }
    if (isSmall(piece)) return this.#join(piece);
    if (this.#state === 'discarding') return true;
    this.#flush();
    return this.#push(piece);
  }

  read(size: number): void {
    if (!this.#isHeld) this.#read(size);
  }

  /** Discards what has not been read, as node:http does once it has responded, but paced. */
  discard(): void {
    this.#state = 'discarding';
    this.#joined.take();
    this.#req.removeAllListeners('data');
    this.#req.resume();
  }

  #join(piece: Buffer): boolean {
    if (this.#state === 'begun') {
      this.#state = 'joining';
      this.#req.on('resume', () => this.#flush());
    }
    if (this.#meter.take()) this.#isHeld = true;
    if (!this.#isTurn) {
      this.#isTurn = true;
      setImmediate(this.#endTurn);
    }
    if (this.#state === 'discarding') return !this.#isHeld;
    this.#joined.add(piece as Buffer<ArrayBuffer>);
    if (this.#joined.isFull) this.#flushIfRead();
    return !this.#isHeld && this.#joined.length <= this.#req.readableHighWaterMark;
  }

  readonly #endTurn = (): void => {
    this.#isTurn = false;
    this.#flushIfRead();
    if (this.#isHeld) setTimeout(this.#goOn, this.#meter.waitMs()).unref();
  };

  readonly #goOn = (): void => {
    this.#isHeld = false;
    if (!this.#req.destroyed) this.#read(0);
  };

  #end(): boolean {
    this.#flush();
    return this.#push(null);
  }

  /** While the request is paused, the pieces that nobody takes stay joined. */
  #flushIfRead(): void {
    if (this.#req.readableFlowing === true || this.#req.readableLength === 0) this.#flush();
  }

  #flush(): void {
    if (this.#joined.length === 0) return;
    const { buffer, byteOffset, byteLength } = this.#joined.take();
    this.#push(Buffer.from(buffer, byteOffset, byteLength));
  }
}
