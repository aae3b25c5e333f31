// The relay's time, by which it judges how old a request is (SPEC §7).

/**
 * Wall-clock time that never goes back: while the wall clock is behind, it runs on by the monotonic clock. Otherwise a
 * clock that is set back would make held requests young again.
 */
export class RelayClock {
  #latestMs = 0;
  #atMs = performance.now();

  /** Now, ms since 1970. */
  get nowMs(): number {
    const monotonicMs = performance.now();
    const runOnMs = this.#latestMs + Math.floor(monotonicMs - this.#atMs);
    const wallMs = Date.now();
    if (wallMs < runOnMs) return runOnMs;
    this.#latestMs = wallMs;
    this.#atMs = monotonicMs;
    return wallMs;
  }
}
