// The default session store, in this process's memory: for a single relay.
import { randomBytes } from 'node:crypto';
import { asciiBytes, type Bytes, LINEAGE_BYTES, ReplayWindow } from '@mte-relay/protocol';
import {
  SESSION_LIFETIMES,
  type SessionLifetimes,
  SWEEP_EVERY_MS,
  SWEEP_PAUSE_PER_SESSION_MS,
} from '../limits/fixed.ts';
import {
  type ClaimPurpose,
  type NewSession,
  type Session,
  type SessionStore,
  type StoreBirth,
  type StoreClaim,
  StoreFullError,
} from './store.ts';

/** The lineage of every store that never has another beside it. */
const SOLE_LINEAGE: Bytes = asciiBytes('a sole instance.');

class MemorySession implements Session {
  readonly sid: Bytes;
  readonly requestSecret: Session['requestSecret'];
  readonly responseSecret: Session['responseSecret'];
  readonly domain: string;
  readonly authority: string;
  readonly flags: number;
  readonly clientId: string;
  readonly window: ReplayWindow = new ReplayWindow();
  readonly createdMs: number;
  lastClaimMs: number;
  ended = false;

  constructor(session: NewSession, nowMs: number) {
    this.sid = session.sid;
    this.requestSecret = session.requestSecret;
    this.responseSecret = session.responseSecret;
    this.domain = session.domain;
    this.authority = session.authority;
    this.flags = session.flags;
    this.clientId = session.clientId;
    this.createdMs = nowMs;
    this.lastClaimMs = nowMs;
  }
}

/** A {@link SessionStore} whose results are all immediate. */
export class MemorySessionStore implements SessionStore {
  readonly ready: boolean = true;
  readonly #epochMs: number;
  readonly #bornMs = performance.now();
  readonly #lineage: Bytes;
  readonly #sessions = new Map<string, MemorySession>();
  readonly #sessionsMax: number;
  readonly #lifetimes: SessionLifetimes;
  readonly #sweeper: NodeJS.Timeout;
  #sweptMs = Number.NEGATIVE_INFINITY;

  /**
   * @param options.soleInstance true if no other store of the same relay identity exists at the same time. Only then
   *   is this store newer than every other one: while two overlap, the other may have a session that this one has not.
   */
  constructor(options: { sessionsMax: number; soleInstance: boolean; lifetimes?: SessionLifetimes }) {
    this.#epochMs = options.soleInstance ? Date.now() : 0;
    this.#lineage = options.soleInstance ? SOLE_LINEAGE : new Uint8Array(randomBytes(LINEAGE_BYTES));
    this.#sessionsMax = options.sessionsMax;
    this.#lifetimes = options.lifetimes ?? SESSION_LIFETIMES;
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_EVERY_MS).unref();
  }

  /** Number of sessions, with those that have ended. */
  get size(): number {
    return this.#sessions.size;
  }

  birth(): StoreBirth {
    return { epochMs: this.#epochMs, ageMs: Math.floor(performance.now() - this.#bornMs), lineage: this.#lineage };
  }

  create(session: NewSession): void {
    if (this.#sessions.size >= this.#sessionsMax) this.#sweepIfDue();
    if (this.#sessions.size >= this.#sessionsMax)
      throw new StoreFullError(`the store is full: ${this.#sessionsMax} sessions`);
    this.#sessions.set(keyOf(session.sid), new MemorySession(session, performance.now()));
  }

  find(sid: Bytes): Session | undefined {
    const key = keyOf(sid);
    const session = this.#sessions.get(key);
    if (!session || !this.#isGone(session, performance.now())) return session;
    this.#sessions.delete(key);
    return undefined;
  }

  claim(session: MemorySession, n: number, purpose: ClaimPurpose): StoreClaim {
    // A session that was dropped or has ended since `find` must not claim, though the caller still has it.
    if (this.find(session.sid) !== session || (session.ended && purpose === 'exchange')) return 'gone';
    const claim = session.window.claim(n);
    if (claim === 'fresh' && !session.ended) session.lastClaimMs = performance.now();
    return claim;
  }

  close(): void {
    clearInterval(this.#sweeper);
    this.#sessions.clear();
  }

  /** With a pause: a full store would otherwise sweep for each pairing. */
  #sweepIfDue(): void {
    if (performance.now() - this.#sweptMs >= this.#sessions.size * SWEEP_PAUSE_PER_SESSION_MS) this.#sweep();
  }

  #sweep(): void {
    const nowMs = performance.now();
    this.#sweptMs = nowMs;
    for (const [key, session] of this.#sessions) {
      if (this.#isGone(session, nowMs)) this.#sessions.delete(key);
    }
  }

  /** True if the session is to be dropped; also marks one that has ended. */
  #isGone(session: MemorySession, nowMs: number): boolean {
    const { idleMs, absoluteMs, unconfirmedMs } = this.#lifetimes;
    const unconfirmed = session.window.top < 0;
    if (unconfirmed && nowMs - session.createdMs > unconfirmedMs) return true;
    if (nowMs - session.createdMs > absoluteMs) return true;
    // An idle session ends, but cancels need its claims until its absolute expiry.
    if (nowMs - session.lastClaimMs > idleMs) session.ended = true;
    return false;
  }
}

/** A string of the 16 bytes: the cheapest key a Map can hash. */
function keyOf(sid: Bytes): string {
  return Buffer.from(sid.buffer, sid.byteOffset, sid.byteLength).toString('latin1');
}
