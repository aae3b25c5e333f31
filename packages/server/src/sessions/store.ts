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
  /** The same two as bytes, for a store that must write them down; erased once `create` has answered. */
  readonly secrets: { readonly request: Bytes; readonly response: Bytes };
  readonly domain: string;
  readonly flags: number;
  readonly clientId: string;
}

/** Thrown by {@link SessionStore.create} when there is no room. */
export class StoreFullError extends Error {
  override readonly name = 'StoreFullError';
}

/** A store that does not answer, or not in time. The relay refuses with 503, and nothing runs. */
export class StoreUnavailableError extends Error {
  override readonly name = 'StoreUnavailableError';
}

/** What a store vouches for towards clients (SPEC §7, store epoch rule). */
export interface StoreBirth {
  /** When the store began in its present form, Unix time; a larger number is a newer store. 0 vouches for nothing. */
  readonly epochMs: number;
  /** For how long no older session has been claimable, by a clock that is never set. 0 vouches for nothing. */
  readonly ageMs: number;
}

/** What a number is claimed for: to run a request, or to make sure that one never runs. */
export type ClaimPurpose = 'exchange' | 'cancel';

/** What became of a claim; `gone`: the session is unknown, or has ended and the claim is for an exchange. */
export type StoreClaim = Claim | 'gone';

/** Holds sessions and their claimed message numbers. What it rejects with is answered with 503, and nothing runs. */
export interface SessionStore {
  /** Asked once per pairing, before `create`. */
  birth(): Awaitable<StoreBirth>;
  /** False while the store cannot answer; the relay is then not ready. */
  readonly ready: boolean;
  /** Sessions held, where the store knows at once. */
  readonly size?: number | undefined;
  /** Sessions of a store outside this process that are at hand in it. */
  readonly cached?: number | undefined;
  /**
   * Keeps a session that was paired under this birth; fails when the store has been born again since.
   * Throws or rejects with {@link StoreFullError} or {@link StoreUnavailableError}.
   */
  create(session: NewSession, birth: StoreBirth): Awaitable<void>;
  /** May answer from a cache, and so may be wrong about whether the session has ended: the claim decides. */
  find(sid: Bytes): Awaitable<Session | undefined>;
  /** Claims a message number once, atomically. Called only for numbers of messages whose tag has verified. */
  claim(session: Session, n: number, purpose: ClaimPurpose): Awaitable<StoreClaim>;
  close(): Awaitable<void>;
}
