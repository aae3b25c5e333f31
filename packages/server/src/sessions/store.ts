// What the relay asks of a session store. In memory the answers are there at once; a remote store has them later.
import type { Awaitable, Bytes, Claim, SyncExpandKey } from '@mte-relay/protocol';

/** A session as the relay uses it. */
export interface Session {
  readonly sid: Bytes;
  readonly requestSecret: SyncExpandKey;
  readonly responseSecret: SyncExpandKey;
  /** The domain that it was paired with. */
  readonly domain: string;
  /** Feature flags of the pairing. */
  readonly flags: number;
  /** The client id that was issued with the session. */
  readonly clientId: string;
  /** True once the session is only good for cancels. */
  readonly ended: boolean;
}

/** What a pairing hands to the store. */
export interface NewSession {
  readonly sid: Bytes;
  readonly requestSecret: SyncExpandKey;
  readonly responseSecret: SyncExpandKey;
  readonly domain: string;
  readonly flags: number;
  readonly clientId: string;
}

/** Thrown by {@link SessionStore.create} when there is no room. */
export class StoreFullError extends Error {
  override readonly name = 'StoreFullError';
}

/** Holds sessions and their claimed message numbers. */
export interface SessionStore {
  /** When the store began in its present form, Unix time; a larger number is a newer store. 0 vouches for nothing. */
  readonly epochMs: number;
  /** How long ago that was, by a clock that is never set. */
  ageMs(): number;
  /** Throws or rejects with {@link StoreFullError}. */
  create(session: NewSession): Awaitable<void>;
  find(sid: Bytes): Awaitable<Session | undefined>;
  /** Claims a message number once, atomically. Called only for numbers of messages whose tag has verified. */
  claim(session: Session, n: number): Awaitable<Claim>;
  close(): Awaitable<void>;
}

/** How long sessions live (SPEC §7). */
export interface SessionLifetimes {
  readonly idleMs: number;
  readonly absoluteMs: number;
  /** Until the first message has opened. */
  readonly unconfirmedMs: number;
  readonly messageLimit: number;
}

/** SPEC §7 */
export const SESSION_LIFETIMES: SessionLifetimes = {
  idleMs: 15 * 60_000,
  absoluteMs: 60 * 60_000,
  unconfirmedMs: 30_000,
  messageLimit: 2 ** 20,
};
