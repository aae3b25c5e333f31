// The public types: options, request init, events, clients.
import type { Bytes, Fields } from '@mte-relay/protocol';

/** Progress of a body, in bytes of the body itself, not of its sealed form. */
export interface Progress {
  readonly loadedBytes: number;
  /** Absent when the length is unknown. */
  readonly totalBytes?: number;
}

/** The platform's RequestInit with progress callbacks. */
export interface RelayRequestInit extends RequestInit {
  /**
   * Called as the request's body is sent. Browsers report upload progress only through XMLHttpRequest, so the client
   * then uses it and the response is not streamed. Ignored without a body. Default: none.
   */
  onUploadProgress?: (progress: Progress) => void;
  /** Called as pieces of the response's body are opened. Default: none. */
  onDownloadProgress?: (progress: Progress) => void;
  /** Required in Node when the body is a stream, as in the platform's own fetch. */
  duplex?: 'half';
}

/** A proxy's request; see {@link RelayForwarder.forward}. */
export interface ForwardRequest {
  /** Forwarded unchanged: methods are case-sensitive. */
  readonly method: string;
  /** Path and query, forwarded unchanged, beginning with "/"; or "*" for OPTIONS. The relay checks the path. */
  readonly target: string;
  /**
   * Field lines in order, one character per byte, up to 254 of them. The caller leaves out the fields of its own hop, such
   * as `host`; the relay drops them too. `content-length`, if present, must be correct.
   */
  readonly headers: Fields;
  /** Content. The client may resend bytes when that is safe; it reads pieces once. Default: none. */
  readonly body?: Uint8Array | AsyncIterable<Uint8Array> | undefined;
  /**
   * Called after the end of the body. The relay forwards trailers of a streamed body if the field `trailer` has announced
   * them and the headers do not include `content-length`. Default: none.
   */
  readonly trailers?: (() => Fields) | undefined;
  /** Ends the request, or the response's body, with its reason. Default: none. */
  readonly signal?: AbortSignal | undefined;
}

/** The response of the backend, or of the relay itself (then with the field `mte-relay-failure`). */
export interface ForwardResponse {
  readonly status: number;
  /** Field lines in order, names in lower case. Outside of browsers they include every `set-cookie`. */
  readonly headers: Fields;
  /**
   * Content in its content coding, opened as it is read. Read it to its end, leave it early, or abort the signal.
   * Throws `response-truncated` or `response-unopenable` unless the response is complete, even without content.
   */
  readonly body: AsyncIterable<Bytes>;
  /** Complete after the end of the body; empty before. */
  readonly trailers: Fields;
}

/** Options of every client. */
export interface RelayClientOptions {
  /**
   * Public keys to trust, each `sha256-` and the base64 SHA-256 of the key, as `mte-relay-server identity` prints it.
   * List the current and the next key. Without pins, this client trusts the first key that it receives and logs that to
   * the console. Any other key fails with `pin-mismatch`.
   */
  readonly pins?: readonly string[];
  /**
   * Receives pin mismatches: a function, or a URL of the operator's to post them to as `application/reports+json`, without
   * credentials. The URL must not be of the relay's origin: an intermediary that poses as the relay would drop the report.
   * At most once per shown pin and hour, and 16 in an hour. Default: none; see the event `pin-mismatch`.
   */
  readonly reportPinMismatch?: string | URL | ((mismatch: PinMismatch) => void);
  /** Sends the outer requests, e.g. with a custom agent, proxy or CA in Node. Default: the platform's fetch at call time. */
  readonly fetch?: typeof globalThis.fetch;
  /** Makes the outer WebSockets, e.g. with a custom agent, proxy or CA in Node. Default: the platform's at call time. */
  readonly WebSocket?: typeof globalThis.WebSocket;
  /**
   * Pads sealed requests to a multiple of this many bytes, so that their exact lengths do not name the endpoint. The
   * relay's PAD_TO_BYTES (128 unless set) counts if it is larger, and pads responses. 0 to 16,384. Default 0.
   */
  readonly padToBytes?: number;
  /** Timeout of a pairing, ms; then calls fail with `unreachable`. Default 15,000; sensible 2,000 to 60,000. */
  readonly pairingTimeoutMs?: number;
}

/** The public properties of a session. */
export interface SessionEvent {
  readonly lifetimeMs: number;
  readonly idleMs: number;
  readonly messageLimit: number;
  /** Pin of the relay's public key. */
  readonly pin: string;
}

/** A relay, or an intermediary in its place, has shown a key that the client does not trust. */
export interface PinMismatch {
  /** The relay's origin. */
  readonly relay: string;
  /** Pin of the newest key that was shown. */
  readonly shown: string;
  /** The pins that the client trusts: those of its options, or the first that it saw. */
  readonly trusted: readonly string[];
}

/** Events of {@link RelayClientBase.on}. */
export interface RelayClientEvents {
  /** The client paired because a call needed a session. */
  pair: SessionEvent;
  /** The client paired in the background to replace a session that is about to end. */
  rekey: SessionEvent;
  /** The client resends a request for this reason: the request never ran, or its method is idempotent. */
  resend: { readonly method: string; readonly url: string; readonly reason: string };
  /** A rekey in the background failed. The client keeps the old session and retries in a later call. */
  error: unknown;
  /** A pairing failed because the relay's key is not trusted. Every call fails with `pin-mismatch`. */
  'pin-mismatch': PinMismatch;
}

/** The members that every client of a relay has. */
export interface RelayClientBase {
  /** Pairs now, e.g. while a page loads, so that the first call does not wait for it. */
  readonly pair: () => Promise<void>;
  /**
   * Ends everything: drops the sessions and their keys, and releases every connection. Calls in progress and bodies that
   * are not read to their end fail with `closed`, as do further calls. WebSockets close with 1001, EventSources fail.
   */
  readonly close: () => void;
  /** Adds a listener. Returns the function that removes it. */
  readonly on: <E extends keyof RelayClientEvents>(
    event: E,
    listener: (value: RelayClientEvents[E]) => void,
  ) => () => void;
}

/**
 * The platform's fetch, sealed: same arguments, same results, for URLs of the relay's origin. Works detached. A relative
 * URL resolves against the page in pages and workers, as with fetch, and against the relay elsewhere.
 *
 * Unlike the platform's fetch: `redirect: 'manual'` gives the 3xx response itself with its status and Location;
 * `integrity` is refused; responses are not cached.
 * @throws RelayClientError (a TypeError) with a `code`; or the signal's reason.
 */
export type RelayFetch = (input: string | URL | Request, init?: RelayRequestInit) => Promise<Response>;

/** A client with fetch alone, of the entry `@mte-relay/client/fetch`. */
export interface RelayFetchClient extends RelayClientBase {
  readonly fetch: RelayFetch;
}

/** A relay's whole client, of the entry `@mte-relay/client`. */
export interface RelayClient extends RelayFetchClient {
  /**
   * The platform's WebSocket, sealed: same interface, for URLs of the relay's origin (`ws`, `wss`, `http`, `https`, or
   * relative). Each has an outer WebSocket of its own.
   *
   * Unlike the platform's WebSocket: its constructor throws RelayClientError `origin-not-relayed` or `closed`; an `error`
   * event carries the reason as `error`; an end without a sealed close is never clean (1006). `bufferedAmount` counts 17
   * bytes more for each frame of up to 64 KiB that is already sealed. A message of more than 64 MiB ends it.
   */
  readonly WebSocket: typeof globalThis.WebSocket;
  /**
   * The platform's EventSource, sealed: same interface, for URLs of the relay's origin.
   *
   * Unlike the platform's EventSource: its constructor throws RelayClientError `origin-not-relayed` or `closed`; an `error`
   * event carries the reason as `error`. An event of more than 64 Mi characters ends it. Where fetch lacks streams, the
   * events arrive when their response is complete.
   */
  readonly EventSource: typeof globalThis.EventSource;
}

/** A relay's client for proxies, of the entry `@mte-relay/client/forward`. */
export interface RelayForwarder extends RelayClientBase {
  /**
   * Sends a proxy's request, sealed and resent like those of fetch. The client does not parse a URL, does not add, join or
   * drop a field, does not follow a redirect and does not decode content. Any method may have a body.
   * @throws RelayClientError with a `code`; the error of the body's source; or the signal's reason.
   */
  readonly forward: (request: ForwardRequest) => Promise<ForwardResponse>;
}
