// Bounds the share of the relay's time that small pieces take: their cost is per piece, not per byte. A source that sends
// them faster waits, and everybody else is served meanwhile.
import { PACED_PIECES, PACED_SHARE, PACED_WAIT_MAX_MS } from './fixed.ts';

/** What one piece costs at least, by kind, in ms: measured, and rounded up. */
export const PIECE_COST_MS = {
  /** A chunk of HTTP/1.1, in node:http alone. */
  body: 0.001,
  /** A sealed chunk. */
  chunk: 0.008,
  /** A message or frame of a sealed WebSocket. */
  message: 0.01,
} as const;

/** Gives all sources together one share of the time, in the order in which they ask. */
export class Pacer {
  #freeAtMs = 0;

  /**
   * How long a source waits that has just taken `costMs`, in ms. The queue has an end: the relay does not notice that a
   * waiting source has disconnected, so those that come and go would else make it longer than any client waits.
   */
  waitMs(costMs: number, nowMs: number): number {
    const freeAtMs = Math.max(this.#freeAtMs, nowMs) + costMs * (1 / PACED_SHARE - 1);
    this.#freeAtMs = Math.min(freeAtMs, nowMs + PACED_WAIT_MAX_MS);
    return this.#freeAtMs - nowMs;
  }
}

/** Counts the small pieces of one source. */
export class PieceMeter {
  readonly #pacer: Pacer;
  readonly #costMs: number;
  #pieces = 0;
  #sinceMs = 0;

  constructor(pacer: Pacer, kind: keyof typeof PIECE_COST_MS) {
    this.#pacer = pacer;
    this.#costMs = PIECE_COST_MS[kind];
  }

  /** Counts one piece. @returns true if {@link PieceMeter.waitMs} is worth asking. */
  take(): boolean {
    if (this.#pieces === 0) this.#sinceMs = performance.now();
    this.#pieces += 1;
    return this.#pieces >= PACED_PIECES;
  }

  /** How long the source must wait before its next piece, in ms; 0 if the last ones came slowly enough. */
  waitMs(): number {
    if (this.#pieces < PACED_PIECES) return 0;
    const nowMs = performance.now();
    const costMs = this.#pieces * this.#costMs;
    this.#pieces = 0;
    return nowMs - this.#sinceMs >= costMs / PACED_SHARE ? 0 : this.#pacer.waitMs(costMs, nowMs);
  }
}
