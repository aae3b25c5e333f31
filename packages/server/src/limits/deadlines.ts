// Deadlines of requests that nothing has authenticated yet: until then they count against the limits. node:http times
// slow heads, listen/server.ts idle sockets.

/** Something that must happen before a deadline. */
export interface Pending {
  /** Called at the deadline. */
  expire(): void;
}

/** Deadlines of one length: they expire in the order in which they were set, by one timer for all. */
export class Deadlines {
  readonly #lengthMs: number;
  readonly #pending = new Map<Pending, number>();
  readonly #sweeper: NodeJS.Timeout;

  constructor(lengthMs: number) {
    this.#lengthMs = lengthMs;
    this.#sweeper = setInterval(() => this.#sweep(), Math.max(20, Math.min(1_000, lengthMs / 4))).unref();
  }

  /** Starts the time, unless it runs already. */
  add(pending: Pending): void {
    if (!this.#pending.has(pending)) this.#pending.set(pending, performance.now() + this.#lengthMs);
  }

  /** Stops the time. */
  delete(pending: Pending): void {
    this.#pending.delete(pending);
  }

  /** Stops every time, without expiry. */
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
