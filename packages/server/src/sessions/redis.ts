// Sessions in Redis, shared by any number of relays of one identity: consecutive messages of a session may reach any of
// them. Each relay caches secrets for a minute; every claim is made in Redis, by one script (redis-script.ts).
import type { Bytes, SyncSuite } from '@mte-relay/protocol';
import type { Logger } from 'pino';
import {
  FENCE_MS,
  HEARTBEAT_MS,
  NODES_TRIED_MAX,
  SESSION_CACHED_MS,
  SESSION_LIFETIMES,
  type SessionLifetimes,
} from '../limits/fixed.ts';
import { SessionSealer } from './record.ts';
import { RedisConnection, type RedisReply } from './redis-connection.ts';
import { CLAIM, CLAIM_REPLIES, CREATE, HELLO } from './redis-script.ts';
import type { RedisTarget } from './redis-url.ts';
import {
  type ClaimPurpose,
  type NewSession,
  type Session,
  type SessionStore,
  type StoreBirth,
  type StoreClaim,
  StoreUnavailableError,
} from './store.ts';

export interface RedisSessionStoreOptions {
  readonly target: RedisTarget;
  /** PEM; undefined for the public authorities. */
  readonly ca?: string | undefined;
  readonly keyPrefix: string;
  readonly timeoutMs: number;
  readonly sessionsCachedMax: number;
  /** CLIENT_ID_SECRET by domain, newest first. */
  readonly secrets: ReadonlyMap<string, readonly string[]>;
  readonly suite: SyncSuite;
  readonly log: Logger;
  readonly lifetimes?: SessionLifetimes;
}

/** Keys by which the nodes of a cluster are found: `{store}`, `{store1}`, … */
const NODE_KEYS = 32;

interface Cached {
  readonly session: Session;
  readonly untilMs: number;
}

/** The reply to HELLO. */
class RedisBirth implements StoreBirth {
  readonly epochMs: number;
  readonly ageMs: number;
  readonly line: string;
  /** False if Redis hides its replication id from scripts: the relays then agree on a generation by themselves. */
  readonly bound: boolean;
  readonly nowMs: number;

  constructor(reply: RedisReply) {
    const [line, bound, epoch, age, now] = (reply as Buffer[]).map(String) as [string, string, string, string, string];
    this.line = line;
    this.bound = bound === '1';
    this.epochMs = Number(epoch);
    this.ageMs = Number(age);
    this.nowMs = Number(now);
  }
}

/** A {@link SessionStore} in Redis. Connects at once, and reconnects until it is closed. */
export class RedisSessionStore implements SessionStore {
  readonly #options: RedisSessionStoreOptions;
  readonly #lifetimes: SessionLifetimes;
  readonly #sealer: SessionSealer;
  readonly #connection: RedisConnection;
  readonly #heartbeat: NodeJS.Timeout;
  readonly #cache = new Map<string, Cached>(); // the least recently loaded first
  readonly #finding = new Map<string, Promise<Session | undefined>>();
  #ready = false;
  #generation = '';
  #losses = 0;
  #lossesReported = 0;
  #nodeAsked = 0; // the node of a cluster that responded last

  constructor(options: RedisSessionStoreOptions) {
    this.#options = options;
    this.#lifetimes = options.lifetimes ?? SESSION_LIFETIMES;
    this.#sealer = new SessionSealer(options.suite, options.secrets);
    this.#connection = new RedisConnection({
      ...options,
      ca: options.ca,
      onConnected: async () => {
        await this.#greet();
      },
      onLost: () => {
        this.#losses += 1;
        this.#setReady(false);
      },
      onTopologyChange: () => {
        if (this.#generation === '') return; // each master has its own replication id
        this.#losses += 1;
        this.#setReady(false);
        this.#beat();
      },
    });
    this.#heartbeat = setInterval(() => this.#beat(), HEARTBEAT_MS).unref();
  }

  /** True if Redis responded to the last greeting and accepted its write. */
  get ready(): boolean {
    return this.#ready;
  }

  /** Sessions whose secrets are cached. */
  get cached(): number {
    return this.#cache.size;
  }

  async birth(): Promise<StoreBirth> {
    return await this.#greet();
  }

  async create(session: NewSession, birth: StoreBirth): Promise<void> {
    if (!(birth instanceof RedisBirth)) throw new TypeError('the birth is not of this store');
    const expiryMs = birth.nowMs + this.#lifetimes.absoluteMs;
    const record = this.#sealer.seal(session, expiryMs);
    const inCluster = this.#options.target.kind === 'cluster';
    const kept = await this.#connection.run(CREATE, this.#keyOf(session.sid), [
      this.#generation,
      birth.bound && inCluster ? '' : birth.line, // in a cluster, that of the session's own master
      String(expiryMs),
      Buffer.from(record),
      session.domain,
      String(this.#lifetimes.unconfirmedMs),
    ]);
    if (kept !== 1) throw new StoreUnavailableError('Redis was replaced during the pairing');
  }

  find(sid: Bytes): Session | undefined | Promise<Session | undefined> {
    const name = nameOf(sid);
    const cached = this.#cache.get(name);
    if (cached && cached.untilMs > performance.now()) return cached.session;
    // Messages that arrive together share one lookup.
    const inProgress = this.#finding.get(name);
    if (inProgress !== undefined) return inProgress;
    const finding = this.#load(sid, name).finally(() => this.#finding.delete(name));
    this.#finding.set(name, finding);
    return finding;
  }

  async claim(session: Session, n: number, purpose: ClaimPurpose): Promise<StoreClaim> {
    // A replication id is checked by the script itself; a generation must be known to be the present one.
    if (this.#generation !== '' && !this.#ready)
      throw new StoreUnavailableError('Redis was lost: its generation is not confirmed');
    const reply = await this.#connection.run(CLAIM, this.#keyOf(session.sid), [
      this.#generation,
      String(n),
      purpose,
      String(this.#lifetimes.idleMs),
    ]);
    const claim = CLAIM_REPLIES[reply as number] as StoreClaim;
    if (claim === 'gone') this.#cache.delete(nameOf(session.sid));
    return claim;
  }

  async close(): Promise<void> {
    clearInterval(this.#heartbeat);
    this.#ready = false;
    this.#cache.clear();
    await this.#connection.close();
  }

  async #load(sid: Bytes, name: string): Promise<Session | undefined> {
    const reply = await this.#connection.send(this.#keyOf(sid), [
      'HMGET',
      this.#keyOf(sid),
      'record',
      'expiry',
      'domain',
    ]);
    const [record, expiry, domain] = reply as (Buffer | null)[];
    if (!record || !expiry || !domain) return undefined;
    const place = { sid: new Uint8Array(sid), expiryMs: Number(expiry), domain: String(domain) };
    const session = this.#sealer.open(place, new Uint8Array(record));
    if (session) this.#remember(name, session);
    return session;
  }

  #remember(name: string, session: Session): void {
    const nowMs = performance.now();
    this.#cache.delete(name);
    this.#cache.set(name, { session, untilMs: nowMs + SESSION_CACHED_MS });
    for (const [oldest, { untilMs }] of this.#cache) {
      if (untilMs > nowMs && this.#cache.size <= this.#options.sessionsCachedMax) break;
      this.#cache.delete(oldest);
    }
  }

  #beat(): void {
    this.#greet().catch(() => undefined); // `ready` reports it, and the connection logs it
    // Cached secrets expire, also while no session is found.
    const nowMs = performance.now();
    for (const [name, { untilMs }] of this.#cache) {
      if (untilMs > nowMs) break;
      this.#cache.delete(name);
    }
  }

  async #greet(): Promise<RedisBirth> {
    const losses = this.#losses;
    try {
      const birth = new RedisBirth(await this.#hello(losses > this.#lossesReported));
      this.#lossesReported = Math.max(this.#lossesReported, losses);
      this.#learn(birth);
      return birth;
    } catch (error) {
      this.#setReady(false, (error as Error).message);
      throw error;
    }
  }

  /**
   * In a cluster any node may respond, so that the sessions of all others are served while one is unreachable. The
   * generation, which relays must agree on if Redis hides its replication id from scripts, is on one node alone.
   */
  async #hello(lost: boolean): Promise<RedisReply> {
    const { target, keyPrefix } = this.#options;
    const mayAskOthers = target.kind === 'cluster' && this.#generation === '';
    for (let asked = 1; ; asked += 1) {
      const at = mayAskOthers ? this.#nodeAsked : 0;
      try {
        return await this.#connection.run(HELLO, `${keyPrefix}{store${at === 0 ? '' : at}}`, [
          this.#generation,
          lost ? '1' : '0',
          at === 0 ? target.kind : 'node',
          String(this.#lifetimes.absoluteMs),
          String(FENCE_MS),
        ]);
      } catch (error) {
        if (!mayAskOthers || asked === NODES_TRIED_MAX) throw error;
        // The slots of the keys, and so their nodes, are random.
        if (at === this.#nodeAsked) this.#nodeAsked = (at + 1) % NODE_KEYS;
      }
    }
  }

  #learn(birth: RedisBirth): void {
    if (!birth.bound) {
      if (this.#generation === '') {
        this.#options.log.warn(
          'Redis hides INFO from scripts: a failover that loses writes is detected by lost connections alone',
        );
      }
      this.#generation = birth.line.slice(1);
    }
    if (birth.bound || this.#lossesReported === this.#losses) this.#setReady(true);
  }

  #setReady(ready: boolean, cause?: string): void {
    if (ready === this.#ready || (ready && this.#connection.closed)) return;
    this.#ready = ready;
    this.#options.log.info({ ready, cause }, 'session store');
  }

  /** The hash tag keeps everything of one session in one slot. */
  #keyOf(sid: Bytes): string {
    return `${this.#options.keyPrefix}{${Buffer.from(sid.buffer, sid.byteOffset, sid.byteLength).toString('base64url')}}`;
  }
}

/** A string of the 16 bytes: the cheapest key a Map can hash. */
function nameOf(sid: Bytes): string {
  return Buffer.from(sid.buffer, sid.byteOffset, sid.byteLength).toString('latin1');
}
