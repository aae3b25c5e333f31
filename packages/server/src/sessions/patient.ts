// Adds a time limit to an operator's session store: one that never responds would block requests, pairings and the
// shutdown forever. The relay's own stores have time limits themselves.
import type { Awaitable, Bytes } from '@mte-relay/protocol';
import { STORE_TIMEOUT_MS } from '../limits/fixed.ts';
import { isThenable, within } from '../timeout.ts';
import {
  type ClaimPurpose,
  type NewSession,
  type Session,
  type SessionStore,
  type StoreBirth,
  type StoreClaim,
  StoreUnavailableError,
} from './store.ts';

/** The store, with a time limit for each call. */
export class PatientStore implements SessionStore {
  readonly #store: SessionStore;
  readonly #timeoutMs: number;

  constructor(store: SessionStore, timeoutMs: number = STORE_TIMEOUT_MS) {
    this.#store = store;
    this.#timeoutMs = timeoutMs;
  }

  get ready(): boolean {
    return this.#store.ready;
  }

  get mayLoseClaims(): boolean | undefined {
    return this.#store.mayLoseClaims;
  }

  get size(): number | undefined {
    return this.#store.size;
  }

  get cached(): number | undefined {
    return this.#store.cached;
  }

  birth(): Awaitable<StoreBirth> {
    return this.#inTime(this.#store.birth());
  }

  create(session: NewSession, birth: StoreBirth): Awaitable<void> {
    return this.#inTime(this.#store.create(session, birth));
  }

  find(sid: Bytes): Awaitable<Session | undefined> {
    return this.#inTime(this.#store.find(sid));
  }

  claim(session: Session, n: number, purpose: ClaimPurpose): Awaitable<StoreClaim> {
    return this.#inTime(this.#store.claim(session, n, purpose));
  }

  close(): Awaitable<void> {
    return this.#inTime(this.#store.close());
  }

  /** Returns an immediate result as it is. */
  #inTime<T>(result: Awaitable<T>): Awaitable<T> {
    if (!isThenable(result)) return result;
    const timeoutMs = this.#timeoutMs;
    const timedOut = (): Error => new StoreUnavailableError(`session store timed out after ${timeoutMs} ms`);
    return within({ timeoutMs, timedOut }, result);
  }
}
