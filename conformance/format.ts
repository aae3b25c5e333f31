// The shapes of the files in vectors/, shared by the generator and the test. Bytes are lower-case hex.
import { type Bytes, hex, join, unhex } from './twin/bytes.ts';
import type { BOUNDS, Call, End, Outcome } from './twin/client.ts';
import type { Cookie, JarKey, Kept } from './twin/cookies.ts';
import { hash } from './twin/primitives.ts';
import type { FailureClass } from './twin/refused.ts';
import type { Step, StepResult } from './twin/relay.ts';
import type { SessionEvent, StoreClaimFacts } from './twin/session.ts';

export interface IdentityVectors {
  identities: { name: string; clientIdSecret: string; seed: string; publicKey: string; keyId: string; pin: string }[];
  clientIds: {
    name: string;
    clientIdSecret: string;
    id: string;
    expiryUnixMs: number;
    clientId: string;
    fieldValue: string;
  }[];
}

export interface PairingCase {
  name: string;
  relaySeed: string;
  relayPublicKey: string;
  authority: string;
  flags: number;
  /** X-Wing randomness of the encapsulation to the relay: ML-KEM 32 ‖ X25519 32. */
  staticRandomness: string;
  /** X-Wing seed of the client's ephemeral key. */
  ephemeralSeed: string;
  /** X-Wing randomness of the encapsulation to the ephemeral key. */
  ephemeralRandomness: string;
  parameters: ParametersJson;
  parameterBytes: string;
  request: string;
  reply: string;
  /** The same with three more bytes behind the known parameters, which a client ignores. */
  replyWithUnknownFields: string;
  /** h and ck behind each step of SPEC §4. */
  trace: { step: string; h: string; ck: string }[];
  k1: string;
  k2: string;
  requestSecret: string;
  responseSecret: string;
  exporter: string;
}

export interface ParametersJson {
  sid: string;
  lifetimeMs: number;
  idleMs: number;
  messageLimit: number;
  window: number;
  requestBodyMaxBytes: number;
  storeEpochMs: number;
  storeAgeMs: number;
  /** 16 bytes, hex. */
  lineage: string;
  relayTimeMs: number;
  messageAgeMaxMs: number;
  padToBytes: number;
  clientId: string;
  cookiesFromScript: string[];
}

/** A refused input: `input` as it is, or the base's bytes after each of the mutations. */
export interface RefusedCase {
  name: string;
  /** The side that refuses. */
  side: 'relay' | 'client';
  /** The case whose keys, and whose bytes when there is no `input`, this one takes. */
  base: string;
  input?: string;
  mutation?: Mutation;
  expect: FailureClass;
}

/**
 * One input for each position `from`, `from + step`, … up to `to`, both included.
 * truncate: keep that many bytes. flip: xor that byte with `mask`. replace: overwrite from there with `bytes`.
 */
export type Mutation =
  | { op: 'truncate'; from: number; to: number; step: number }
  | { op: 'flip'; from: number; to: number; step: number; mask: number }
  | { op: 'replace'; at: number; bytes: string };

/** Hex, or `pattern`: that many bytes, byte i being i mod 251. */
export type Plaintext = string | { pattern: number };
/** Hex, or what is known of it when it is long. */
export type Output = string | { bytes: number; sha256: string };

export interface MessageCase {
  name: string;
  type: 1 | 2;
  n: number;
  nonce: string;
  /** The final chunk's is the last. */
  requestPlaintexts: Plaintext[];
  header: string;
  requestKey: string;
  request: Output;
  responseNonce: string;
  responsePlaintexts: Plaintext[];
  responseKey: string;
  response: Output;
}

export interface MessageVectors {
  session: { sid: string; requestSecret: string; responseSecret: string };
  cases: MessageCase[];
  cancels: { name: string; n: number; plaintext: string; cancelled: string; claimed: string }[];
}

export interface MessageRefusedVectors {
  cases: RefusedCase[];
  /** Opened plaintexts of cancels (relay) and their results (client, for number `n`). */
  cancels: { name: string; side: 'relay' | 'client'; n: number; plaintext: string; expect: FailureClass }[];
}

export interface BhttpCase {
  name: string;
  kind: 'request' | 'response';
  /** Whether an encoder gives exactly these bytes, and how; `decode`: only a decoder meets them. */
  form: 'known' | 'indeterminate' | 'decode';
  method?: string;
  scheme?: string;
  authority?: string;
  path?: string;
  informational?: { status: number; headers: [string, string][] }[];
  status?: number;
  headers: [string, string][];
  content: string;
  /** Lengths of the pieces that the content is sent in, for the indeterminate form. */
  pieces?: number[];
  trailers: [string, string][];
  padToMultiple?: number;
  encoded: string;
}

export interface BhttpRefusedCase {
  name: string;
  kind: 'request' | 'response';
  encoded: string;
  expect: FailureClass;
}

export interface WindowCase {
  name: string;
  claims: [n: number, result: 'fresh' | 'seen' | 'stale'][];
}

/** A script of messages in one session of a relay, from its pairing on. */
export interface RelayStateCase {
  name: string;
  /** `lifetimes`: a relay whose sessions do not end gives another result. */
  needs?: 'lifetimes';
  /** Each with what the relay makes of it; `wait` has no result. */
  steps: (Step & { result?: StepResult | undefined })[];
}

/** A call of a client, what it gets of each of its outer messages, and what it does. */
export interface ClientCallCase {
  name: string;
  call: Call;
  /** In the order of the outer messages. Behind the last one everything arrives. */
  way: Outcome[];
  /** Outer messages: "exchange S.N", "cancel S.N of N", "pair"; S counts the sessions, N is the number. */
  sends: string[];
  end: End;
  /** Cancels in the background, behind the end. */
  afterwards: string[];
  /** How often the relay has run the request. */
  runs: number;
}

/** A session of a client over time, without a socket. */
export interface SessionCase {
  name: string;
  parameters: { lifetimeMs: number; idleMs: number; messageLimit: number; window: number };
  events: SessionEvent[];
}

/** What a new session proves of one that the relay does not know any more. */
export interface LineageCase {
  name: string;
  old: StoreClaimFacts;
  new: StoreClaimFacts & { storeAgeMs: number };
  /** From before the first byte of the first attempt until the reply of the new pairing, by each clock. */
  sinceFirstSentMs: { monotonic: number; wall: number };
  provesLost: boolean;
}

/** The time that a request states. */
export interface SentTimeCase {
  name: string;
  relayTimeMs: number;
  /** Since that was stated, by each clock of the client. */
  passedMs: { monotonic: number; wall: number };
  sentMs: number;
}

/** The files of state machines by name. */
export interface StateVectors {
  'relay-states': {
    parameters: { lifetimeMs: number; idleMs: number; messageLimit: number; messageAgeMaxMs: number };
    cases: RelayStateCase[];
  };
  'client-calls': { bounds: typeof BOUNDS; cases: ClientCallCase[] };
  'client-sessions': { sessions: SessionCase[]; lineages: LineageCase[]; sentTimes: SentTimeCase[] };
}

/** A frame of a WebSocket. Text and close reasons are hex of their UTF-8. */
export interface FrameJson {
  kind: 'text' | 'binary' | 'more' | 'ping' | 'pong' | 'close';
  /** Of `text`, `binary` and `more`. */
  final?: boolean;
  data?: Plaintext;
  /** Of `close`; neither when it has no code. */
  code?: number;
  reason?: string;
}

export interface SealedFrameCase {
  frame: FrameJson;
  sealed: Output;
}

export interface WebSocketCase {
  name: string;
  n: number;
  nonce: string;
  header: string;
  /** Binary HTTP. */
  request: string;
  opening: string;
  responseNonce: string;
  /** Binary HTTP. */
  response: string;
  answer: string;
  clientFrameKey: string;
  relayFrameKey: string;
  clientFrames: SealedFrameCase[];
  relayFrames: SealedFrameCase[];
}

export interface WebSocketVectors {
  session: MessageVectors['session'];
  cases: WebSocketCase[];
}

export interface WebSocketRefusedVectors {
  /** Opening messages (relay) and responses (client). */
  openings: RefusedCase[];
  /** The input where frame number `at` of its direction is due. */
  frames: { name: string; side: 'relay' | 'client'; base: string; at: number; input: string; expect: FailureClass }[];
  /** Opened frames of one direction in order; the last is refused. */
  plaintexts: { name: string; plaintexts: Plaintext[]; expect: FailureClass }[];
}

/** An outer cookie field with jar keys. */
export interface JarKeysCase {
  name: string;
  /** The outer field `cookie`. */
  field: string;
  /** Flag bit 1 of the pairing. */
  https: boolean;
  kept?: JarKeyJson;
  session?: JarKeyJson;
}

export type JarKeyJson = Omit<JarKey, 'jar'> & { jar: string };

/** Values of the jar keys that a browser shows. */
export interface JarKeyValues {
  kept?: string;
  session?: string;
}

/** A cookie as a record. Texts have one character per byte. */
export interface CookieRecordCase {
  name: string;
  clientIdSecret: string;
  /** The first 16 bytes of the client id. */
  id: string;
  jarKeys: Required<JarKeyValues>;
  nonce: string;
  cookie: Cookie;
  cookieBytes: string;
  key: string;
  record: string;
  recordId: string;
}

/** A record that must not open: `record` as it is, or the base's bytes after each of the mutations. */
export interface CookieRefusedCase {
  name: string;
  /** The case whose secret, client and jar keys this one takes, except for those that are given here. */
  base: string;
  record?: string;
  mutation?: Mutation;
  clientIdSecret?: string;
  id?: string;
  jarKeys?: JarKeyValues;
}

/** What a client keeps of a response. */
export interface CookieItemsCase {
  name: string;
  /** The field `mte-relay-set-cookies` of an earlier response. All records of it are in the request, in their order. */
  before: string;
  /** That of the response to another request, without records, which arrives while the request is in progress. */
  meanwhile?: string;
  /** That of the response to the request. */
  items: string;
  /** All records afterwards, the one set longest ago first. */
  kept: Kept[];
}

export interface CookieVectors {
  jarKeys: JarKeysCase[];
  records: CookieRecordCase[];
  refused: CookieRefusedCase[];
  items: CookieItemsCase[];
}

/** The bytes of a plaintext. */
export function plaintextBytes(plaintext: Plaintext): Bytes {
  if (typeof plaintext === 'string') return unhex(plaintext);
  return Uint8Array.from({ length: plaintext.pattern }, (_, i) => i % 251);
}

const OUTPUT_HEX_MAX_BYTES = 2048;

/** How an output stands in a file. */
export function outputOf(bytes: Bytes): Output {
  return bytes.length <= OUTPUT_HEX_MAX_BYTES ? hex(bytes) : { bytes: bytes.length, sha256: hex(hash(bytes)) };
}

/** The inputs that a refused case stands for: all, or up to this many spread over its range, both ends among them. */
export function refusedInputs(
  refused: Pick<RefusedCase, 'name' | 'input' | 'mutation'>,
  baseBytes: Bytes,
  inputsMax = Number.POSITIVE_INFINITY,
): Bytes[] {
  if (refused.input !== undefined) return [unhex(refused.input)];
  const mutation = refused.mutation;
  if (!mutation) throw new Error(`${refused.name}: neither input nor mutation`);
  if (mutation.op === 'replace') {
    const bytes = unhex(mutation.bytes);
    return [join(baseBytes.subarray(0, mutation.at), bytes, baseBytes.subarray(mutation.at + bytes.length))];
  }
  return positions(mutation, inputsMax).map((at) => {
    if (mutation.op === 'truncate') return baseBytes.slice(0, at);
    return baseBytes.map((byte, i) => (i === at ? byte ^ mutation.mask : byte));
  });
}

function positions({ from, to, step }: { from: number; to: number; step: number }, countMax: number): number[] {
  const count = Math.floor((to - from) / step) + 1;
  const taken = Math.min(count, countMax);
  return Array.from({ length: taken }, (_, i) => {
    const index = taken === count ? i : Math.round((i * (count - 1)) / (taken - 1));
    return from + index * step;
  });
}
