// The shape of one fetch case: how a call is made, what the backend must have seen, what the caller must get. All of it
// is data, so that every runtime runs the same cases: run.ts performs one (in the runtime), backend.ts responds and
// judge.ts compares (both in Node).

/** Bytes by a rule: byte i is (31 i + 7) mod 256. */
export interface Pattern {
  readonly patternBytes: number;
}

export type FormEntry =
  | { readonly name: string; readonly text: string }
  | { readonly name: string; readonly patternBytes: number; readonly filename: string; readonly type: string };

/** The caller's `body`. */
export type BodyGiven =
  | { readonly kind: 'string'; readonly text: string }
  | { readonly kind: 'params'; readonly pairs: readonly (readonly [string, string])[] }
  | ({ readonly kind: 'arrayBuffer' | 'blob'; readonly type?: string } & Pattern)
  /** A view that begins 3 or 4 bytes into a larger buffer. */
  | ({ readonly kind: 'Uint8Array' | 'Uint16Array' | 'DataView' } & Pattern)
  | { readonly kind: 'form'; readonly entries: readonly FormEntry[] }
  | { readonly kind: 'stream'; readonly pieces: readonly number[]; readonly thenFails?: boolean };

/** RequestInit, in so far as it is data. */
export interface InitGiven {
  readonly method?: string;
  readonly headers?: readonly (readonly [string, string])[];
  readonly body?: BodyGiven;
  /** Beside a stream; left out, fetch refuses it. */
  readonly duplex?: 'half';
  readonly redirect?: 'follow' | 'error' | 'manual';
  readonly cache?: 'default' | 'no-store' | 'reload' | 'no-cache' | 'force-cache' | 'only-if-cached';
  readonly credentials?: 'omit' | 'same-origin' | 'include';
  readonly mode?: 'cors' | 'no-cors' | 'same-origin';
  readonly keepalive?: boolean;
  readonly priority?: 'high' | 'low' | 'auto';
  readonly integrity?: string;
  readonly referrer?: string;
  readonly referrerPolicy?: 'no-referrer' | 'origin' | 'unsafe-url';
}

/** A feature that a runtime may lack; a case that needs it is then left out, and counted as such. */
export type Need =
  | 'streams' // ReadableStream as the body of requests and responses
  | 'form-data' // FormData and Blob with types
  | 'abort' // AbortController with reasons
  | 'codings' // DecompressionStream
  | 'request' // Request as input
  | 'typed-requests'; // a Request that names the type of a string given to it

export interface FetchCase {
  /** The behaviour, as a sentence; unique. */
  readonly name: string;
  readonly needs?: readonly Need[];
  readonly call: {
    /** How the target is given. Default: a string. */
    readonly input?: 'string' | 'url' | 'request';
    /** Path, query and fragment behind the case's own path; default "". A whole URL stands as it is. */
    readonly target?: string;
    /** The second argument; for a Request, its own init. */
    readonly init?: InitGiven;
    /** The second argument beside a Request. */
    readonly override?: InitGiven;
    /** The Request's body is read before. */
    readonly usedBefore?: boolean;
    /** The caller's signal aborts then, with an Error as reason. */
    readonly abort?: 'before' | 'headers' | 'body';
  };
  /** The backend's responses by the path behind the case's own, without the query; default for "": 200, no content. */
  readonly responses?: Readonly<Record<string, ResponseGiven>>;
  /** The requests that the backend must have seen, in order. */
  readonly seen: readonly Seen[];
  readonly gives: Gives;
  /** Where the platform's own fetch, straight to the backend, gives something else; with the reason. */
  readonly platform?: { readonly why: string; readonly seen?: readonly Seen[]; readonly gives?: Gives };
}

export interface ResponseGiven {
  readonly status?: number;
  /** "{case}" in a value stands for the case's own path. */
  readonly headers?: readonly (readonly [string, string])[];
  readonly body?: { readonly text: string } | Pattern;
  /** The body goes out in this coding, with its field. */
  readonly coding?: 'gzip' | 'deflate';
  /** `head`: no response is sent; `body`: the body is sent but never ended. */
  readonly holds?: 'head' | 'body';
}

/** One request at the backend. */
export interface Seen {
  readonly method: string;
  /** Path and query behind the case's own path. Default "". */
  readonly target?: string;
  /** Fields, joined by ", "; null for one that must not be there; a value "~x" need only contain x. Others may be there. */
  readonly headers?: Readonly<Record<string, string | null>>;
  /** Default: no content. */
  readonly body?: { readonly text: string } | Pattern | { readonly form: readonly FormEntry[] };
}

/** The result for the caller. */
export type Gives = GivesResponse | GivesError;

export interface GivesResponse {
  readonly status: number;
  /** Default ''. */
  readonly statusText?: string;
  /** The part behind the case's own path in `url`; default "". */
  readonly url?: string;
  /** Default false. */
  readonly redirected?: boolean;
  readonly headers?: Readonly<Record<string, string | null>>;
  /** Default: no content, which is not a null body. */
  readonly body?: { readonly text: string } | Pattern | null;
  /** Reading the body fails so. */
  readonly bodyError?: GivesError;
}

export interface GivesError {
  /** A TypeError, with this `code` where it is a RelayClientError. */
  readonly typeError?: true;
  readonly code?: string;
  /** It is the signal's reason itself, or what the body's stream threw. */
  readonly reason?: true;
}

/** The report of run.ts about one call; JSON. */
export interface Outcome {
  readonly error?: ErrorSeen;
  readonly response?: {
    readonly status: number;
    readonly statusText: string;
    readonly ok: boolean;
    readonly url: string;
    readonly redirected: boolean;
    readonly headers: readonly (readonly [string, string])[];
    readonly bodyIsNull: boolean;
    readonly body?: BytesSeen;
    readonly bodyError?: ErrorSeen;
    /** A clone gives the same. */
    readonly cloneAgrees?: boolean;
    /** A second reading is refused. */
    readonly readTwice?: boolean;
  };
}

export interface ErrorSeen {
  readonly typeError: boolean;
  readonly code?: string;
  readonly reason: boolean;
  /** For reading only. */
  readonly message: string;
}

/** Bytes by length, a checksum, and, when they are few, as text. */
export interface BytesSeen {
  readonly bytes: number;
  readonly sum: number;
  readonly text?: string;
}

/** The pattern's bytes. */
export function patternOf(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i += 1) bytes[i] = (i * 31 + 7) % 256;
  return bytes;
}

/** FNV-1a, 32 bits: differences of any single byte show. */
export function bytesSeen(bytes: Uint8Array): BytesSeen {
  let sum = 0x811c9dc5;
  for (const byte of bytes) sum = Math.imul(sum ^ byte, 0x01000193) >>> 0;
  let text = '';
  if (bytes.length <= 500) for (const byte of bytes) text += String.fromCharCode(byte);
  return bytes.length <= 500 ? { bytes: bytes.length, sum, text } : { bytes: bytes.length, sum };
}
