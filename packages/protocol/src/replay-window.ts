// Accepts each message number once (SPEC §6, after RFC 6479). One per session; only numbers of messages with a verified tag
// move it.
import { REPLAY_WINDOW } from './constants.ts';

/** `fresh`: never seen, now marked. `seen`: claimed before. `stale`: older than the window, so unknown. */
export type Claim = 'fresh' | 'seen' | 'stale';

const BLOCK_BITS = 32;
// One block more than the window, so that a whole block can be cleared and W numbers remain.
const BLOCKS = REPLAY_WINDOW / BLOCK_BITS + 1;

/** A ring of bits over the last W = 1024 message numbers; 136 bytes. */
export class ReplayWindow {
  readonly #blocks = new Uint32Array(BLOCKS);
  #top = -1;

  /** Highest number claimed so far, −1 before the first. */
  get top(): number {
    return this.#top;
  }

  /** Claims `n`, an integer from 0 to 2^53 − 1. */
  claim(n: number): Claim {
    if (n <= this.#top - REPLAY_WINDOW) return 'stale';
    const block = Math.floor(n / BLOCK_BITS);
    if (n > this.#top) this.#advance(block, n);
    const slot = block % BLOCKS;
    const bit = 1 << (n % BLOCK_BITS);
    const bits = this.#blocks[slot] as number;
    if ((bits & bit) !== 0) return 'seen';
    this.#blocks[slot] = bits | bit;
    return 'fresh';
  }

  /** Clears the blocks between the old top and the new one, at most the whole ring. */
  #advance(block: number, n: number): void {
    const topBlock = this.#top < 0 ? -1 : Math.floor(this.#top / BLOCK_BITS);
    const passed = Math.min(block - topBlock, BLOCKS);
    for (let i = 0; i < passed; i += 1) this.#blocks[(block - i) % BLOCKS] = 0;
    this.#top = n;
  }
}
