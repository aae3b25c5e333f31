// SPEC §6: which message numbers are fresh. Remembers every number, which a real relay cannot afford.

/** One session's claims. */
export class Window {
  readonly #claimed = new Set<number>();
  #top = -1;

  claim(n: number): 'fresh' | 'seen' | 'stale' {
    if (n <= this.#top - 1024) return 'stale';
    if (this.#claimed.has(n)) return 'seen';
    this.#claimed.add(n);
    this.#top = Math.max(this.#top, n);
    return 'fresh';
  }
}
