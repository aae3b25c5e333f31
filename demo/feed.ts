// A bounded list of observations that a page can follow with a cursor: what is new, and what has changed since.

export interface Observation {
  readonly id: number;
  /** The feed's counter at the last change of this item. */
  changed: number;
}

export class Feed<Item extends Observation> {
  readonly #limit: number;
  #items: Item[] = [];
  #counter = 0;
  #lastId = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Makes the item with the next id and keeps it; the oldest item leaves when the feed is full. */
  add(make: (id: number, changed: number) => Item): Item {
    this.#lastId += 1;
    this.#counter += 1;
    const item = make(this.#lastId, this.#counter);
    this.#items.push(item);
    if (this.#items.length > this.#limit) this.#items.shift();
    return item;
  }

  touch(item: Item): void {
    this.#counter += 1;
    item.changed = this.#counter;
  }

  find(test: (item: Item) => boolean): Item | undefined {
    return this.#items.find(test);
  }

  /** Items that are new or changed after `cursor`, oldest first, and the cursor to ask with next time. */
  since(cursor: number): { cursor: number; items: Item[] } {
    return { cursor: this.#counter, items: this.#items.filter((item) => item.changed > cursor) };
  }
}
