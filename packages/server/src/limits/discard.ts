// How much of a request that has its response is still read (RFC 9112 §9.6).
import type { IncomingMessage } from 'node:http';
import { DISCARDED_MAX_BYTES } from './fixed.ts';

/** Counts what is thrown away of one request, and ends its connection when that is too much. */
export class Discard {
  readonly #req: IncomingMessage;
  #bytes = 0;

  constructor(req: IncomingMessage) {
    this.#req = req;
  }

  /** Takes the length of a piece that nobody reads. */
  take(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes > DISCARDED_MAX_BYTES) this.#req.destroy();
  }
}
