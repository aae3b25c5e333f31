// The calls of a chaos campaign: what each one sends, and the response that belongs to it alone. Clients and upstream
// derive both from the call's id.
import { createHash } from 'node:crypto';
import { Random } from '../random.ts';

/** Field in which a client states the digest of its content. */
export const DIGEST_FIELD = 'x-content-digest';
/** Field of the outer hop that names the call to the intermediary, which takes it off. */
export const CALL_FIELD = 'x-campaign-call';
/** Path of the calls at the upstream, before the id. */
export const CALL_PATH = '/calls/';

/** Every second unsafe method may not run twice; the others only while their call lasts. */
const METHODS = { POST: 35, PUT: 20, PATCH: 10, DELETE: 15, GET: 20 } as const;
const SAFE: ReadonlySet<string> = new Set<keyof typeof METHODS>(['GET']);
const IDEMPOTENT: ReadonlySet<string> = new Set<keyof typeof METHODS>(['GET', 'PUT', 'DELETE']);

const STREAMED_SHARE = 0.08;
const ABORTED_SHARE = 0.05;
const ABORT_AFTER_MAX_MS = 120;
const LARGE_SHARE = 0.03;

/** What one call does. */
export interface Call {
  readonly id: string;
  readonly method: keyof typeof METHODS;
  readonly contentBytes: number;
  /** Sent as a stream of several pieces. */
  readonly streamed: boolean;
  /** The app gives the call up after so long. */
  readonly abortAfterMs: number | undefined;
}

export const isSafe = (method: string): boolean => SAFE.has(method);
export const isIdempotent = (method: string): boolean => IDEMPOTENT.has(method);

/** The call with this id. */
export function callOf(seed: string, id: string): Call {
  const random = new Random(`${seed} ${id}`);
  const method = random.weighted(METHODS);
  const bare = method === 'GET' || method === 'DELETE';
  const streamed = !bare && random.chance(STREAMED_SHARE);
  const contentBytes = random.chance(LARGE_SHARE) ? random.between(20_000, 150_000) : random.between(1, 600);
  return {
    id,
    method,
    contentBytes: bare ? 0 : contentBytes,
    streamed,
    abortAfterMs: random.chance(ABORTED_SHARE) ? random.between(0, ABORT_AFTER_MAX_MS) : undefined,
  };
}

/** The content of a call: its id, repeated. */
export function contentOfCall({ id, contentBytes }: Call): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.alloc(contentBytes, `${id} `));
}

/** A digest of content. */
export function digestOf(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('base64url');
}

/** The response of the upstream to a call: id and digest, then more, so that a cut is noticed. */
export function responseTo(id: string, digest: string): string {
  const random = new Random(`response ${id}`);
  const moreBytes = random.chance(LARGE_SHARE) ? random.between(20_000, 90_000) : random.between(0, 900);
  return `${id} ${digest} ${'.'.repeat(moreBytes)} ${id}`;
}
