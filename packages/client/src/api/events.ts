// The client's events, typed. A listener that throws is logged and does not stop the others.
import type { RelayClientEvents } from './types.ts';

/** Listeners of one client. */
export class Emitter {
  readonly #listeners = new Map<keyof RelayClientEvents, Set<(value: never) => void>>();

  on<E extends keyof RelayClientEvents>(event: E, listener: (value: RelayClientEvents[E]) => void): () => void {
    const set = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, set.add(listener));
    return () => set.delete(listener);
  }

  emit<E extends keyof RelayClientEvents>(event: E, value: RelayClientEvents[E]): void {
    for (const listener of this.#listeners.get(event) ?? []) {
      try {
        listener(value as never);
      } catch (error) {
        console.error('mte-relay: a listener failed', error);
      }
    }
  }
}
