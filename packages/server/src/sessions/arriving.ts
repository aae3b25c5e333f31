// Claimed requests that are still arriving, chunk by chunk, or wait for a hook. A cancel ends them too: an intermediary
// that holds back the rest of an upload could otherwise have it run much later, and what waits would run behind later
// requests of its client.
import type { Bytes } from '@mte-relay/protocol';
import { textOfSid } from './store.ts';

/** The requests of this process that are still arriving or wait for a hook, by session and message number. */
export class ArrivingRequests {
  readonly #ends = new Map<string, () => void>();

  /** @param end closes the connection of the request, which aborts it. */
  add(sid: Bytes, n: number, end: () => void): void {
    this.#ends.set(keyOf(sid, n), end);
  }

  /** Call once the request has arrived or ended. */
  delete(sid: Bytes, n: number): void {
    this.#ends.delete(keyOf(sid, n));
  }

  /** Ends the request, if it is still arriving or waits here. */
  end(sid: Bytes, n: number): void {
    this.#ends.get(keyOf(sid, n))?.();
  }
}

function keyOf(sid: Bytes, n: number): string {
  return `${textOfSid(sid)}${n}`;
}
