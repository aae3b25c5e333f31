// Elapsed time that errs toward "longer": the monotonic clock stops while some machines sleep, the wall clock can be
// set back. A session is given up too early rather than too late, and a resend needs both clocks to agree.

/** A point in time on both clocks, ms. */
export interface Instant {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

export function now(): Instant {
  return { monotonicMs: performance.now(), wallMs: Date.now() };
}

/** Time since then, by the clock that says more. */
export function elapsedMs(since: Instant): number {
  return Math.max(performance.now() - since.monotonicMs, Date.now() - since.wallMs);
}

/** True when both clocks put `a`, moved back by `backMs`, before `b`. */
export function isBefore(a: Instant, backMs: number, b: Instant): boolean {
  return a.monotonicMs - backMs < b.monotonicMs && a.wallMs - backMs < b.wallMs;
}
