// SPEC §6 and §7, a client's session: numbers, room, when it is replaced, the time it states, what a new one proves.

/** What a client does, and what the session then is. Times are virtual. */
export type SessionEvent =
  | { do: 'wait'; ms: number }
  /** `count` numbers in a row; `first` is the first of them. */
  | { do: 'take'; count: number; first: number }
  /** Messages that have a sealed response. */
  | { do: 'settle'; from: number; to: number }
  /** May one more message be in flight? */
  | { do: 'room'; has: boolean }
  /** `use`: nothing to do. `replace soon`: pairs in the background. `over`: takes no further request. */
  | { do: 'state'; is: 'use' | 'replace soon' | 'over' };

/** What the parameters say of a store. */
export interface StoreClaimFacts {
  pin: string;
  /** 16 bytes, hex. */
  lineage: string;
  storeEpochMs: number;
}

export class ClientSession {
  readonly #lifetimeMs: number;
  readonly #idleMs: number;
  readonly #limit: number;
  readonly #window: number;
  #nowMs = 0;
  #usedMs = 0;
  #next = 0;
  readonly #inFlight = new Set<number>();

  constructor(parameters: { lifetimeMs: number; idleMs: number; messageLimit: number; window: number }) {
    this.#lifetimeMs = parameters.lifetimeMs;
    this.#idleMs = parameters.idleMs;
    this.#limit = parameters.messageLimit;
    this.#window = parameters.window;
  }

  wait(ms: number): void {
    this.#nowMs += ms;
  }

  /** The first of `count` numbers, none of which was given before. */
  take(count: number): number {
    const first = this.#next;
    for (; this.#next < first + count; this.#next += 1) this.#inFlight.add(this.#next);
    this.#usedMs = this.#nowMs;
    return first;
  }

  settle(from: number, to: number): void {
    for (let n = from; n <= to; n += 1) this.#inFlight.delete(n);
  }

  get room(): boolean {
    return this.#inFlight.size < 512;
  }

  get state(): 'use' | 'replace soon' | 'over' {
    const oldest = Math.min(this.#next, ...this.#inFlight);
    const isOver =
      this.#nowMs >= this.#lifetimeMs ||
      this.#nowMs - this.#usedMs >= this.#idleMs ||
      this.#next >= this.#limit ||
      this.#next - oldest >= this.#window;
    if (isOver) return 'over';
    const isDue = this.#nowMs >= 0.8 * this.#lifetimeMs || this.#next >= 0.8 * this.#limit;
    return isDue ? 'replace soon' : 'use';
  }
}

/** §7, Age: never later than the relay's time, so by the clock that stops while the machine sleeps. */
export function sentMs(relayTimeMs: number, passedMs: { monotonic: number }): number {
  return relayTimeMs + passedMs.monotonic;
}

/** §7, the store epoch rule. The time since the request was first sent must not be underestimated. */
export function provesLost(
  old: StoreClaimFacts,
  present: StoreClaimFacts & { storeAgeMs: number },
  since: { monotonic: number; wall: number },
): boolean {
  const vouches = /[^0]/.test(present.lineage);
  const isSame = present.pin === old.pin && present.lineage === old.lineage;
  const isNewer = present.storeEpochMs > old.storeEpochMs;
  return vouches && isSame && isNewer && present.storeAgeMs > Math.max(since.monotonic, since.wall);
}
