// What the caller may say and hear: options, request init, events, the client's own shape.
import type { Bytes, Fields } from '@mte-relay/protocol';

/** How far a body has come, in bytes of the body itself (not of its sealed form). */
export interface Progress {
  readonly loadedBytes: number;
  /** Absent when nobody knows. */
  readonly totalBytes?: number;
}

/** The platform's RequestInit and progress. */
export interface RelayRequestInit extends RequestInit {
  /**
   * Called as the request's body leaves. In browsers the body is then sent by XMLHttpRequest, the only way to see
   * progress there, and the answer arrives whole rather than streamed. Ignored without a body. Default: none.
   */
  onUploadProgress?: (progress: Progress) => void;
  /** Called as pieces of the answer's body are opened. Default: none. */
  onDownloadProgress?: (progress: Progress) => void;
  /** Node: needed beside a stream as body, as in the platform's own fetch. */
  duplex?: 'half';
}

/** A request as a proxy has it; see {@link RelayForwarder.forward}. */
export interface ForwardRequest {
  /** As it is to arrive: methods are case-sensitive. */
  readonly method: string;
  /** Path and query as they are to arrive, beginning with "/"; or "*" for OPTIONS. The relay judges the path. */
  readonly target: string;
  /**
   * Field lines in order, one character per byte, up to 255 of them. Fields of the caller's own hop, `host` among them,
   * are the caller's to leave out; the relay drops them too. `content-length`, when it is there, must be true.
   */
  readonly headers: Fields;
  /** Content. Bytes can be sent again when that is safe; pieces are read once. Default: none. */
  readonly body?: Uint8Array | AsyncIterable<Uint8Array> | undefined;
  /**
   * Asked behind the end of the body. The relay forwards trailers of a streamed body when the field `trailer` has
   * announced them and no `content-length` is among the headers. Default: none.
   */
  readonly trailers?: (() => Fields) | undefined;
  /** Ends the request, or the answer's body, with its reason. Default: none. */
  readonly signal?: AbortSignal | undefined;
}

/** What the backend answered, or the relay in its own name (then with the field `mte-relay-failure`). */
export interface ForwardAnswer {
  readonly status: number;
  /** Field lines in order, names in lower case; every `set-cookie` among them outside of browsers. */
  readonly headers: Fields;
  /**
   * Content in its content coding, opened as it is asked for. Read it to its end, leave it early, or abort the signal.
   * Throws `response-truncated` or `response-unopenable` unless the answer is complete, also when it has no content.
   */
  readonly body: AsyncIterable<Bytes>;
  /** Known behind the end of the body; empty before. */
  readonly trailers: Fields;
}

/** Options of every client. */
export interface RelayClientOptions {
  /**
   * Public keys to trust, each `sha256-` and the base64 SHA-256 of the key, as `mte-relay-server identity` prints it;
   * give the present and the next one. Without pins the client trusts the key that it sees first, for its own life,
   * and says so in the console. Another key fails with `pin-mismatch`.
   */
  readonly pins?: readonly string[];
  /** Sends the outer requests; for an own agent, proxy or CA in Node. Default: the platform's fetch at call time. */
  readonly fetch?: typeof globalThis.fetch;
  /** Makes the outer WebSockets, for an own agent, proxy or CA in Node. Default: the platform's at call time. */
  readonly WebSocket?: typeof globalThis.WebSocket;
  /** How long a pairing may take, ms. Default 15,000; sensible 2,000 to 60,000. Past it: `unreachable`. */
  readonly pairingTimeoutMs?: number;
}

/** A session, as far as it may be seen. */
export interface SessionEvent {
  readonly lifetimeMs: number;
  readonly idleMs: number;
  readonly messageLimit: number;
  /** Pin of the relay's public key. */
  readonly pin: string;
}

/** Events of {@link RelayClientBase.on}. */
export interface RelayClientEvents {
  /** A session was made because a call needed one. */
  pair: SessionEvent;
  /** A session was made in the background to replace one that nears its end. */
  rekey: SessionEvent;
  /** A request is sent again, for this reason; nothing of it has run, or its method is idempotent. */
  resend: { readonly method: string; readonly url: string; readonly reason: string };
  /** A rekey in the background failed; the old session goes on, and the next call tries again. */
  error: unknown;
}

/** What every client of a relay has, whatever it is used for. */
export interface RelayClientBase {
  /** Makes a fresh session now, e.g. while a page loads, so that the first call need not wait for it. */
  readonly pair: () => Promise<void>;
  /**
   * Drops the sessions and their keys; answers under way may end, further calls fail with `closed`. WebSockets are closed
   * with 1001, EventSources fail.
   */
  readonly close: () => void;
  /** Listens; gives the function that ends it. */
  readonly on: <E extends keyof RelayClientEvents>(
    event: E,
    listener: (value: RelayClientEvents[E]) => void,
  ) => () => void;
}

/**
 * The platform's fetch, sealed: same arguments, same results, for URLs of the relay's origin. Works detached. A relative
 * URL is the page's own in pages and workers, as with fetch, and the relay's where there is no page.
 *
 * Unlike the platform's: `redirect: 'manual'` gives the 3xx response itself, with status and Location, not an opaque
 * one; `integrity` is refused; nothing is cached.
 * @throws RelayClientError (a TypeError) with a `code`; or the signal's own reason.
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
   * Unlike the platform's: its constructor throws RelayClientError `origin-not-relayed` or `closed`; an `error` event has
   * the reason as `error`; an end without a sealed close is never clean (1006); `bufferedAmount` counts 17 bytes more
   * for each frame of up to 64 KiB that is sealed already; a message of more than 64 MiB ends it.
   */
  readonly WebSocket: typeof globalThis.WebSocket;
  /**
   * The platform's EventSource, sealed: same interface, for URLs of the relay's origin.
   *
   * Unlike the platform's: its constructor throws RelayClientError `origin-not-relayed` or `closed`; an `error` event has
   * the reason as `error`. An event of more than 64 Mi characters ends it. Where fetch has no streams, events come when their answer
   * has ended.
   */
  readonly EventSource: typeof globalThis.EventSource;
}

/** A relay's client for proxies, of the entry `@mte-relay/client/forward`. */
export interface RelayForwarder extends RelayClientBase {
  /**
   * One request for a proxy, sealed and resent like those of fetch, of which nothing else is done: no URL is parsed, no
   * field is added, joined or left out, no redirect followed, no content coding undone; any method may have a body.
   * @throws RelayClientError with a `code`; what the body's source throws; or the signal's own reason.
   */
  readonly forward: (request: ForwardRequest) => Promise<ForwardAnswer>;
}
