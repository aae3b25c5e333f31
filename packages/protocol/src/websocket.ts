// One sealed WebSocket (SPEC §13): its opening message and the response, then one sealed frame per outer message. First the
// client's half, SealedWebSocket, then the relay's, WebSocketAcceptor, then the frames, which both sides seal and open alike.
// The sockets themselves are elsewhere.
import { ChunkOpener, ChunkSealer, FINAL_CHUNK_PREFIX } from './chunks.ts';
import {
  CHUNK_CIPHERTEXT_MAX_BYTES,
  MESSAGE_HEADER_BYTES,
  MESSAGE_NONCE_BYTES,
  MESSAGE_TYPE_WEBSOCKET,
  WEBSOCKET_FRAME_COUNT_MAX,
  WEBSOCKET_FRAME_DATA_MAX_BYTES,
} from './constants.ts';
import { NonceCounter } from './crypto/aead-nonce.ts';
import { ProtocolError } from './errors.ts';
import { requestKey, responseKey, webSocketRequestKey, webSocketResponseKey } from './key-schedule.ts';
import { type ClientKeys, encodeMessageHeader, type MessageHeader, parseMessageHeader } from './message.ts';
import type { Aead, Suite, SyncAead, SyncExpandKey, SyncSuite } from './suite.ts';
import { asciiBytes, type Bytes, concatBytes, emptyBytes, readUint, utf8Text, writeUint } from './wire.ts';

/** Longest outer message of a sealed WebSocket: the longest opening message. */
export const WEBSOCKET_OUTER_MESSAGE_MAX_BYTES: number =
  MESSAGE_HEADER_BYTES + FINAL_CHUNK_PREFIX.length + CHUNK_CIPHERTEXT_MAX_BYTES;

/** Seals one direction of an open WebSocket and opens the other. */
export interface WebSocketKeys<A extends Aead = Aead> {
  readonly sealer: FrameSealer<A>;
  readonly opener: FrameOpener<A>;
}

// ---- Client ------------------------------------------------------------------------------------------------

/** The opening of a client's WebSocket. Only this object can open the response. */
export class SealedWebSocket {
  /** The message header, to which all keys of this WebSocket are bound. */
  readonly header: Bytes;
  readonly #keys: ClientKeys;

  /** Begins the message with number `n`, which the caller has never used in this session. */
  constructor(suite: Suite, keys: ClientKeys, n: number) {
    this.header = encodeMessageHeader(MESSAGE_TYPE_WEBSOCKET, keys.sid, n, suite.randomBytes(MESSAGE_NONCE_BYTES));
    this.#keys = keys;
  }

  /** The first outer message. @param request Binary HTTP, at most 65,536 bytes. */
  async sealRequest(request: Bytes): Promise<Bytes> {
    const sealer = new ChunkSealer(await requestKey(this.#keys.requestSecret, this.header));
    return concatBytes([this.header, FINAL_CHUNK_PREFIX, await sealer.sealFinal(request)]);
  }

  /**
   * Opens the relay's first outer message: returns the Binary HTTP response, and the sealer and opener of the frames that
   * follow a status 200. Throws `truncated`, `unopenable`, `malformed`.
   */
  async openResponse(message: Bytes): Promise<{ response: Bytes } & WebSocketKeys> {
    if (message.length < MESSAGE_NONCE_BYTES) {
      throw new ProtocolError('truncated', `response ended at byte ${message.length} of its nonce`);
    }
    const nonce = message.subarray(0, MESSAGE_NONCE_BYTES);
    const { requestSecret, responseSecret } = this.#keys;
    const opener = new ChunkOpener(await responseKey(responseSecret, this.header, nonce));
    const response = await opener.openFinal(onlyChunk(message, MESSAGE_NONCE_BYTES));
    return {
      response,
      sealer: new FrameSealer(await webSocketRequestKey(requestSecret, this.header, nonce)),
      opener: new FrameOpener(await webSocketResponseKey(responseSecret, this.header, nonce)),
    };
  }
}

// ---- Relay -------------------------------------------------------------------------------------------------

/** Reads the header of an opening message. Throws `truncated`, `version-unsupported`, `malformed`. */
export function parseWebSocketHeader(message: Bytes): MessageHeader {
  return parseMessageHeader(message, [MESSAGE_TYPE_WEBSOCKET]);
}

/** Opens one opening message and seals the response, synchronously. */
export class WebSocketAcceptor {
  readonly #requestSecret: SyncExpandKey;
  readonly #responseSecret: SyncExpandKey;
  readonly #header: Bytes;
  #responded = false;

  constructor(requestSecret: SyncExpandKey, responseSecret: SyncExpandKey, header: MessageHeader) {
    this.#requestSecret = requestSecret;
    this.#responseSecret = responseSecret;
    this.#header = header.bytes;
  }

  /** The Binary HTTP request of the whole opening message. Throws `truncated`, `unopenable`, `malformed`, `too-large`. */
  openRequest(message: Bytes): Bytes {
    const opener = new ChunkOpener(requestKey(this.#requestSecret, this.#header));
    return opener.openFinal(onlyChunk(message, MESSAGE_HEADER_BYTES));
  }

  /**
   * Seals the response, and returns the sealer and opener of the frames that follow. Throws `misuse` at a second call.
   * @param response Binary HTTP, at most 65,536 bytes.
   */
  respond(suite: SyncSuite, response: Bytes): { message: Bytes } & WebSocketKeys<SyncAead> {
    if (this.#responded) throw new ProtocolError('misuse', 'the opening message already has a response');
    this.#responded = true;
    const nonce = suite.randomBytes(MESSAGE_NONCE_BYTES);
    const sealer = new ChunkSealer(responseKey(this.#responseSecret, this.#header, nonce));
    return {
      message: concatBytes([nonce, FINAL_CHUNK_PREFIX, sealer.sealFinal(response)]),
      sealer: new FrameSealer(webSocketResponseKey(this.#responseSecret, this.#header, nonce)),
      opener: new FrameOpener(webSocketRequestKey(this.#requestSecret, this.#header, nonce)),
    };
  }
}

/** The ciphertext of a message that is one final chunk after `at` bytes. */
function onlyChunk(message: Bytes, at: number): Bytes {
  if (message.length === at) throw new ProtocolError('truncated', `message ended at byte ${at}, before its chunk`);
  if (message[at] !== FINAL_CHUNK_PREFIX[0]) throw new ProtocolError('malformed', 'message is not one final chunk');
  const ciphertext = message.subarray(at + FINAL_CHUNK_PREFIX.length);
  checkCiphertextSize(ciphertext);
  return ciphertext;
}

function checkCiphertextSize(ciphertext: Bytes): void {
  if (ciphertext.length <= CHUNK_CIPHERTEXT_MAX_BYTES) return;
  throw new ProtocolError('too-large', `${ciphertext.length} sealed bytes exceed ${CHUNK_CIPHERTEXT_MAX_BYTES}`);
}

// ---- Sealing of frames -------------------------------------------------------------------------------------

const AAD_FRAME: Bytes = asciiBytes('ws');

/**
 * Seals the frames of one direction in order. Each ciphertext is one outer binary message. The owner reserves the last of
 * {@link FrameSealer.left} for a close, without which the peer treats the end as a lost connection.
 */
export class FrameSealer<A extends Aead = Aead> {
  readonly #aead: A;
  readonly #counter: NonceCounter;

  /** @param framesMax at most {@link WEBSOCKET_FRAME_COUNT_MAX}, its default. */
  constructor(aead: A, framesMax: number = WEBSOCKET_FRAME_COUNT_MAX) {
    this.#aead = aead;
    this.#counter = counterOf(framesMax);
  }

  /** Number of frames that it can still seal. */
  get left(): number {
    return this.#counter.left;
  }

  /** Throws `too-large` after the last frame. @param frame as {@link encodeFrame} returns it. */
  seal(frame: Bytes): ReturnType<A['seal']> {
    return this.#aead.seal(this.#counter.take(), AAD_FRAME, frame) as ReturnType<A['seal']>;
  }
}

/** Opens the frames of one direction in order. After a failure the opener must not be used. */
export class FrameOpener<A extends Aead = Aead> {
  readonly #aead: A;
  readonly #counter = counterOf(WEBSOCKET_FRAME_COUNT_MAX);

  constructor(aead: A) {
    this.#aead = aead;
  }

  /** The frame for {@link FrameReader}. Throws `unopenable` for any frame except the next one, and `too-large`. */
  open(ciphertext: Bytes): ReturnType<A['open']> {
    checkCiphertextSize(ciphertext);
    return this.#aead.open(this.#counter.take(), AAD_FRAME, ciphertext) as ReturnType<A['open']>;
  }
}

function counterOf(framesMax: number): NonceCounter {
  const max = Math.min(framesMax, WEBSOCKET_FRAME_COUNT_MAX);
  return new NonceCounter(max, `WebSocket exceeds ${max} frames`);
}

// ---- Frames ------------------------------------------------------------------------------------------------

/** A message or a piece of one. */
export interface DataFrame {
  /** `more` continues the message that a `text` or `binary` frame began. */
  readonly kind: 'text' | 'binary' | 'more';
  /** True for the last piece of its message. */
  readonly final: boolean;
  /** At most 65,535 bytes, at least 1 unless final. Text is UTF-8 and may be split inside a character. */
  readonly data: Bytes;
}

/** The content of a sealed frame. */
export type WebSocketFrame =
  | DataFrame
  | { readonly kind: 'ping' | 'pong'; readonly data: Bytes }
  | { readonly kind: 'close'; readonly code: number | undefined; readonly reason: string };

const FIN = 0x80;
const OPCODE = { more: 0x0, text: 0x1, binary: 0x2, close: 0x8, ping: 0x9, pong: 0xa } as const;
type FrameKind = keyof typeof OPCODE;
const KIND_BY_OPCODE: ReadonlyMap<number, FrameKind> = new Map(
  Object.entries(OPCODE).map(([kind, opcode]) => [opcode, kind as FrameKind]),
);
/** RFC 6455 §5.5 */
const CONTROL_DATA_MAX_BYTES = 125;

/** Whether a close frame may carry this code (RFC 6455 §7.4, and 1012 to 1014 of its registry). */
export function isCloseCode(code: number): boolean {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

/** U8(first byte of an RFC 6455 frame) ‖ data. Throws `misuse` for a frame that the reader would refuse. */
export function encodeFrame(frame: WebSocketFrame): Bytes {
  const data = frame.kind === 'close' ? encodeClose(frame.code, frame.reason) : frame.data;
  const final = 'final' in frame ? frame.final : true;
  const fault = frameFault(frame.kind, final, data);
  if (fault !== undefined) throw new ProtocolError('misuse', fault);
  return concatBytes([Uint8Array.of(OPCODE[frame.kind] | (final ? FIN : 0)), data]);
}

/** A whole message as frames, in order. */
export function* framesOf(kind: 'text' | 'binary', message: Bytes): Generator<DataFrame, void, undefined> {
  const lastAt = Math.max(0, message.length - 1);
  for (let at = 0; at <= lastAt; at += WEBSOCKET_FRAME_DATA_MAX_BYTES) {
    const end = at + WEBSOCKET_FRAME_DATA_MAX_BYTES;
    yield { kind: at === 0 ? kind : 'more', final: end > lastAt, data: message.subarray(at, end) };
  }
}

/** Reads the opened frames of one direction, and refuses those that are out of place. */
export class FrameReader {
  #inMessage = false;
  #closed = false;

  /** @returns a frame whose data shares memory with `opened`. Throws `malformed`. */
  read(opened: Bytes): WebSocketFrame {
    const first = opened[0] ?? 0xff;
    const kind = KIND_BY_OPCODE.get(first & ~FIN);
    if (kind === undefined) throw new ProtocolError('malformed', 'frame begins with an unknown byte');
    const final = first >= FIN;
    const data = opened.subarray(1);
    const fault = this.#closed ? 'a frame after the close frame' : frameFault(kind, final, data);
    if (fault !== undefined) throw new ProtocolError('malformed', fault);
    if (kind === 'close') {
      this.#closed = true;
      return { kind, ...decodeClose(data) };
    }
    if (kind === 'ping' || kind === 'pong') return { kind, data };
    if ((kind === 'more') !== this.#inMessage) {
      throw new ProtocolError(
        'malformed',
        this.#inMessage ? 'a message inside another' : 'a piece outside of a message',
      );
    }
    this.#inMessage = !final;
    return { kind, final, data };
  }
}

/** The fault of a single frame, if any. */
function frameFault(kind: FrameKind, final: boolean, data: Bytes): string | undefined {
  const isControl = kind === 'close' || kind === 'ping' || kind === 'pong';
  if (isControl && !final) return `a fragmented ${kind} frame`;
  if (!final && data.length === 0) return 'a piece without data before the last one';
  const maxBytes = isControl ? CONTROL_DATA_MAX_BYTES : WEBSOCKET_FRAME_DATA_MAX_BYTES;
  return data.length > maxBytes ? `${kind} data of ${data.length} bytes exceeds ${maxBytes}` : undefined;
}

function encodeClose(code: number | undefined, reason: string): Bytes {
  if (code === undefined) {
    if (reason !== '') throw new ProtocolError('misuse', 'a close reason without a code');
    return emptyBytes();
  }
  if (!isCloseCode(code)) throw new ProtocolError('misuse', `${code} is not a code for a close frame`);
  const prefix = new Uint8Array(2);
  writeUint(prefix, 0, 2, code);
  return concatBytes([prefix, new TextEncoder().encode(reason)]);
}

function decodeClose(data: Bytes): { code: number | undefined; reason: string } {
  if (data.length === 0) return { code: undefined, reason: '' };
  if (data.length === 1) throw new ProtocolError('malformed', 'a close code of one byte');
  const code = readUint(data, 0, 2);
  if (!isCloseCode(code)) throw new ProtocolError('malformed', `${code} is not a code for a close frame`);
  try {
    return { code, reason: utf8Text(data.subarray(2)) };
  } catch {
    throw new ProtocolError('malformed', 'a close reason is not UTF-8');
  }
}
