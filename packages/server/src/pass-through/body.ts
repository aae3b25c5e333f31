// The body of a pass-through request as a stream that its reader may destroy without closing the client's connection.
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { Discard } from '../limits/discard.ts';

/**
 * A request's content as a stream of its own. If undici destroys it, because the upstream has responded early or has
 * failed, the relay discards the rest: undici would leave it unread, and a client that sends everything before it reads
 * would wait forever.
 */
export class Upload extends Readable {
  readonly #req: IncomingMessage;
  readonly #discard: Discard;

  constructor(req: IncomingMessage) {
    super({ highWaterMark: 1 }); // what waits is buffered in the request itself
    this.#req = req;
    this.#discard = new Discard(req);
    this.on('error', () => undefined); // the reader has a listener of its own while it reads
    req.on('data', this.#onData);
    req.on('end', () => this.push(null));
    req.on('error', () => undefined); // `close` handles it
    req.on('close', () => {
      if (!req.readableEnded) this.destroy(new Error('the client disconnected'));
    });
    req.pause(); // until _read
  }

  readonly #onData = (piece: Buffer): void => {
    if (!this.destroyed) {
      if (!this.push(piece)) this.#req.pause();
      return;
    }
    this.#discard.take(piece.length);
  };

  override _read(): void {
    this.#req.resume();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    done(error);
    this.#req.resume();
  }
}
