// Every limit of the relay that is not a setting, by what it bounds. This file is the ground floor: it imports nothing
// of the relay, so every other file may import it.
import { KEM_CIPHERTEXT_BYTES, KEM_PUBLIC_KEY_BYTES } from '@mte-relay/protocol';

// Clients.

/** Longest pairing request (SPEC §3.2): both KEM parts, the longest authority, and small fields with room to spare. */
export const PAIRING_REQUEST_MAX_BYTES: number = KEM_CIPHERTEXT_BYTES + KEM_PUBLIC_KEY_BYTES + 512;
/**
 * Bytes of a request that the relay reads and discards after it has responded: to close on unread bytes resets the
 * connection, and a reset can overtake the response (RFC 9112 §9.6).
 */
export const DISCARDED_MAX_BYTES = 67_108_864;
/** How long the relay discards the rest of such a request; CLIENT_IDLE_TIMEOUT_MS applies too. */
export const DISCARDING_MAX_MS = 30_000;
/** Requests of one connection that wait for the response before them: more than any client pipelines. */
export const PIPELINED_MAX = 100;
/** How often node:http checks for heads that take too long, at most: a client is cut off this much after its time. */
export const HEAD_CHECK_MS = 5_000;
/** Fragments of one outer WebSocket message: more than any intermediary has a reason to make. */
export const OUTER_FRAGMENTS_MAX = 128;
/**
 * Reads of a connection in which one outer WebSocket message may arrive, 16 bytes each on average for the longest one:
 * until it is complete, each takes an object.
 */
export const OUTER_PIECES_MAX = 4_096;
/** Addresses of `X-Forwarded-For` that are read, nearest first: more than any chain of proxies adds. */
export const FORWARDED_ADDRESSES_MAX = 32;
/** Client addresses whose pairing rate is remembered; beyond it the one that asked longest ago is forgotten. */
export const ADDRESSES_MAX = 50_000;
/** Names of request fields about which the relay remembers whether they name a caller: those of its apps. */
export const FIELD_NAMES_DECIDED_MAX = 512;
/** Longest such name. */
export const FIELD_NAME_DECIDED_CHARACTERS = 64;
/** Longest name and value of a cookie: browsers silently drop a longer one (RFC 6265bis §5.7). */
export const COOKIE_MAX_BYTES = 4_096;
/** Longest attribute of a cookie: browsers ignore a longer one (RFC 6265bis §5.6). */
export const COOKIE_ATTRIBUTE_MAX_BYTES = 1_024;
/** Longest default path of a cookie, which is the path of a request: such a path has no attribute's bound. */
export const COOKIE_PATH_MAX_BYTES = 8_192;
/** How long a cookie, and a jar key, is kept at most (RFC 6265bis §5.5). */
export const COOKIE_LIFETIME_MAX_MS: number = 400 * 24 * 60 * 60 * 1_000;
/** Characters of records that a session keeps opened, so that a page with ten cookies does not open ten per request. */
export const COOKIES_OPENED_MAX_CHARACTERS = 4_096;
/** Names of cookies that the log names once per domain: they come from anybody. */
export const COOKIES_NAMED_MAX = 100;
/** Characters of such a name that the log shows. */
export const COOKIE_NAME_SHOWN_CHARACTERS = 64;
/** How long a signed client id is valid: a client whose id has expired takes that of its session (SPEC §3.5). */
export const CLIENT_ID_LIFETIME_MS: number = 30 * 24 * 60 * 60 * 1_000;
/** The relay renews a client id that is older than this (SPEC §3.5). */
export const CLIENT_ID_RENEWED_AFTER_MS: number = 24 * 60 * 60 * 1_000;
/** How long a browser may cache a preflight: browsers cap Access-Control-Max-Age at this. */
export const PREFLIGHT_MAX_AGE_SECONDS = 7_200;
/** How long a cache may serve an old discovery document (SPEC §9.1) or old scripts of the client. */
export const PUBLIC_MAX_AGE_SECONDS = 300;
/** Seconds after which a refused client may retry, unless the relay knows better; few, because a refusal is cheap. */
export const RETRY_AFTER_SECONDS = 2;

// Clients and upstreams alike.

/** Bytes that wait for the slower side before the relay stops reading from the other one: four chunks. */
export const BUFFERED_MAX_BYTES = 262_144;
/** Shorter pieces are copied together: a copy costs less than an object of its own. */
export const SMALL_PIECE_BYTES = 2_048;
/** How long a piece of joined ones becomes before it is passed on within a turn of the event loop. */
export const JOINED_MAX_BYTES = 16_384;
/** An announced body of at most this many bytes is not joined: its pieces are few, and nearly every body is so small. */
export const NOT_JOINED_BYTES = 16_384;
/** Small pieces that one source may send before the relay asks how fast they came. */
export const PACED_PIECES = 256;
/** The share of the relay's time that goes to small pieces beyond that. */
export const PACED_SHARE = 0.25;
/** Longest wait of one source: many times less than CLIENT_IDLE_TIMEOUT_MS, so that pacing ends no upload. */
export const PACED_WAIT_MAX_MS = 2_000;
/** Messages of a WebSocket that wait for the slower side, however short: each takes many times a byte. */
export const MESSAGES_WAITING_MAX = 1_024;
/** How long the other side of a WebSocket may take to respond to a close frame (RFC 6455 §7.1.1). */
export const CLOSE_TIMEOUT_MS = 5_000;

// Upstreams.

/** Bytes per read of a connection, on average, in which a message of the upstream's WebSocket may arrive at least. */
export const UPSTREAM_PIECE_MIN_BYTES = 512;
/** Longest response body that is buffered until it is whole: with its head it then fits one chunk (SPEC §13.2). */
export const WHOLE_BODY_MAX_BYTES = 49_152;
/** Informational responses of one exchange that the relay keeps for the client; it drops the others. */
export const INFORMATIONAL_MAX = 16;
/** Bytes of the fields of those responses: a client bounds them and the response's head together. */
export const INFORMATIONAL_MAX_BYTES = 16_384;
/** Informational responses before a final one, at most: each of them renews the upstream's time. */
export const INFORMATIONAL_RECEIVED_MAX = 100;
/** Longest head of a `100 Continue` that the relay leaves out: it rarely has a field. */
export const CONTINUE_MAX_BYTES = 16_384;
/** TCP keep-alive of connections outside the pool, so that a vanished upstream is noticed within minutes. */
export const TCP_KEEP_ALIVE_DELAY_MS = 60_000;

// Session stores.

/** How long sessions live. */
export interface SessionLifetimes {
  readonly idleMs: number;
  readonly absoluteMs: number;
  /** Until the first message has opened. */
  readonly unconfirmedMs: number;
  readonly messageLimit: number;
}

/** The lifetimes of SPEC §7, which the reply to a pairing announces. */
export const SESSION_LIFETIMES: SessionLifetimes = {
  idleMs: 15 * 60_000,
  absoluteMs: 60 * 60_000,
  unconfirmedMs: 30_000,
  messageLimit: 2 ** 20,
};

/** How long one call of an operator's store may take: what waits for it counts against EXCHANGES_MAX. */
export const STORE_TIMEOUT_MS = 10_000;
/** How often the memory store looks for sessions whose time is over. */
export const SWEEP_EVERY_MS = 10_000;
/** Pause of a full memory store between two sweeps, per session: many times as long as looking at one takes. */
export const SWEEP_PAUSE_PER_SESSION_MS = 0.01;
/** How long a relay keeps the secrets of a session of Redis in its own memory, used or not. */
export const SESSION_CACHED_MS = 60_000;

// Redis.

/** How often the store asks Redis whether it responds, and which line of writes it continues. */
export const HEARTBEAT_MS = 1_000;
/**
 * How long a master that its replicas have left may go on accepting claims: min-replicas-max-lag (10 s unless set) and
 * a margin. During that time a new master vouches for nothing.
 */
export const FENCE_MS = 30_000;
/** Commands without a reply at once; the store refuses one more, because a queue beyond it only grows. */
export const COMMANDS_WAITING_MAX = 20_000;
/** Silence of this many timeouts, with commands waiting, makes a connection suspect. */
export const SILENT_TIMEOUTS = 2;
/** Silence of a whole cluster: between two heartbeats, commands may concern one node that hangs and no other. */
export const CLUSTER_SILENT_MS = 3_000;
/** Pause before the first reconnection to Redis; each further one takes twice as long. */
export const RECONNECT_MIN_MS = 50;
/** Longest pause before a reconnection, so that a Redis that is reachable again is used within a second. */
export const RECONNECT_MAX_MS = 1_000;
/** How often the sentinels are asked whether they still name the same master. */
export const SENTINEL_POLL_MS = 1_000;
/** Redirections that one command follows: one for a slot that moved, and some more while it is moving. */
export const CLUSTER_REDIRECTIONS_MAX = 4;
/** Nodes of a cluster that one greeting tries, while those before do not respond. */
export const NODES_TRIED_MAX = 4;

// The operator's own code and port.

/** How long a module, a settings adapter or the onRequest hook may take: what waits for it is not served. */
export const ADAPTER_TIMEOUT_MS = 60_000;
/** Aliases that a YAML file may use: a few that refer to each other could expand to more than memory holds. */
export const YAML_ALIASES_MAX = 100;
/** Characters of a refused value in the report of a configuration: enough to find it. */
export const VALUE_SHOWN_MAX_CHARACTERS = 200;
/** Characters of an error's message in that report, which has one line per problem. */
export const MESSAGE_SHOWN_MAX_CHARACTERS = 300;
/** Connections to ADMIN_PORT: probes and scrapers are few. */
export const ADMIN_CONNECTIONS_MAX = 200;
/** How long a request to ADMIN_PORT may take to arrive: it has no body. */
export const ADMIN_TIMEOUT_MS = 10_000;
/** How long a connection to ADMIN_PORT may be idle: scrapers keep theirs from one scrape to the next. */
export const ADMIN_IDLE_TIMEOUT_MS = 60_000;

// The process and its log.

/** Bytes of log lines that wait for a slow reader, such as a collector that hangs; the relay drops and counts more. */
export const LOG_WAITING_MAX_BYTES = 16_777_216;
/** Stack frames of a logged error, innermost first. */
export const FRAMES_MAX = 8;
/** Causes of a logged error, each the cause of the one before: a chain may lead back to its beginning. */
export const CAUSES_MAX = 3;
/** Spans in one request to the collector: the default of OpenTelemetry's OTEL_BSP_MAX_EXPORT_BATCH_SIZE. */
export const SPANS_PER_EXPORT_MAX = 512;
/** How long the last spans may take to be exported: they are not worth a longer shutdown. */
export const TRACES_SHUTDOWN_MS = 3_000;
/** How often a closing relay checks what another server still has in progress. */
export const IN_PROGRESS_POLL_MS = 10;
/** How long a process that has finished may take to exit by itself, and its last log lines to be written. */
export const EXIT_MS = 1_000;
