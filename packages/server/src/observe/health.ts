// The relay's readiness to receive traffic.
import type { SessionStore } from '../sessions/store.ts';

/** The checks of readiness, true if they pass. */
export interface Checks {
  /** The public port is open. */
  readonly listening: boolean;
  /** A shutdown has not begun. */
  readonly serving: boolean;
  /** The session store responds. */
  readonly sessions: boolean;
}

/** The state of the relay, which relay.ts changes and the parts read. */
export class Health {
  listening = false;
  readonly #draining = new AbortController();
  readonly #sessions: SessionStore;

  constructor(sessions: SessionStore) {
    this.#sessions = sessions;
  }

  /** True from the beginning of a shutdown. */
  get draining(): boolean {
    return this.#draining.signal.aborted;
  }

  /** Aborts when a shutdown begins. */
  get drainSignal(): AbortSignal {
    return this.#draining.signal;
  }

  /** Begins a shutdown: not ready from now on. */
  drain(): void {
    this.#draining.abort();
  }

  /** The result of each check. */
  checks(): Checks {
    return { listening: this.listening, serving: !this.draining, sessions: this.#sessions.ready };
  }

  /** True if every check passes. */
  get ready(): boolean {
    return this.listening && !this.draining && this.#sessions.ready;
  }
}
