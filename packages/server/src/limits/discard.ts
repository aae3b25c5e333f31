// Bounds how much of a request the relay still reads after it has responded (RFC 9112 §9.6).
import type { IncomingMessage } from 'node:http';
import { DISCARDED_MAX_BYTES } from './fixed.ts';

/** Counts the discarded bytes of one request, and closes its connection beyond the limit. */
export class Discard {
  readonly #req: IncomingMessage;
  #bytes = 0;

  constructor(req: IncomingMessage) {
    this.#req = req;
  }

  /** Counts a discarded piece. */
  take(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes > DISCARDED_MAX_BYTES) this.#req.destroy();
  }
}
