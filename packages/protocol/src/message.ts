// One sealed request and the response bound to it (SPEC §5). First the client's half, SealedExchange, then the relay's,
// RequestOpener and ResponseSealer.
import {
  ChunkOpener,
  ChunkSealer,
  ChunkSplitter,
  chunkPrefix,
  FINAL_CHUNK_PREFIX,
  framedChunk,
  openChunks,
} from './chunks.ts';
import {
  AEAD_TAG_BYTES,
  MESSAGE_HEADER_BYTES,
  MESSAGE_NONCE_BYTES,
  MESSAGE_TYPE_CANCEL,
  MESSAGE_TYPE_EXCHANGE,
  type MESSAGE_TYPE_WEBSOCKET,
  PROTOCOL_VERSION,
  SESSION_ID_BYTES,
} from './constants.ts';
import { ProtocolError } from './errors.ts';
import { requestKey, responseKey } from './key-schedule.ts';
import type { ExpandKey, Suite, SyncAead, SyncExpandKey, SyncSuite } from './suite.ts';
import { type Bytes, concatBytes, readUint, writeUint } from './wire.ts';

/** The type of a message. */
export type MessageType = typeof MESSAGE_TYPE_EXCHANGE | typeof MESSAGE_TYPE_CANCEL | typeof MESSAGE_TYPE_WEBSOCKET;

/** The types that arrive by POST. */
const POSTED_TYPES: readonly MessageType[] = [MESSAGE_TYPE_EXCHANGE, MESSAGE_TYPE_CANCEL];

/** The 42 unsealed bytes before a sealed request. Both message keys are bound to them. */
export interface MessageHeader {
  readonly type: MessageType;
  readonly sid: Bytes;
  /** Message number; never an AEAD nonce. */
  readonly n: number;
  /** The header in its wire form. */
  readonly bytes: Bytes;
}

const TYPE_AT = 1;
const SID_AT = 2;
const N_AT = SID_AT + SESSION_ID_BYTES;
const NONCE_AT = N_AT + 8;

/** version 1 ‖ type 1 ‖ sid 16 ‖ n 8 ‖ nonce 16 */
export function encodeMessageHeader(type: MessageType, sid: Bytes, n: number, nonce: Bytes): Bytes {
  if (sid.length !== SESSION_ID_BYTES || nonce.length !== MESSAGE_NONCE_BYTES) {
    throw new ProtocolError('misuse', `sid and nonce expected 16 bytes each, got ${sid.length} and ${nonce.length}`);
  }
  const bytes = new Uint8Array(MESSAGE_HEADER_BYTES);
  bytes[0] = PROTOCOL_VERSION;
  bytes[TYPE_AT] = type;
  bytes.set(sid, SID_AT);
  writeUint(bytes, N_AT, 8, n);
  bytes.set(nonce, NONCE_AT);
  return bytes;
}

/**
 * Reads the header of a message that starts with these bytes.
 * @param accepted types that may arrive this way. Default: those of a POST.
 * @throws ProtocolError `truncated`, `version-unsupported`, `malformed`.
 */
export function parseMessageHeader(message: Bytes, accepted: readonly MessageType[] = POSTED_TYPES): MessageHeader {
  if (message.length > 0 && message[0] !== PROTOCOL_VERSION) {
    throw new ProtocolError('version-unsupported', `protocol version ${message[0]}, expected ${PROTOCOL_VERSION}`);
  }
  if (message.length < MESSAGE_HEADER_BYTES) {
    throw new ProtocolError('truncated', `message header ended at byte ${message.length} of ${MESSAGE_HEADER_BYTES}`);
  }
  const type = message[TYPE_AT] as MessageType;
  if (!accepted.includes(type)) throw new ProtocolError('malformed', `message type ${type} is not accepted here`);
  const bytes = message.subarray(0, MESSAGE_HEADER_BYTES);
  return { type, sid: bytes.subarray(SID_AT, N_AT), n: readUint(bytes, N_AT, 8), bytes };
}

// ---- Client ------------------------------------------------------------------------------------------------

/** The client's keys of a session. */
export interface ClientKeys {
  readonly sid: Bytes;
  readonly requestSecret: ExpandKey;
  readonly responseSecret: ExpandKey;
}

/** One request of a client. Only this object can open its response. */
export class SealedExchange {
  /** The message header: the first bytes to send. */
  readonly header: Bytes;
  readonly #sealer: ChunkSealer;
  readonly #responseSecret: ExpandKey;

  private constructor(header: Bytes, sealer: ChunkSealer, responseSecret: ExpandKey) {
    this.header = header;
    this.#sealer = sealer;
    this.#responseSecret = responseSecret;
  }

  /** Begins the message with number `n`, which the caller has never used in this session. */
  static async begin(suite: Suite, keys: ClientKeys, type: MessageType, n: number): Promise<SealedExchange> {
    const header = encodeMessageHeader(type, keys.sid, n, suite.randomBytes(MESSAGE_NONCE_BYTES));
    const sealer = new ChunkSealer(await requestKey(keys.requestSecret, header));
    return new SealedExchange(header, sealer, keys.responseSecret);
  }

  /** Seals and frames 1 to 65,536 bytes. */
  async seal(plaintext: Bytes): Promise<Bytes> {
    return framedChunk(await this.#sealer.seal(plaintext));
  }

  /** Takes the place of the next chunk: seals and frames it later, once, while those after it are sealed already. */
  reserve(): (plaintext: Bytes) => Promise<Bytes> {
    const seal = this.#sealer.reserve();
    return async (plaintext) => framedChunk(await seal(plaintext));
  }

  /** Seals and frames the last 0 to 65,536 bytes. */
  async sealFinal(plaintext: Bytes): Promise<Bytes> {
    return concatBytes([FINAL_CHUNK_PREFIX, await this.#sealer.sealFinal(plaintext)]);
  }

  /**
   * Opens the response to this request, from bytes split anywhere. Ends only after the final chunk has opened.
   * Throws `truncated`, `unopenable`, `too-large`, `malformed`.
   */
  async *openResponse(source: AsyncIterable<Bytes>): AsyncGenerator<Bytes, void, undefined> {
    const { head, rest } = await takeExactly(source, MESSAGE_NONCE_BYTES);
    yield* openChunks(new ChunkOpener(await responseKey(this.#responseSecret, this.header, head)), rest);
  }
}

/** A generator is its own iterator, even in Hermes, which lacks Symbol.asyncIterator. */
function iteratorOf<T>(source: AsyncIterable<T>): AsyncIterator<T> {
  return 'next' in source ? (source as AsyncIterable<T> & AsyncIterator<T>) : source[Symbol.asyncIterator]();
}

/** The first `length` bytes of a stream, and the rest of it. */
async function takeExactly(
  source: AsyncIterable<Bytes>,
  length: number,
): Promise<{ head: Bytes; rest: AsyncIterable<Bytes> }> {
  const iterator = iteratorOf(source);
  let received: Bytes = new Uint8Array(0);
  while (received.length < length) {
    const next = await iterator.next();
    if (next.done) {
      throw new ProtocolError('truncated', `response ended at byte ${received.length} of its ${length}-byte nonce`);
    }
    received = concatBytes([received, next.value]);
  }
  async function* rest(): AsyncGenerator<Bytes, void, undefined> {
    try {
      yield received.subarray(length);
      for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
    } finally {
      await iterator.return?.();
    }
  }
  return { head: received.subarray(0, length), rest: rest() };
}

// ---- Relay -------------------------------------------------------------------------------------------------

/** Opens one request, synchronously: push received bytes, take all complete chunks, and end. */
export class RequestOpener {
  readonly #opener: ChunkOpener<SyncAead>;
  readonly #splitter = new ChunkSplitter();

  constructor(requestSecret: SyncExpandKey, header: MessageHeader) {
    this.#opener = new ChunkOpener(requestKey(requestSecret, header.bytes));
  }

  /** Adds bytes that follow the header. */
  push(bytes: Bytes): void {
    this.#splitter.push(bytes);
  }

  /** The next chunk's plaintext, or undefined until more has arrived. Throws `unopenable`, `too-large`, `malformed`. */
  next(): Bytes | undefined {
    const ciphertext = this.#splitter.next();
    return ciphertext && this.#opener.open(ciphertext);
  }

  /** The final chunk's plaintext. Throws `truncated`, `unopenable`. */
  end(): Bytes {
    return this.#opener.openFinal(this.#splitter.end());
  }
}

/** Seals the response to one request, synchronously. Every method returns bytes to send, in order. */
export class ResponseSealer {
  readonly #sealer: ChunkSealer<SyncAead>;
  /** The response nonce until it has been sent. */
  #nonce: Bytes | undefined;

  constructor(suite: SyncSuite, responseSecret: SyncExpandKey, requestHeader: MessageHeader) {
    this.#nonce = suite.randomBytes(MESSAGE_NONCE_BYTES);
    this.#sealer = new ChunkSealer(responseKey(responseSecret, requestHeader.bytes, this.#nonce));
  }

  /** Seals 1 to 65,536 bytes as one chunk. */
  seal(plaintext: Bytes): Bytes {
    const ciphertext = this.#sealer.seal(plaintext);
    return this.#withNonce(chunkPrefix(ciphertext.length), ciphertext);
  }

  /** Seals the last 0 to 65,536 bytes, which completes the response. */
  sealFinal(plaintext: Bytes): Bytes {
    return this.#withNonce(FINAL_CHUNK_PREFIX, this.#sealer.sealFinal(plaintext));
  }

  #withNonce(prefix: Bytes, ciphertext: Bytes): Bytes {
    const parts = this.#nonce ? [this.#nonce, prefix, ciphertext] : [prefix, ciphertext];
    this.#nonce = undefined;
    return concatBytes(parts);
  }
}

/** Bytes that sealing adds to the Binary HTTP of a one-chunk response. */
export const SINGLE_CHUNK_OVERHEAD_BYTES: number = MESSAGE_NONCE_BYTES + FINAL_CHUNK_PREFIX.length + AEAD_TAG_BYTES;

// ---- Cancel ------------------------------------------------------------------------------------------------

/** Result of a cancel: the number was free and is now claimed, so its message never ran and never will. */
export const CANCEL_RESULT_CANCELLED = 0;
/** Result of a cancel: the number was claimed before, or is too old to tell, so its message may have run. */
export const CANCEL_RESULT_CLAIMED = 1;

/** Plaintext of a cancel: the number to claim, 8 bytes. */
export function encodeCancel(n: number): Bytes {
  const bytes = new Uint8Array(8);
  writeUint(bytes, 0, 8, n);
  return bytes;
}

/** Reads a cancel's plaintext. Throws `malformed`. */
export function decodeCancel(plaintext: Bytes): number {
  if (plaintext.length !== 8) throw new ProtocolError('malformed', `cancel expected 8 bytes, got ${plaintext.length}`);
  return readUint(plaintext, 0, 8);
}

/** Plaintext of the response to a cancel: the cancelled number and the result, 9 bytes. */
export function encodeCancelResult(n: number, cancelled: boolean): Bytes {
  return concatBytes([encodeCancel(n), Uint8Array.of(cancelled ? CANCEL_RESULT_CANCELLED : CANCEL_RESULT_CLAIMED)]);
}

/** Reads the response to a cancel. True only for "cancelled" of this number. Throws `malformed`. */
export function decodeCancelResult(plaintext: Bytes, n: number): boolean {
  const result = plaintext[8];
  if (plaintext.length !== 9 || (result !== CANCEL_RESULT_CANCELLED && result !== CANCEL_RESULT_CLAIMED)) {
    throw new ProtocolError('malformed', 'cancel result does not have its layout');
  }
  if (readUint(plaintext, 0, 8) !== n) {
    throw new ProtocolError('malformed', 'cancel result names another message number');
  }
  return result === CANCEL_RESULT_CANCELLED;
}
