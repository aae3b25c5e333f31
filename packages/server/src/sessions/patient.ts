// A session store of the operator's own, with an end to waiting for it: one that never answered would hold each request
// and each pairing for ever, and the end of the relay too. The relay's own stores keep their time themselves.
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

/** The store, whose answers come in time or not at all. */
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

  /** An answer that is there goes on at once. */
  #inTime<T>(answer: Awaitable<T>): Awaitable<T> {
    if (!isThenable(answer)) return answer;
    const timeoutMs = this.#timeoutMs;
    const late = (): Error => new StoreUnavailableError(`the session store has not answered for ${timeoutMs} ms`);
    return within({ timeoutMs, late }, answer);
  }
}
