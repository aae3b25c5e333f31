// The body of a pass-through request, apart from the connection that it comes on: what reads it may let go of it.
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { Discard } from '../limits/discard.ts';

/**
 * A request's content as a stream of its own. When that is destroyed, since the upstream has answered already or is gone,
 * the rest is read and thrown away: undici would leave it unread, and a client that sends all before it reads would wait
 * for good.
 */
export class Upload extends Readable {
  readonly #req: IncomingMessage;
  readonly #discard: Discard;

  constructor(req: IncomingMessage) {
    super();
    this.#req = req;
    this.#discard = new Discard(req);
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
