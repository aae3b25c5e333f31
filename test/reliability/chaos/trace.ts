// The events of each call at every hop, so that a failing call can be followed from hop to hop.
import { nowMs } from '../clock.ts';

export type Hop = 'client' | 'intermediary' | 'upstream' | 'outage';

interface TraceEvent {
  readonly atMs: number;
  readonly hop: Hop;
  readonly what: string;
}

/** Around a call, outages are shown from this long before it began. */
const OUTAGES_BEFORE_MS = 10_000;

export class Trace {
  readonly #startedMs = nowMs();
  readonly #events = new Map<string, TraceEvent[]>();
  readonly #outages: TraceEvent[] = [];

  /** @param id undefined for what concerns every call */
  add(id: string | undefined, hop: Hop, what: string, atMs: number = nowMs()): void {
    const event = { atMs, hop, what };
    if (id === undefined) {
      this.#outages.push(event);
      return;
    }
    const events = this.#events.get(id);
    if (events) events.push(event);
    else this.#events.set(id, [event]);
  }

  /** Lines of one call, with the outages of its time; in order. */
  of(id: string): string[] {
    const events = this.#events.get(id) ?? [];
    const times = events.map(({ atMs }) => atMs);
    const [from, to] = [Math.min(...times) - OUTAGES_BEFORE_MS, Math.max(...times)];
    const outages = this.#outages.filter(({ atMs }) => atMs >= from && atMs <= to);
    return [...events, ...outages]
      .sort((a, b) => a.atMs - b.atMs)
      .map(
        ({ atMs, hop, what }) => `${(atMs - this.#startedMs).toFixed(1).padStart(10)} ms  ${hop.padEnd(12)}  ${what}`,
      );
  }
}
