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
  NetworkFullError,
  type NewSession,
  type Session,
  type SessionStore,
  type StoreBirth,
  type StoreClaim,
  StoreFullError,
  textOfSid,
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
  readonly network: string;
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
    this.network = session.network;
    this.createdMs = nowMs;
    this.lastClaimMs = nowMs;
  }
}

/** The sessions of one network. */
class Network {
  readonly sessions = new Set<MemorySession>();
  /** When there was last no session to drop among them. */
  searchedMs: number = Number.NEGATIVE_INFINITY;
}

/** False shortly after a search of so many sessions: a flood of pairings must not search for each of them. */
function isDue(searchedMs: number, sessions: number, nowMs: number): boolean {
  return nowMs - searchedMs >= sessions * SWEEP_PAUSE_PER_SESSION_MS;
}

/** A {@link SessionStore} whose results are all immediate. */
export class MemorySessionStore implements SessionStore {
  readonly ready: boolean = true;
  readonly #epochMs: number;
  readonly #bornMs = performance.now();
  readonly #lineage: Bytes;
  /** The oldest first, as in the two that follow. */
  readonly #sessions = new Map<string, MemorySession>();
  readonly #unconfirmed = new Set<MemorySession>();
  readonly #networks = new Map<string, Network>();
  readonly #sessionsMax: number;
  readonly #perNetworkMax: number;
  readonly #lifetimes: SessionLifetimes;
  readonly #sweeper: NodeJS.Timeout;
  #sweptMs = Number.NEGATIVE_INFINITY;

  /**
   * @param options.soleInstance true if no other store of the same relay identity exists at the same time. Only then
   *   is this store newer than every other one: while two overlap, the other may have a session that this one has not.
   */
  constructor(options: {
    sessionsMax: number;
    /** Default: sessionsMax. */
    perNetworkMax?: number;
    soleInstance: boolean;
    lifetimes?: SessionLifetimes;
  }) {
    this.#epochMs = options.soleInstance ? Date.now() : 0;
    this.#lineage = options.soleInstance ? SOLE_LINEAGE : new Uint8Array(randomBytes(LINEAGE_BYTES));
    this.#sessionsMax = options.sessionsMax;
    this.#perNetworkMax = options.perNetworkMax ?? options.sessionsMax;
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
    this.#makeRoomInNetwork(session.network);
    this.#makeRoom();
    const created = new MemorySession(session, performance.now());
    this.#sessions.set(textOfSid(session.sid), created);
    this.#unconfirmed.add(created);
    const network = this.#networks.get(session.network) ?? new Network();
    network.sessions.add(created);
    this.#networks.set(session.network, network);
  }

  find(sid: Bytes): Session | undefined {
    const session = this.#sessions.get(textOfSid(sid));
    if (!session || !this.#isGone(session, performance.now())) return session;
    this.#drop(session);
    return undefined;
  }

  claim(session: MemorySession, n: number, purpose: ClaimPurpose): StoreClaim {
    // A session that was dropped or has ended since `find` must not claim, though the caller still has it.
    if (this.find(session.sid) !== session || (session.ended && purpose === 'exchange')) return 'gone';
    const claim = session.window.claim(n);
    this.#unconfirmed.delete(session);
    if (claim === 'fresh' && !session.ended) session.lastClaimMs = performance.now();
    return claim;
  }

  close(): void {
    clearInterval(this.#sweeper);
    this.#sessions.clear();
    this.#unconfirmed.clear();
    this.#networks.clear();
  }

  /** Of one network: its flood of pairings must not fill the store for the others. */
  #makeRoomInNetwork(name: string): void {
    const network = this.#networks.get(name);
    if (!network || network.sessions.size < this.#perNetworkMax) return;
    const nowMs = performance.now();
    if (isDue(network.searchedMs, network.sessions.size, nowMs)) {
      for (const session of network.sessions) {
        if (this.#isGone(session, nowMs) || session.ended || this.#unconfirmed.has(session)) return this.#drop(session);
      }
      network.searchedMs = nowMs;
    }
    throw new NetworkFullError(`the network has ${this.#perNetworkMax} sessions`);
  }

  /** Drops first the sessions that nobody uses any more, then those that nobody has used yet. */
  #makeRoom(): void {
    if (this.#sessions.size < this.#sessionsMax) return;
    if (isDue(this.#sweptMs, this.#sessions.size, performance.now())) this.#sweep(true);
    if (this.#sessions.size < this.#sessionsMax) return;
    const [oldest] = this.#unconfirmed;
    if (!oldest) throw new StoreFullError(`the store is full: ${this.#sessionsMax} sessions`);
    this.#drop(oldest);
  }

  #drop(session: MemorySession): void {
    this.#sessions.delete(textOfSid(session.sid));
    this.#unconfirmed.delete(session);
    const network = this.#networks.get(session.network);
    network?.sessions.delete(session);
    if (network?.sessions.size === 0) this.#networks.delete(session.network);
  }

  /** @param isFull true: an ended session, which is kept for cancels alone, goes too. */
  #sweep(isFull = false): void {
    const nowMs = performance.now();
    this.#sweptMs = nowMs;
    for (const session of this.#sessions.values()) {
      if (this.#isGone(session, nowMs) || (isFull && session.ended)) this.#drop(session);
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
