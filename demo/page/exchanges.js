// Keeps what the page called, what the tap captured and what the backend saw, and finds which belong together.

const POLL_INTERVAL_MS = 400;

/**
 * One thing to look at: a call of the page, with its exchange on the wire and its request at the backend once known;
 * or (`call` missing) an exchange that the SDK made by itself, such as a pairing.
 * @typedef {{ key: string, call?: object, wire?: object, seen?: object }} Entry
 */
export class Exchanges extends EventTarget {
  #observer;
  #calls = [];
  #wire = new Map();
  #seen = new Map();
  #cursors = { wire: 0, seen: 0 };
  #firstIds;
  #pollTimer = 0;
  #polling;
  #selected;

  /** @param {string} observer origin that serves /demo/wire and /demo/seen outside the relay's port */
  constructor(observer) {
    super();
    this.#observer = observer;
  }

  /** Notes a call that is about to be made. Give the response to `headers`, and call `end` when its body has ended. */
  begin(method, path, code) {
    const call = { number: this.#calls.length + 1, method, path, code, startedMs: performance.now(), done: false };
    call.newestSeenId = Math.max(0, ...this.#seen.keys());
    this.#calls.push(call);
    this.#selected = undefined;
    this.#changed();
    this.#pollSoon();
    return {
      headers: (response) => {
        call.status = response.status;
        call.headersMs = performance.now() - call.startedMs;
        this.#changed();
      },
      end: async (error) => {
        call.totalMs = performance.now() - call.startedMs;
        call.error = error;
        call.done = true;
        this.#changed();
        await this.poll().catch(() => undefined);
      },
    };
  }

  /** @returns {Entry[]} oldest first */
  get entries() {
    const entries = this.#calls.map((call) => this.#entryOf(call));
    const shown = new Set(entries.map((entry) => entry.wire?.id));
    const own = [...this.#wire.values()].filter((wire) => !shown.has(wire.id));
    for (const wire of own) entries.push({ key: `wire-${wire.id}`, wire });
    const order = (entry) => entry.wire?.id ?? Number.MAX_SAFE_INTEGER;
    return entries.sort((a, b) => order(a) - order(b) || (a.call?.number ?? 0) - (b.call?.number ?? 0));
  }

  /** @returns {Entry | undefined} the chosen entry, or the newest call when none is chosen */
  get selected() {
    const newest = this.#calls.at(-1);
    return this.entries.find(({ key }) => key === this.#selected) ?? (newest && this.#entryOf(newest));
  }

  select(key) {
    this.#selected = key;
    this.#changed();
  }

  get wireExchanges() {
    return [...this.#wire.values()];
  }

  /** Asks what is new. Runs once at a time; a call that has just ended waits for a question asked after its end. */
  async poll() {
    await this.#polling?.catch(() => undefined);
    this.#polling ??= this.#ask().finally(() => {
      this.#polling = undefined;
    });
    await this.#polling;
  }

  async #ask() {
    const [wire, seen] = await Promise.all([this.#read('wire'), this.#read('seen')]);
    if (!this.#firstIds) {
      // Exchanges before this page was opened are not its own.
      this.#firstIds = { wire: wire.items.at(-1)?.id ?? 0, seen: seen.items.at(-1)?.id ?? 0 };
    }
    for (const item of wire.items) if (item.id > this.#firstIds.wire) this.#wire.set(item.id, item);
    for (const item of seen.items) if (item.id > this.#firstIds.seen) this.#seen.set(item.id, item);
    this.#match();
    if (wire.items.length + seen.items.length > 0) this.#changed();
  }

  async #read(feed) {
    const path = `/demo/${feed}?after=${this.#cursors[feed]}`;
    // Asked beside the relay, so that its port carries nothing in plain; through it only where that is the sole way in.
    const response = await fetch(this.#observer + path).catch(() => fetch(path));
    const news = await response.json();
    this.#cursors[feed] = news.cursor;
    return news;
  }

  /** A call's request at the backend is the first unclaimed one with its method and path that came after it began. */
  #match() {
    const taken = new Set(this.#calls.map(({ seenId }) => seenId));
    for (const call of this.#calls) {
      if (call.seenId !== undefined || call.error) continue;
      const found = [...this.#seen.values()].find(
        (seen) =>
          !taken.has(seen.id) && seen.id > call.newestSeenId && seen.method === call.method && seen.path === call.path,
      );
      if (!found) continue;
      call.seenId = found.id;
      taken.add(found.id);
    }
  }

  #entryOf(call) {
    const seen = this.#seen.get(call.seenId);
    return { key: `call-${call.number}`, call, seen, wire: this.#wire.get(seen?.wireId) };
  }

  #pollSoon() {
    if (this.#pollTimer) return;
    this.#pollTimer = setTimeout(async () => {
      await this.poll().catch(() => undefined);
      this.#pollTimer = 0;
      if (this.#calls.some(({ done }) => !done)) this.#pollSoon();
    }, POLL_INTERVAL_MS);
  }

  #changed() {
    this.dispatchEvent(new Event('change'));
  }
}
