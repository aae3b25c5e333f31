// The numbers of mte-relay/1. Constants of the specification come first and never change within the version. Limits of this
// implementation follow and may be set lower.

/** Names the protocol inside every derivation and prologue (SPEC §2). */
export const PROTOCOL_LABEL = 'mte-relay/1';
/** First byte of every pairing request and message (SPEC §3.2, §5.1). */
export const PROTOCOL_VERSION = 1;
/** X-Wing + AES-256-GCM + SHA-256, the only suite of version 1 (SPEC §2). */
export const SUITE_ID = 0x0001;
/** Noise protocol name, 30 bytes, zero-padded to the hash length when the handshake starts (SPEC §3.1). */
export const NOISE_PROTOCOL_NAME = 'Noise_pqNK_Xwing_AESGCM_SHA256';

export const KEY_ID_BYTES = 8; // SPEC §3.1: the first bytes of SHA-256(public key)
export const KEM_PUBLIC_KEY_BYTES = 1216; // X-Wing: ML-KEM-768 1184 ‖ X25519 32
export const KEM_CIPHERTEXT_BYTES = 1120; // X-Wing: ML-KEM-768 1088 ‖ X25519 32
export const KEM_SEED_BYTES = 32;
export const SECRET_BYTES = 32; // every symmetric key and HKDF secret
export const AEAD_TAG_BYTES = 16;
export const AEAD_NONCE_BYTES = 12;

export const SESSION_ID_BYTES = 16;
export const LINEAGE_BYTES = 16; // SPEC §3.4: names a line of claims
export const MESSAGE_NONCE_BYTES = 16;
export const MESSAGE_HEADER_BYTES = 42; // SPEC §5.1: version 1 ‖ type 1 ‖ sid 16 ‖ n 8 ‖ nonce 16
/** A sealed request and its response. */
export const MESSAGE_TYPE_EXCHANGE = 1;
/** Claims another message number of the session so that it can never run (SPEC §7). */
export const MESSAGE_TYPE_CANCEL = 2;
/** Opens a sealed WebSocket (SPEC §13). */
export const MESSAGE_TYPE_WEBSOCKET = 3;

/** The pairing flag of clients that keep cookie records, beside a jar key on the outer hop (SPEC §3.3, §9.4). */
export const FLAG_COOKIE_RECORDS = 1;
/** The pairing flag of clients that address the relay by https (SPEC §3.3). */
export const FLAG_HTTPS = 2;

/** Largest plaintext of one chunk; every receiver accepts this much (SPEC §5.3). */
export const CHUNK_PLAINTEXT_MAX_BYTES = 65_536;
export const CHUNK_CIPHERTEXT_MAX_BYTES: number = CHUNK_PLAINTEXT_MAX_BYTES + AEAD_TAG_BYTES;
/** Largest multiple to which either side is asked to pad its messages. */
export const PAD_TO_MAX_BYTES = 16_384;
/** Content that fills one chunk together with its length, which takes 4 bytes from 2^14 to 2^30 (SPEC §5.5). */
export const CONTENT_PIECE_MAX_BYTES: number = CHUNK_PLAINTEXT_MAX_BYTES - 4;
/** Most chunks under one message key (SPEC §8): 2^32 is far below the limits of the nonce counter and of AES-GCM. */
export const CHUNK_COUNT_MAX = 4_294_967_296;
/** Message numbers a session may lag behind its highest and still be accepted (SPEC §6). */
export const REPLAY_WINDOW = 1024;
/** Data of one sealed WebSocket frame: with its first byte, one chunk's plaintext (SPEC §13.3). */
export const WEBSOCKET_FRAME_DATA_MAX_BYTES = 65_535;
/** Most sealed WebSocket frames in one direction (SPEC §13.3). */
export const WEBSOCKET_FRAME_COUNT_MAX = 4_294_967_296;
/** Authority of a pairing request: host and optional port, ASCII (SPEC §3.2). */
export const AUTHORITY_MAX_BYTES = 255;

export const CONTENT_TYPE_MESSAGE = 'application/mte-relay';
export const CONTENT_TYPE_PAIRING = 'application/mte-relay-pairing';
export const PATH_DISCOVERY = '/api/mte-relay';
export const PATH_PAIR = '/api/mte-pair';
export const PATH_EXCHANGE = '/api/mte';
export const PATH_WEBSOCKET = '/api/mte-ws';
/** Subprotocol of the outer WebSocket (SPEC §13.1). */
export const WEBSOCKET_SUBPROTOCOL = 'mte-relay.1';
/** Inner request field that names a client across sessions (SPEC §3.5); base64url of the token. */
export const CLIENT_ID_FIELD = 'mte-relay-client-id';
/** Inner request field: when the message was sealed, in the relay's time, ms since 1970 (SPEC §7). */
export const SENT_FIELD = 'mte-relay-sent-ms';
/** Inner response field of `request-stale`: the relay's time, ms since 1970 (SPEC §7). */
export const TIME_FIELD = 'mte-relay-time-ms';
/** Inner request field of a browser's cookie records (SPEC §9.4). */
export const COOKIES_FIELD = 'mte-relay-cookies';
/** Inner request field of cookies that script has set (SPEC §9.4). */
export const SCRIPT_COOKIES_FIELD = 'mte-relay-script-cookies';
/** Inner response field of changes to a browser's cookie records (SPEC §9.4). */
export const SET_COOKIES_FIELD = 'mte-relay-set-cookies';
/** Inner response field of one cookie that script may read (SPEC §9.4). */
export const SCRIPT_COOKIE_FIELD = 'mte-relay-script-cookie';
/** The inner fields between client and relay, which neither app nor upstream sees. */
export const OWN_FIELDS: ReadonlySet<string> = new Set([
  CLIENT_ID_FIELD,
  SENT_FIELD,
  TIME_FIELD,
  COOKIES_FIELD,
  SCRIPT_COOKIES_FIELD,
  SET_COOKIES_FIELD,
  SCRIPT_COOKIE_FIELD,
]);
/** Most cookie records of one request; browsers keep as many cookies of a site (SPEC §9.4). */
export const COOKIE_RECORDS_MAX = 180;
/** Most characters of the records of one request, with the spaces between them (SPEC §9.4). */
export const COOKIE_RECORDS_MAX_CHARACTERS = 32_768;

// Implementation limits.

/** Messages that a client keeps in flight per session: half the window, so that no number falls out of it. */
export const IN_FLIGHT_MAX = 512;
/** Default bound on control data and fields of one Binary HTTP message, informational responses and trailers included. */
export const HEAD_MAX_BYTES = 65_536;
/** Default bound on field lines in one section. */
export const FIELD_COUNT_MAX = 256;
