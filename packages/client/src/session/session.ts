// The client's side of a session: its message numbers, and when to replace it (SPEC §6, §7). Below: the pool, which keeps
// one session in use, replaces it in time, and lets parallel calls share one pairing.
import {
  type ClientKeys,
  equalBytes,
  IN_FLIGHT_MAX,
  SENT_FIELD,
  type SessionParameters,
  type SessionSecrets,
  type Suite,
} from '@mte-relay/protocol';
import { ignore, orAborted } from '../abort.ts';
import { elapsedMs, type Instant, isBefore, monotonicMs, now } from './clock.ts';

/** Share of its lifetime or numbers after which the client replaces a session in the background (SPEC §7). */
const REKEY_AT = 0.8;
/** Share of the numbers reserved for cancels, and of the time reserved for the way to the relay. */
const RESERVE = 0.05;
/** A relay drops an unused session after 30 s, so the client pairs again before that. */
const UNCONFIRMED_MAX_MS = 20_000;
/** A session that is full and has not had a response for this long may never have room again. */
const STALLED_MS = 5_000;
/** Share of the window that pending numbers may span before the oldest is nearly too old for the relay. */
const CROWDED_AT = 0.75;

/** One pairing's session. */
export class Session {
  readonly keys: ClientKeys;
  readonly parameters: SessionParameters;
  readonly pin: string;
  readonly pairedAt: Instant = now();
  #usedAt: Instant = this.pairedAt;
  #confirmed = false;
  #nextNumber = 0;
  #settledAt: Instant = this.pairedAt;
  readonly #outstanding = new Set<number>();
  /** The last time that the relay has stated, and when it arrived here. */
  #relayTimeMs: number;
  #relayTimeAt: Instant = this.pairedAt;
  /** Called when a message has ended. */
  onSettle: () => void = ignore;

  private constructor(keys: ClientKeys, parameters: SessionParameters, pin: string) {
    this.keys = keys;
    this.parameters = parameters;
    this.pin = pin;
    this.#relayTimeMs = parameters.relayTimeMs;
  }

  /** Imports the secrets and erases their raw form. */
  static async create(
    suite: Suite,
    parameters: SessionParameters,
    secrets: SessionSecrets,
    pin: string,
  ): Promise<Session> {
    const keys = {
      sid: parameters.sid,
      requestSecret: await suite.importExpandKey(secrets.request),
      responseSecret: await suite.importExpandKey(secrets.response),
    };
    for (const secret of [secrets.request, secrets.response, secrets.exporter]) secret.fill(0);
    return new Session(keys, parameters, pin);
  }

  /** `due`: usable, to be replaced soon. `over`: new requests must not use it. */
  get state(): 'fresh' | 'due' | 'over' {
    const { lifetimeMs, idleMs, messageLimit, window, messageAgeMaxMs } = this.parameters;
    const life = elapsedMs(this.pairedAt) / lifetimeMs;
    const idle = elapsedMs(this.#usedAt) / idleMs;
    const numbers = this.#nextNumber / messageLimit;
    const crowd = this.#spread / window;
    const unconfirmed = !this.#confirmed && elapsedMs(this.pairedAt) > UNCONFIRMED_MAX_MS;
    // The machine slept: the relay's time is later than this client knows, and a request would be too old.
    const slept = elapsedMs(this.#relayTimeAt) - monotonicMs(this.#relayTimeAt) > messageAgeMaxMs / 2;
    if (life >= 1 - RESERVE || idle >= 1 - RESERVE || numbers >= 1 - RESERVE || crowd >= 1 || unconfirmed || slept)
      return 'over';
    const stalled = !this.hasRoom && elapsedMs(this.#usedAt) >= STALLED_MS && elapsedMs(this.#settledAt) >= STALLED_MS;
    return life >= REKEY_AT || numbers >= REKEY_AT || crowd >= CROWDED_AT || stalled ? 'due' : 'fresh';
  }

  /** Distance from the oldest pending number to the next one. */
  get #spread(): number {
    const oldest = this.#outstanding.values().next();
    return oldest.done ? 0 : this.#nextNumber - oldest.value;
  }

  /** The relay's time now, or earlier: ms since 1970 (SPEC §7). */
  get relayTimeMs(): number {
    return Math.floor(this.#relayTimeMs + monotonicMs(this.#relayTimeAt));
  }

  /** States when a request is sealed. */
  get sentField(): readonly [string, string] {
    return [SENT_FIELD, `${this.relayTimeMs}`];
  }

  /** Takes the time that a response states. */
  set relayTimeMs(statedMs: number) {
    this.#relayTimeMs = statedMs;
    this.#relayTimeAt = now();
  }

  /** False for a store that can lose claims: nothing that its relay says proves that a request never ran. */
  get vouches(): boolean {
    return this.parameters.lineage.some((byte) => byte !== 0);
  }

  /** True when one more message may be in flight. */
  get hasRoom(): boolean {
    return this.#outstanding.size < Math.min(IN_FLIGHT_MAX, this.parameters.window / 2);
  }

  /** The next message number. Return it with {@link Session.settle}. */
  take(): number {
    const n = this.#nextNumber;
    this.#nextNumber += 1;
    this.#outstanding.add(n);
    this.#usedAt = now();
    return n;
  }

  /** Ends a message. @param confirmed true with an authenticated response, which shows that the relay has the session. */
  settle(n: number, confirmed: boolean): void {
    if (confirmed) this.#confirmed = true;
    this.#outstanding.delete(n);
    this.#settledAt = now();
    this.onSettle();
  }

  /**
   * True when this session proves that nothing sent in `old` since `firstSentAt` has run or ever will: the store is of the
   * same relay and line, newer than `old`, so it never had its secrets, and it existed before the first byte was sent.
   */
  provesLost(old: Session, firstSentAt: Instant): boolean {
    const { storeEpochMs, storeAgeMs, lineage } = this.parameters;
    const isSameStore = this.vouches && this.pin === old.pin && equalBytes(lineage, old.parameters.lineage);
    const isNewer = storeEpochMs > old.parameters.storeEpochMs && isBefore(this.pairedAt, storeAgeMs, firstSentAt);
    return isSameStore && isNewer;
  }
}

/** A message number in a session. */
export interface Lease {
  readonly session: Session;
  readonly n: number;
  /** True once a message of several chunks has begun with it. */
  inPieces?: boolean;
}

/** The session in use and its successor. */
export class Sessions {
  readonly #pair: () => Promise<Session>;
  readonly #onPaired: (session: Session, background: boolean) => Promise<void>;
  readonly #onRekeyFailed: (error: unknown) => void;
  #current: Session | undefined;
  #pairing: Promise<Session> | undefined;
  #rekeyFailedAt: Instant | undefined;
  /** Calls that wait for room, in order. They belong to no session, because theirs may be replaced. */
  readonly #waiting = new Set<() => void>();

  constructor(
    pair: () => Promise<Session>,
    onPaired: (session: Session, background: boolean) => Promise<void>,
    onRekeyFailed: (error: unknown) => void,
  ) {
    this.#pair = pair;
    this.#onPaired = onPaired;
    this.#onRekeyFailed = onRekeyFailed;
  }

  /** A number in a usable session. Waits for a pairing and for room. Throws the signal's reason. */
  async lease(signal: AbortSignal | undefined): Promise<Lease> {
    for (;;) {
      const session = this.#usable() ?? (await orAborted(this.renew(), signal));
      if (session.hasRoom) return { session, n: session.take() };
      await this.#room(signal);
    }
  }

  /** Resolves when there may be room, or the session in use may be another one. */
  async #room(signal: AbortSignal | undefined): Promise<void> {
    let wake = ignore;
    const woken = new Promise<void>((resolve) => {
      wake = resolve;
    });
    this.#waiting.add(wake);
    const timer = setTimeout(wake, STALLED_MS); // a session also ends by its age
    try {
      await orAborted(woken, signal);
    } finally {
      clearTimeout(timer);
      if (!this.#waiting.delete(wake) && signal?.aborted) this.#wake(false); // it had its turn and does not use it
    }
  }

  #wake(all: boolean): void {
    for (const wake of this.#waiting) {
      this.#waiting.delete(wake);
      wake();
      if (!all) return;
    }
  }

  /** Pairs now, or joins the pairing in progress. */
  renew(background = false): Promise<Session> {
    this.#pairing ??= this.#pair()
      .then(async (session) => {
        await this.#onPaired(session, background);
        session.onSettle = () => this.#wake(false);
        this.#current = session;
        return session;
      })
      .finally(() => {
        this.#pairing = undefined;
        this.#wake(true); // into the new session, or to fail as this pairing did
      });
    return this.#pairing;
  }

  /** A session other than this one. */
  replace(old: Session): Promise<Session> {
    return this.#current === old || !this.#current ? this.renew() : Promise.resolve(this.#current);
  }

  /** Forgets every session. */
  clear(): void {
    this.#current = undefined;
  }

  #usable(): Session | undefined {
    const session = this.#current;
    const state = session?.state;
    if (state === 'over') return undefined;
    if (state === 'due') this.#rekey();
    return session;
  }

  /** Pairs in the background. Calls meanwhile use the old session and do not fail with it. */
  #rekey(): void {
    if (this.#pairing || (this.#rekeyFailedAt && elapsedMs(this.#rekeyFailedAt) < REKEY_PAUSE_MS)) return;
    this.renew(true).catch((error) => {
      this.#rekeyFailedAt = now();
      this.#onRekeyFailed(error);
    });
  }
}

/** Pause after a rekey in the background failed. */
const REKEY_PAUSE_MS = 10_000;
