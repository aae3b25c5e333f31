// Sessions in Redis, shared by any number of relays of one identity: consecutive messages of a session may reach any of
// them. Each relay caches secrets for a minute; every claim is made in Redis, by one script (redis-script.ts).
import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import { type Bytes, LINEAGE_BYTES, type SyncSuite } from '@mte-relay/protocol';
import type { Logger } from 'pino';
import {
  FENCE_MS,
  HEARTBEAT_MS,
  NODES_TRIED_MAX,
  SESSION_CACHED_MS,
  SESSION_LIFETIMES,
  type SessionLifetimes,
} from '../limits/fixed.ts';
import { deriveFromSecret } from '../secrets/derive.ts';
import { SessionSealer } from './record.ts';
import { RedisConnection, type RedisReply } from './redis-connection.ts';
import { ADMIT, CLAIM, CLAIM_REPLIES, CREATE, HELLO, type RedisScript } from './redis-script.ts';
import type { RedisTarget } from './redis-url.ts';
import {
  type ClaimPurpose,
  NetworkFullError,
  type NewSession,
  type Session,
  type SessionStore,
  type StoreBirth,
  type StoreClaim,
  StoreUnavailableError,
  textOfSid,
} from './store.ts';

export interface RedisSessionStoreOptions {
  readonly target: RedisTarget;
  /** PEM; undefined for the public authorities. */
  readonly ca?: string | undefined;
  readonly keyPrefix: string;
  readonly timeoutMs: number;
  readonly sessionsCachedMax: number;
  /** Sessions that one network may pair within the idle lifetime. */
  readonly perNetworkMax: number;
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

/**
 * What names a line of writes: Redis itself, in INFO; a variable of the library; or, where scripts may not read INFO and
 * functions are not available, a generation that the relays agree on, which ends with lost connections alone.
 */
type Naming = 'replication-id' | 'library' | 'generation';

/** The reply to HELLO, and since when this relay has seen that line. */
class RedisBirth implements StoreBirth {
  readonly line: string;
  readonly nowMs: number;
  readonly epochMs: number;
  readonly ageMs: number;
  readonly lineage?: Bytes;

  /** @param seenForMs for how long this relay has seen the line, by its own monotonic clock: Redis' clock may be set. */
  constructor(reply: HelloReply, naming: Naming, seenForMs: number) {
    const [line, now, epoch, others, lineage] = reply;
    this.line = line;
    this.nowMs = Number(now);
    this.epochMs = Number(epoch);
    if (others === 'none') this.ageMs = 0;
    else this.ageMs = Math.floor(Math.max(0, others === 'fenced' ? seenForMs - FENCE_MS : seenForMs));
    if (naming !== 'generation') this.lineage = new Uint8Array(Buffer.from(lineage, 'hex'));
  }
}

type HelloReply = [line: string, now: string, epoch: string, others: string, lineage: string];

/** Redis refuses the command itself, now and later: the user's rights, a Redis older than functions, one without them. */
const REFUSED_FOR_GOOD = /^(NOPERM|ERR) /;

/** A {@link SessionStore} in Redis. Connects at once, and reconnects until it is closed. */
export class RedisSessionStore implements SessionStore {
  readonly #options: RedisSessionStoreOptions;
  readonly #lifetimes: SessionLifetimes;
  readonly #sealer: SessionSealer;
  readonly #networkKey: Bytes;
  readonly #connection: RedisConnection;
  readonly #heartbeat: NodeJS.Timeout;
  readonly #cache = new Map<string, Cached>(); // the least recently loaded first
  readonly #finding = new Map<string, Promise<Session | undefined>>();
  #ready = false;
  #naming: Naming | undefined; // until the first greeting
  #generation = '';
  #line = '';
  #lineSeenMs = 0;
  #losses = 0;
  #lossesReported = 0;
  #nodeAsked = 0; // the node of a cluster that responded last

  constructor(options: RedisSessionStoreOptions) {
    this.#options = options;
    this.#lifetimes = options.lifetimes ?? SESSION_LIFETIMES;
    this.#sealer = new SessionSealer(options.suite, options.secrets);
    this.#networkKey = deriveFromSecret([...options.secrets.values()].flat().join(), 'mte-relay/1 network');
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
        if (this.#naming !== 'generation') return; // each master names its own line
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

  get mayLoseClaims(): boolean {
    return this.#naming === 'generation';
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
    const admitting = this.#admit(session); // beside the creation: on another node it may take longer
    const expiryMs = birth.nowMs + this.#lifetimes.absoluteMs;
    const record = this.#sealer.seal(session, expiryMs);
    // The session's own server may be another one than that of `birth`: a master of a cluster, or behind a proxy. Only one
    // server vouches for anything, and then it must be the same.
    const vouches = birth.epochMs > 0 || this.#naming === 'generation';
    const creating = this.#run(CREATE, this.#keyOf(session.sid), [
      this.#naming === 'library' ? randomUUID() : this.#generation,
      vouches ? birth.line : '',
      String(expiryMs),
      Buffer.from(record),
      session.domain,
      String(this.#lifetimes.unconfirmedMs),
    ]);
    const [kept] = await Promise.all([creating, admitting]);
    if (kept !== 1) throw new StoreUnavailableError('Redis was replaced during the pairing');
  }

  /** A key of its own: in a cluster it is on another node than the session. It does not show the address. */
  async #admit({ sid, network }: NewSession): Promise<void> {
    const { keyPrefix, perNetworkMax } = this.#options;
    const name = createHmac('sha256', this.#networkKey).update(network).digest('base64url');
    const args = [Buffer.from(sid).toString('base64url'), String(perNetworkMax), String(this.#lifetimes.idleMs)];
    const admitted = this.#run(ADMIT, `${keyPrefix}network:${name}`, args);
    // Without that node there is no bound, but pairings go on; without Redis, the creation fails too.
    if ((await admitted.catch(() => 1)) !== 1)
      throw new NetworkFullError(`the network has paired ${perNetworkMax} sessions`);
  }

  find(sid: Bytes): Session | undefined | Promise<Session | undefined> {
    const name = textOfSid(sid);
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
    // The script itself checks the name of a line; a generation must be known to be the present one.
    if (this.#naming === undefined || (this.#naming === 'generation' && !this.#ready))
      throw new StoreUnavailableError('Redis has not responded to a greeting');
    const reply = await this.#run(CLAIM, this.#keyOf(session.sid), [
      this.#generation,
      String(n),
      purpose,
      String(this.#lifetimes.idleMs),
    ]);
    const claim = CLAIM_REPLIES[reply as number] as StoreClaim;
    if (claim === 'gone') this.#cache.delete(textOfSid(session.sid));
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
      const reply = await this.#hello(losses > this.#lossesReported);
      this.#lossesReported = Math.max(this.#lossesReported, losses);
      return this.#learn(reply);
    } catch (error) {
      this.#setReady(false, (error as Error).message);
      throw error;
    }
  }

  /** In a cluster any node may respond, so that the sessions of all others are served while one is unreachable. */
  async #hello(lost: boolean): Promise<HelloReply> {
    for (let asked = 1; ; asked += 1) {
      const mayAskOthers = this.#options.target.kind === 'cluster' && this.#naming !== 'generation';
      const at = mayAskOthers ? this.#nodeAsked : 0;
      try {
        return await this.#helloAt(at, lost);
      } catch (error) {
        if (!mayAskOthers || asked === NODES_TRIED_MAX) throw error;
        // The slots of the keys, and so their nodes, are random.
        if (at === this.#nodeAsked) this.#nodeAsked = (at + 1) % NODE_KEYS;
      }
    }
  }

  /** Also finds out what names the lines of this Redis. */
  async #helloAt(at: number, lost: boolean): Promise<HelloReply> {
    if (this.#naming === undefined || this.#naming === 'replication-id') {
      const reply = await this.#helloBy('replication-id', at, lost);
      if (reply.length > 0) return reply;
    }
    if (this.#naming !== 'generation') {
      try {
        return await this.#helloBy('library', at, lost);
      } catch (error) {
        const { message } = error as Error;
        if (!REFUSED_FOR_GOOD.test(message)) throw error;
        // Only lost connections then reveal a failover that loses claims.
        this.#options.log.warn({ cause: message }, 'Redis hides INFO from scripts and has no functions');
      }
    }
    return this.#helloBy('generation', 0, lost); // relays must agree on it, so that it is on one node
  }

  async #helloBy(naming: Naming, at: number, lost: boolean): Promise<HelloReply> {
    const { target, keyPrefix } = this.#options;
    const args = [
      naming === 'library' ? randomUUID() : this.#generation,
      lost ? '1' : '0',
      naming,
      at === 0 ? target.kind : 'node',
      randomBytes(LINEAGE_BYTES).toString('hex'),
    ];
    const key = `${keyPrefix}{store${at === 0 ? '' : at}}`;
    const reply = await (naming === 'library'
      ? this.#connection.call(HELLO, key, args)
      : this.#connection.run(HELLO, key, args));
    const words = (reply as Buffer[]).map(String) as HelloReply;
    if (words.length > 0) this.#naming = naming;
    return words;
  }

  #run(script: RedisScript, key: string, args: (string | Buffer)[]): Promise<RedisReply> {
    return this.#naming === 'library'
      ? this.#connection.call(script, key, args)
      : this.#connection.run(script, key, args);
  }

  #learn(reply: HelloReply): RedisBirth {
    const nowMs = performance.now();
    const [line] = reply;
    if (line !== this.#line) {
      this.#line = line;
      this.#lineSeenMs = nowMs;
    }
    if (this.#naming === 'generation') this.#generation = line.slice(1);
    if (this.#naming !== 'generation' || this.#lossesReported === this.#losses) this.#setReady(true);
    return new RedisBirth(reply, this.#naming as Naming, nowMs - this.#lineSeenMs);
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
