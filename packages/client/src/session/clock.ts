// Elapsed time that errs toward "longer": the monotonic clock stops while some machines sleep, and the wall clock can be
// set back. So the client drops a session early rather than late, and resends only if both clocks agree.

/** A point in time on both clocks, ms. */
export interface Instant {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

export function now(): Instant {
  return { monotonicMs: performance.now(), wallMs: Date.now() };
}

/** Time since then by the monotonic clock: less than the truth when the machine has slept. */
export function monotonicMs(since: Instant): number {
  return performance.now() - since.monotonicMs;
}

/** Time since then, by the clock that shows more. */
export function elapsedMs(since: Instant): number {
  return Math.max(monotonicMs(since), Date.now() - since.wallMs);
}

/** True when both clocks put `a`, moved back by `backMs`, before `b`. */
export function isBefore(a: Instant, backMs: number, b: Instant): boolean {
  return a.monotonicMs - backMs < b.monotonicMs && a.wallMs - backMs < b.wallMs;
}
