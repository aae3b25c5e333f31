// Latencies of one measurement, counted by the microsecond.

const LATENCY_MAX_US = 5_000_000;

export class Latencies {
  readonly #counts = new Float64Array(LATENCY_MAX_US + 1);
  #total = 0;
  #maxUs = 0;

  record(milliseconds: number): void {
    const us = Math.min(Math.round(milliseconds * 1000), LATENCY_MAX_US);
    this.#counts[us] = (this.#counts[us] as number) + 1;
    this.#total += 1;
    if (us > this.#maxUs) this.#maxUs = us;
  }

  get total(): number {
    return this.#total;
  }

  /**
   * Adds what a request sent on schedule during each stall would have seen (coordinated omission), by the same rule
   * that wrk applies, so that both generators' percentiles mean the same.
   * @param intervalMs mean time between two requests of one connection.
   */
  correctForStalls(intervalMs: number): void {
    const intervalUs = Math.max(1, Math.floor(intervalMs * 1000));
    for (let us = intervalUs * 2; us <= this.#maxUs; us += 1) {
      const count = this.#counts[us] as number;
      if (count === 0) continue;
      for (let earlier = us - intervalUs; earlier > intervalUs; earlier -= intervalUs) {
        this.#counts[earlier] = (this.#counts[earlier] as number) + count;
        this.#total += count;
      }
    }
  }

  /** @param share 0 to 1. */
  percentileMs(share: number): number {
    const rank = Math.ceil(this.#total * share);
    let seen = 0;
    for (let us = 0; us <= this.#maxUs; us += 1) {
      seen += this.#counts[us] as number;
      if (seen >= rank && seen > 0) return us / 1000;
    }
    return 0;
  }
}
