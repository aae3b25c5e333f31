// The body of a pass-through request, apart from the connection that it comes on: what reads it may let go of it.
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';

/**
 * Bytes of a request that are still read and thrown away once it is answered: closing on unread bytes resets the
 * connection, and a reset can overtake the answer.
 */
export const DISCARD_MAX_BYTES = 67_108_864;

/**
 * A request's content as a stream of its own. When that is destroyed, since the upstream has answered already or is gone,
 * the rest is read and thrown away: undici would leave it unread, and a client that sends all before it reads would wait
 * for good.
 */
export class Upload extends Readable {
  readonly #req: IncomingMessage;
  #discardedBytes = 0;

  constructor(req: IncomingMessage) {
    super();
    this.#req = req;
    this.on('error', () => undefined); // whoever reads has its own listener, for as long as it reads
    req.on('data', this.#onData);
    req.on('end', () => this.push(null));
    req.on('error', () => undefined); // its close tells
    req.on('close', () => {
      if (!req.readableEnded) this.destroy(new Error('the client went away'));
    });
    req.pause(); // until it is asked for
  }

  readonly #onData = (piece: Buffer): void => {
    if (!this.destroyed) {
      if (!this.push(piece)) this.#req.pause();
      return;
    }
    this.#discardedBytes += piece.length;
    if (this.#discardedBytes > DISCARD_MAX_BYTES) this.#req.destroy();
  };

  override _read(): void {
    this.#req.resume();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    done(error);
    this.#req.resume();
  }
}
