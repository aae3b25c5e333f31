// A session of the doctor's own, below the SDK: it must send the same bytes twice, cut a message in two and use a new
// connection per message, none of which the SDK would ever do.
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
  MESSAGE_TYPE_EXCHANGE,
  PATH_EXCHANGE,
  PATH_PAIR,
  type RequestHead,
  type ResponseHead,
  SealedExchange,
  type SessionParameters,
  type Suite,
  startPairing,
} from '@mte-relay/protocol';
import type { Hop, OuterAnswer, OuterRequest } from './hop.ts';

/** What the relay says inside the seal. */
export interface InnerAnswer extends ResponseHead {
  readonly content: Bytes;
}

/** A request that is ready to be sent, any number of times. */
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
  #nextNumber = 0;

  private constructor(hop: Hop, suite: Suite, keys: ClientKeys, parameters: SessionParameters) {
    this.#hop = hop;
    this.#suite = suite;
    this.#keys = keys;
    this.parameters = parameters;
  }

  /**
   * Pairs with the relay that holds this key. The answer alone when it is no pairing answer.
   * @throws ProtocolError when the answer does not prove that its sender holds the key.
   */
  static async pair(
    hop: Hop,
    suite: Suite,
    publicKey: Bytes,
  ): Promise<{ outer: OuterAnswer; session?: DoctorSession }> {
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
    return { method, scheme: protocol.slice(0, -1), authority: host, path, headers: [['user-agent', 'mte-relay']] };
  }

  /** One chunk, under a number of its own. */
  async seal(head: RequestHead): Promise<SealedRequest> {
    const exchange = await this.begin();
    const final = await exchange.sealFinal(encodeRequest(head, new Uint8Array(0)));
    return { exchange, bytes: concatBytes([exchange.header, final]) };
  }

  /** Many chunks. @param piece content that is repeated until `contentBytes` are reached. */
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
  post({ bytes }: SealedRequest, fresh = false): Promise<OuterAnswer> {
    return this.#hop.send({ ...POST_MESSAGE, body: bytes, fresh });
  }

  /** Seals, posts and opens. The answer alone when it is not sealed. Throws ProtocolError for one that does not open. */
  async call(head: RequestHead, fresh = false): Promise<{ outer: OuterAnswer; inner?: InnerAnswer }> {
    const sealed = await this.seal(head);
    const outer = await this.post(sealed, fresh);
    return isSealed(outer) ? { outer, inner: await openAnswer(sealed.exchange, outer.body) } : { outer };
  }
}

/** The fixed part of every sealed POST. */
export const POST_MESSAGE: Pick<OuterRequest, 'method' | 'target' | 'headers'> = {
  method: 'POST',
  target: PATH_EXCHANGE,
  // As browsers ask, so that a box that compresses shows itself.
  headers: { 'content-type': CONTENT_TYPE_MESSAGE, 'accept-encoding': 'gzip, deflate, br' },
};

/** True for what claims to be a sealed answer, and can be one: sealed bytes have no coding. */
export function isSealed({ status, headers }: Pick<OuterAnswer, 'status' | 'headers'>): boolean {
  const isCoded = headers['content-encoding'] !== undefined;
  return status === 200 && headers['content-type'] === CONTENT_TYPE_MESSAGE && !isCoded;
}

/** Opens a whole answer. Throws ProtocolError. */
export async function openAnswer(exchange: SealedExchange, body: Uint8Array): Promise<InnerAnswer> {
  const plaintexts: Bytes[] = [];
  for await (const plaintext of exchange.openResponse(once(new Uint8Array(body)))) plaintexts.push(plaintext);
  return innerAnswerOf(plaintexts);
}

/** What the opened chunks of a whole answer say. Throws ProtocolError. */
export function innerAnswerOf(plaintexts: readonly Bytes[]): InnerAnswer {
  const { head, content } = decodeWhole<ResponseHead>('response', concatBytes(plaintexts));
  return { ...head, content };
}

async function* once(bytes: Bytes): AsyncGenerator<Bytes> {
  yield bytes;
}
