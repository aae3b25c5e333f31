// Deadlines for what must become a message in time: bytes that nothing has authenticated hold a place meanwhile. Slow
// heads are node:http's own to time, idle sockets the server's.

/** Something that must be done by a time, or ends. */
export interface Pending {
  /** The time is over. */
  expire(): void;
}

/** Deadlines of one length, so that they expire in the order in which they were set. No timer of its own per entry. */
export class Deadlines {
  readonly #lengthMs: number;
  readonly #pending = new Map<Pending, number>();
  readonly #sweeper: NodeJS.Timeout;

  constructor(lengthMs: number) {
    this.#lengthMs = lengthMs;
    this.#sweeper = setInterval(() => this.#sweep(), Math.max(20, Math.min(1_000, lengthMs / 4))).unref();
  }

  /** Starts the time; does nothing when it runs already. */
  add(pending: Pending): void {
    if (!this.#pending.has(pending)) this.#pending.set(pending, performance.now() + this.#lengthMs);
  }

  /** It was done, or is over. */
  delete(pending: Pending): void {
    this.#pending.delete(pending);
  }

  /** Ends all waiting, without expiry. */
  close(): void {
    clearInterval(this.#sweeper);
    this.#pending.clear();
  }

  #sweep(): void {
    const nowMs = performance.now();
    for (const [pending, deadlineMs] of this.#pending) {
      if (deadlineMs > nowMs) return;
      this.#pending.delete(pending);
      pending.expire();
    }
  }
}
