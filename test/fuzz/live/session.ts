// A hostile paired client at full speed: seals what it is given, opens the responses, and puts sealed bytes into HTTP.
import {
  BhttpDecoder,
  type BhttpSink,
  type Bytes,
  ChunkOpener,
  ChunkSealer,
  ChunkSplitter,
  CONTENT_TYPE_MESSAGE,
  concatBytes,
  encodeMessageHeader,
  encodeRequest,
  MESSAGE_NONCE_BYTES,
  MESSAGE_TYPE_EXCHANGE,
  type MessageType,
  PATH_EXCHANGE,
  type ResponseHead,
  requestKey,
  responseKey,
} from '@mte-relay/protocol';
import { nodeSuite } from '@mte-relay/protocol/node';
import { SealedClient, withSentTime } from '@mte-relay/testing/sealed-client';

const suite = nodeSuite();
/** Well below the limit of a session. */
const MESSAGES_PER_SESSION = 50_000;

/** A sealed message. */
export interface Sealed {
  readonly session: SealedClient;
  readonly n: number;
  readonly header: Bytes;
  readonly bytes: Bytes;
}

/** An opened response. */
export interface Opened {
  readonly head: ResponseHead;
  readonly body: Buffer;
}

/** Sessions of one client, one after the other. */
export class Sessions {
  readonly #port: number;
  readonly #flags: number;
  #current: SealedClient | undefined;

  /** @param flags of its pairings. */
  constructor(port: number, flags = 0) {
    this.#port = port;
    this.#flags = flags;
  }

  /** The present session; a new one when many messages have used it. */
  async current(): Promise<SealedClient> {
    if (!this.#current || this.#current.nextN > MESSAGES_PER_SESSION) {
      this.#current = await SealedClient.pair(this.#port, { flags: this.#flags });
    }
    return this.#current;
  }
}

/** A POST in Binary HTTP, of a client that behaves well. */
export function plainPost({ authority }: SealedClient, path: string, body: Bytes = new Uint8Array(0)): Bytes {
  return encodeRequest({ method: 'POST', scheme: 'http', authority, path, headers: withSentTime() }, body);
}

/** Seals pieces of plaintext, each as a chunk. */
export function sealPieces(
  session: SealedClient,
  pieces: readonly Bytes[],
  type: MessageType = MESSAGE_TYPE_EXCHANGE,
  n: number = session.nextN++,
): Sealed {
  const header = encodeMessageHeader(type, session.keys.sid, n, suite.randomBytes(MESSAGE_NONCE_BYTES));
  const sealer = new ChunkSealer(requestKey(session.keys.requestSecret, header));
  const parts: Bytes[] = [header];
  for (const piece of pieces.slice(0, -1)) {
    const ciphertext = sealer.seal(piece);
    parts.push(lengthPrefix(ciphertext.length), ciphertext);
  }
  parts.push(new Uint8Array(1), sealer.sealFinal(pieces.at(-1) ?? new Uint8Array(0)));
  return { session, n, header, bytes: concatBytes(parts) };
}

function lengthPrefix(length: number): Bytes {
  if (length < 64) return Uint8Array.of(length);
  if (length < 16_384) return Uint8Array.of(0x40 | (length >> 8), length & 255);
  return Uint8Array.of(0x80, length >> 16, (length >> 8) & 255, length & 255);
}

/** Opens what belongs to this message. @throws ProtocolError */
export function openPlaintext({ session, header }: Sealed, body: Uint8Array): Bytes {
  const bytes = new Uint8Array(body);
  const opener = new ChunkOpener(
    responseKey(session.keys.responseSecret, header, bytes.subarray(0, MESSAGE_NONCE_BYTES)),
  );
  const splitter = new ChunkSplitter();
  const opened: Bytes[] = [];
  splitter.push(bytes.subarray(MESSAGE_NONCE_BYTES));
  for (let chunk = splitter.next(); chunk; chunk = splitter.next()) opened.push(opener.open(chunk));
  opened.push(opener.openFinal(splitter.end()));
  return concatBytes(opened);
}

/** The response to this message. @throws ProtocolError */
export function openReply(sealed: Sealed, body: Uint8Array): Opened {
  let head: ResponseHead | undefined;
  const pieces: Bytes[] = [];
  const sink: BhttpSink<ResponseHead> = {
    onHead: (given) => {
      head = given;
    },
    onContent: (piece) => pieces.push(piece),
    onEnd: () => undefined,
  };
  const decoder = new BhttpDecoder<ResponseHead>('response', sink);
  decoder.push(openPlaintext(sealed, body));
  decoder.end();
  return { head: head as ResponseHead, body: Buffer.concat(pieces) };
}

/** A POST of sealed bytes. @param fields in lines of their own; default: the content type of messages. */
export function posted(
  message: Uint8Array,
  fields = `content-type: ${CONTENT_TYPE_MESSAGE}\r\n`,
  path: string = PATH_EXCHANGE,
): Buffer {
  const head = `POST ${path} HTTP/1.1\r\nhost: relay.example\r\n${fields}content-length: ${message.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head, 'latin1'), message]);
}

/** The same in chunked coding. */
export function postedInPieces(pieces: readonly Uint8Array[]): Buffer {
  const head = `POST ${PATH_EXCHANGE} HTTP/1.1\r\nhost: relay.example\r\ncontent-type: ${CONTENT_TYPE_MESSAGE}\r\ntransfer-encoding: chunked\r\n\r\n`;
  const parts: Uint8Array[] = [Buffer.from(head)];
  for (const piece of pieces) {
    if (piece.length > 0) parts.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n'));
  }
  return Buffer.concat([...parts, Buffer.from('0\r\n\r\n')]);
}
