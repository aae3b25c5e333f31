// Whether this relay lives, and whether it should be sent traffic.
import type { SessionStore } from '../sessions/store.ts';

/** What readiness takes, each true when it holds. */
export interface Checks {
  /** The public port is open. */
  readonly listening: boolean;
  /** No shutdown has begun. */
  readonly serving: boolean;
  /** The session store answers. */
  readonly sessions: boolean;
}

/** Where the relay is in its life; written by whoever starts and ends it, read by the parts. */
export class Health {
  listening = false;
  readonly #draining = new AbortController();
  readonly #sessions: SessionStore;

  constructor(sessions: SessionStore) {
    this.#sessions = sessions;
  }

  /** True from the first word of a shutdown on. */
  get draining(): boolean {
    return this.#draining.signal.aborted;
  }

  /** Aborts when a shutdown begins, for what must be told of it. */
  get drainSignal(): AbortSignal {
    return this.#draining.signal;
  }

  /** Begins a shutdown: not ready from now on. */
  drain(): void {
    this.#draining.abort();
  }

  /** Every check as it stands. */
  checks(): Checks {
    return { listening: this.listening, serving: !this.draining, sessions: this.#sessions.ready };
  }

  /** True when every check holds. */
  get ready(): boolean {
    return this.listening && !this.draining && this.#sessions.ready;
  }
}
