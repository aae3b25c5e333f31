// The interface of a session store. The results of a store in memory are immediate; a remote store promises them.
import type { Awaitable, Bytes, Claim, SyncExpandKey } from '@mte-relay/protocol';

/** A string of a session id's 16 bytes: the cheapest key that a Map can hash. */
export function textOfSid(sid: Bytes): string {
  return Buffer.from(sid.buffer, sid.byteOffset, sid.byteLength).toString('latin1');
}

/** A session as the relay uses it. */
export interface Session {
  readonly sid: Bytes;
  readonly requestSecret: SyncExpandKey;
  readonly responseSecret: SyncExpandKey;
  /** The domain that it was paired with. */
  readonly domain: string;
  /** The authority of the pairing: host and optional port, as the client addressed the relay. */
  readonly authority: string;
  /** Feature flags of the pairing. */
  readonly flags: number;
  /** The client id that was issued with the session. */
  readonly clientId: string;
  /** True once the session admits cancels alone. */
  readonly ended: boolean;
}

/** A session as a pairing makes it. */
export interface NewSession {
  readonly sid: Bytes;
  readonly requestSecret: SyncExpandKey;
  readonly responseSecret: SyncExpandKey;
  /** The same two secrets as bytes, for a store that writes records; erased once `create` has settled. */
  readonly secrets: { readonly request: Bytes; readonly response: Bytes };
  readonly domain: string;
  readonly authority: string;
  readonly flags: number;
  readonly clientId: string;
  /** Where the client paired from: an IPv4 address, or the /64 of an IPv6 address. */
  readonly network: string;
}

/** Thrown by {@link SessionStore.create} if the store is full. */
export class StoreFullError extends Error {
  override readonly name: string = 'StoreFullError';
}

/** Thrown by {@link SessionStore.create} if this network has as many sessions as it may have. */
export class NetworkFullError extends StoreFullError {
  override readonly name: string = 'NetworkFullError';
}

/** A store that does not respond, or times out. The relay refuses with 503, and nothing runs. */
export class StoreUnavailableError extends Error {
  override readonly name = 'StoreUnavailableError';
}

/** The age of a store, which it vouches for towards clients (SPEC §7, store epoch rule). */
export interface StoreBirth {
  /** When the store began in its present form, Unix time in ms; a larger number is newer. 0 vouches for nothing. */
  readonly epochMs: number;
  /** For how many ms no older session has been claimable, by a monotonic clock. 0 vouches for nothing. */
  readonly ageMs: number;
  /**
   * Names the line of claims, 16 bytes: stores that have it know each other's claims, or cannot exist at one time. Without
   * one, claims can be lost while sessions stay, and nothing that the store says proves that a request never ran.
   */
  readonly lineage?: Bytes;
}

/** Why a number is claimed: to run a request, or to make sure that a request never runs. */
export type ClaimPurpose = 'exchange' | 'cancel';

/** The result of a claim; `gone`: the session is unknown, or has ended and the claim is for an exchange. */
export type StoreClaim = Claim | 'gone';

/**
 * Stores sessions and their claimed message numbers. If a call fails, nothing runs: the relay refuses with 503, or with
 * 500 if `birth` or `create` fails with an error of another class than the two above.
 */
export interface SessionStore {
  /** Called once per pairing, before `create`. */
  birth(): Awaitable<StoreBirth>;
  /** False while the store cannot respond; the relay is then not ready. */
  readonly ready: boolean;
  /**
   * True for a store that may lose a claim and keep its session; its birth then has no lineage. A cancel reports "already
   * claimed" there, even of a number that seems free.
   */
  readonly mayLoseClaims?: boolean | undefined;
  /** Number of sessions; undefined if the store does not know it at once. */
  readonly size?: number | undefined;
  /** Sessions of a store outside this process whose secrets are cached in it. */
  readonly cached?: number | undefined;
  /**
   * Stores a session that was paired under this birth; fails if the store has been born again since.
   * Throws or rejects with {@link StoreFullError} or {@link StoreUnavailableError}.
   */
  create(session: NewSession, birth: StoreBirth): Awaitable<void>;
  /** May use a cache, and so may be wrong about whether the session has ended: the claim decides. */
  find(sid: Bytes): Awaitable<Session | undefined>;
  /** Claims a message number once, atomically. Called only once a tag of the message has verified. */
  claim(session: Session, n: number, purpose: ClaimPurpose): Awaitable<StoreClaim>;
  close(): Awaitable<void>;
}
