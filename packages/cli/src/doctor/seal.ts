// The doctor's own session, below the SDK, which never does what the doctor must: send the same bytes twice, split a
// message, and use a new connection per message.
import {
  type Bytes,
  type ClientKeys,
  CONTENT_PIECE_MAX_BYTES,
  CONTENT_TYPE_MESSAGE,
  CONTENT_TYPE_PAIRING,
  concatBytes,
  decodeWhole,
  encodeContent,
  encodeEnd,
  encodeRequest,
  encodeRequestStart,
  type Fields,
  MESSAGE_TYPE_EXCHANGE,
  PATH_EXCHANGE,
  PATH_PAIR,
  type RequestHead,
  type ResponseHead,
  SENT_FIELD,
  SealedExchange,
  type SessionParameters,
  type Suite,
  startPairing,
} from '@mte-relay/protocol';
import type { Hop, OuterRequest, OuterResponse } from './hop.ts';

/** A response inside the seal. */
export interface InnerResponse extends ResponseHead {
  readonly content: Bytes;
}

/** A sealed request, which the doctor may send several times. */
export interface SealedRequest {
  readonly exchange: SealedExchange;
  readonly bytes: Bytes;
}

/** One session with the relay. */
export class DoctorSession {
  readonly parameters: SessionParameters;
  readonly #hop: Hop;
  readonly #suite: Suite;
  readonly #keys: ClientKeys;
  readonly #pairedAtMs = performance.now();
  #nextNumber = 0;

  private constructor(hop: Hop, suite: Suite, keys: ClientKeys, parameters: SessionParameters) {
    this.#hop = hop;
    this.#suite = suite;
    this.#keys = keys;
    this.parameters = parameters;
  }

  /**
   * Pairs with the relay that holds this key. Resolves without a session when the response is not a pairing response.
   * @throws ProtocolError when the response does not prove that its sender holds the key.
   */
  static async pair(
    hop: Hop,
    suite: Suite,
    publicKey: Bytes,
  ): Promise<{ outer: OuterResponse; session?: DoctorSession }> {
    const pairing = await startPairing(suite, publicKey, { authority: hop.url.host });
    const outer = await hop.send({
      method: 'POST',
      target: PATH_PAIR,
      headers: { 'content-type': CONTENT_TYPE_PAIRING },
      body: pairing.message,
    });
    if (outer.status !== 200 || outer.headers['content-type'] !== CONTENT_TYPE_PAIRING) return { outer };
    const { parameters, secrets } = await pairing.finish(new Uint8Array(outer.body));
    const keys = {
      sid: parameters.sid,
      requestSecret: await suite.importExpandKey(secrets.request),
      responseSecret: await suite.importExpandKey(secrets.response),
    };
    for (const secret of [secrets.request, secrets.response, secrets.exporter]) secret.fill(0);
    return { outer, session: new DoctorSession(hop, suite, keys, parameters) };
  }

  /** The head of a request to the relay's own authority. */
  head(method: string, path: string): RequestHead {
    const { protocol, host } = this.#hop.url;
    const sent = Math.floor(this.parameters.relayTimeMs + performance.now() - this.#pairedAtMs);
    const headers: Fields = [
      ['user-agent', 'mte-relay'],
      [SENT_FIELD, String(sent)],
    ];
    return { method, scheme: protocol.slice(0, -1), authority: host, path, headers };
  }

  /** A request of one chunk, with its own message number. */
  async seal(head: RequestHead): Promise<SealedRequest> {
    const exchange = await this.begin();
    const final = await exchange.sealFinal(encodeRequest(head, new Uint8Array(0)));
    return { exchange, bytes: concatBytes([exchange.header, final]) };
  }

  /** A request of many chunks. @param piece content to repeat up to `contentBytes`. */
  async sealLarge(head: RequestHead, contentBytes: number, piece: Bytes): Promise<SealedRequest> {
    const exchange = await this.begin();
    const parts: Bytes[] = [exchange.header, await exchange.seal(encodeRequestStart(head))];
    for (let left = contentBytes; left > 0; left -= CONTENT_PIECE_MAX_BYTES) {
      parts.push(await exchange.seal(encodeContent(piece.subarray(0, Math.min(left, CONTENT_PIECE_MAX_BYTES)))));
    }
    parts.push(await exchange.sealFinal(encodeEnd()));
    return { exchange, bytes: concatBytes(parts) };
  }

  /** A message that the caller seals piece by piece. */
  begin(): Promise<SealedExchange> {
    const n = this.#nextNumber;
    this.#nextNumber += 1;
    return SealedExchange.begin(this.#suite, this.#keys, MESSAGE_TYPE_EXCHANGE, n);
  }

  /** Posts sealed bytes. */
  post({ bytes }: SealedRequest, fresh = false): Promise<OuterResponse> {
    return this.#hop.send({ ...POST_MESSAGE, body: bytes, fresh });
  }

  /** Seals, posts and opens. Only `outer` when the response is not sealed. Throws ProtocolError when it does not open. */
  async call(head: RequestHead, fresh = false): Promise<{ outer: OuterResponse; inner?: InnerResponse }> {
    const sealed = await this.seal(head);
    const outer = await this.post(sealed, fresh);
    return isSealed(outer) ? { outer, inner: await openResponse(sealed.exchange, outer.body) } : { outer };
  }
}

/** The fixed part of every sealed POST. */
export const POST_MESSAGE: Pick<OuterRequest, 'method' | 'target' | 'headers'> = {
  method: 'POST',
  target: PATH_EXCHANGE,
  // As browsers send it, to detect an intermediary that compresses.
  headers: { 'content-type': CONTENT_TYPE_MESSAGE, 'accept-encoding': 'gzip, deflate, br' },
};

/** True for a response that claims to be sealed and does not have a content coding, which sealed bytes never have. */
export function isSealed({ status, headers }: Pick<OuterResponse, 'status' | 'headers'>): boolean {
  const isCoded = headers['content-encoding'] !== undefined;
  return status === 200 && headers['content-type'] === CONTENT_TYPE_MESSAGE && !isCoded;
}

/** Opens a whole response. Throws ProtocolError. */
export async function openResponse(exchange: SealedExchange, body: Uint8Array): Promise<InnerResponse> {
  const plaintexts: Bytes[] = [];
  for await (const plaintext of exchange.openResponse(once(new Uint8Array(body)))) plaintexts.push(plaintext);
  return innerResponseOf(plaintexts);
}

/** Decodes the opened chunks of a whole response. Throws ProtocolError. */
export function innerResponseOf(plaintexts: readonly Bytes[]): InnerResponse {
  const { head, content } = decodeWhole<ResponseHead>('response', concatBytes(plaintexts));
  return { ...head, content };
}

async function* once(bytes: Bytes): AsyncGenerator<Bytes> {
  yield bytes;
}
