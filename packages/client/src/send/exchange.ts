// One attempt at one request, in the order its bytes travel: seal (seal.ts), post (transport.ts), open the head of the
// answer, give out its content. Below it the cancel of an attempt. Whether to try again is decided in retry.ts.
import {
  type Bytes,
  CONTENT_TYPE_MESSAGE,
  concatBytes,
  copyBytes,
  decodeCancelResult,
  encodeCancel,
  type Fields,
  MESSAGE_TYPE_CANCEL,
  MESSAGE_TYPE_EXCHANGE,
  PATH_EXCHANGE,
  ProtocolError,
  ResponseDecoder,
  type ResponseHead,
  SealedExchange,
  type Suite,
} from '@mte-relay/protocol';
import { ignore } from '../abort.ts';
import { RelayClientError } from '../api/errors.ts';
import type { OuterHop } from '../outer/hop.ts';
import { contentOf } from '../outer/streams.ts';
import { isSealed, readRefusal, type Transport, type Unanswered } from '../outer/transport.ts';
import type { Lease } from '../session/session.ts';
import { type InnerRequest, sealRequest } from './seal.ts';

/** What every attempt of a client needs. */
export interface ExchangeContext {
  readonly relayOrigin: string;
  readonly suite: Suite;
  readonly transport: Transport;
  readonly platform: OuterHop;
}

/** Longest rest of an answer that is read for nothing rather than cut off with its connection. */
const SKIP_MAX_BYTES = 65_536;

/**
 * Sends the request under this number. The answer's head has been authenticated when it resolves with one.
 * @param abort ends the attempt: its signal is the transport's.
 * @throws what the request's own body stream threw, or the signal's reason.
 */
export async function attempt(
  context: ExchangeContext,
  lease: Lease,
  request: InnerRequest,
  extraFields: readonly (readonly [string, string])[],
  abort: AbortController,
): Promise<InnerResponse | Unanswered> {
  const { suite, transport, relayOrigin, platform } = context;
  const message = await SealedExchange.begin(suite, lease.session.keys, MESSAGE_TYPE_EXCHANGE, lease.n);
  const head = { ...request.head, headers: [...request.head.headers, ...extraFields] };
  const upload = await sealRequest(message, { ...request, head }, platform, abort.signal);
  try {
    const answer = await transport.post(
      {
        url: relayOrigin + PATH_EXCHANGE,
        contentType: CONTENT_TYPE_MESSAGE,
        body: upload.payload,
        signal: abort.signal,
        credentials: request.credentials,
        keepalive: request.keepalive,
        priority: request.priority,
      },
      upload.onSent,
    );
    upload.finish('response' in answer);
    return await openAnswer(answer, message, abort);
  } finally {
    upload.release();
  }
}

async function openAnswer(
  answer: { response: Response } | Unanswered,
  message: SealedExchange,
  abort: AbortController,
): Promise<InnerResponse | Unanswered> {
  if (!('response' in answer)) return answer;
  const { response } = answer;
  if (!isSealed(response)) return readRefusal(response);
  if (response.body === null)
    return { kind: 'unopenable', cause: new ProtocolError('truncated', 'the answer is empty') };
  const inner = new InnerResponse(message.openResponse(contentOf(response)), abort);
  try {
    await inner.begin();
    return inner;
  } catch (cause) {
    if (abort.signal.aborted) throw abort.signal.reason;
    abort.abort(cause);
    // Bytes that end early are a cut connection; bytes that do not open are somebody else's.
    const cut = !(cause instanceof ProtocolError) || cause.code === 'truncated';
    return { kind: cut ? 'failed' : 'unopenable', cause };
  }
}

/** An answer whose head is authenticated; its content is opened as it is asked for. */
export class InnerResponse {
  #head: ResponseHead | undefined;
  readonly #plaintexts: AsyncGenerator<Bytes, void, undefined>;
  readonly #abort: AbortController;
  readonly #content: Bytes[] = [];
  readonly #decoder: ResponseDecoder;
  #ended = false;
  /** Known once {@link InnerResponse.next} has given undefined. */
  trailers: Fields = [];
  /** Called once, when the answer has ended in whatever way. */
  onEnd: (() => void) | undefined;

  constructor(plaintexts: AsyncGenerator<Bytes, void, undefined>, abort: AbortController) {
    this.#plaintexts = plaintexts;
    this.#abort = abort;
    this.#decoder = new ResponseDecoder({
      onHead: (head) => {
        this.#head = head;
      },
      onContent: (content) => this.#content.push(content),
      onEnd: (trailers) => {
        this.#ended = true;
        this.trailers = trailers;
      },
    });
  }

  get head(): ResponseHead {
    return this.#head as ResponseHead;
  }

  /** Opens as far as the head. */
  async begin(): Promise<void> {
    while (!this.#head) await this.#advance();
  }

  /**
   * The next piece of content, undefined behind the last one of a complete answer.
   * @throws RelayClientError `response-truncated`, `response-unopenable`; the signal's reason.
   */
  async next(): Promise<Bytes | undefined> {
    try {
      while (this.#content.length === 0 && !this.#ended) await this.#advance();
      this.#abort.signal.throwIfAborted(); // an answer that came whole is not ended by its transport
    } catch (cause) {
      this.#finish();
      if (this.#abort.signal.aborted) throw this.#abort.signal.reason;
      this.#abort.abort(cause);
      throw bodyError(cause);
    }
    const piece = this.#content.shift();
    if (!piece) this.#finish();
    return piece;
  }

  /** Reads a small rest to its end, so that the connection can be used again; gives a larger one up. */
  async skip(): Promise<void> {
    let skippedBytes = 0;
    for (let piece = await this.next(); piece; piece = await this.next()) {
      skippedBytes += piece.length;
      if (skippedBytes > SKIP_MAX_BYTES) return this.cancel(undefined);
    }
  }

  /** Gives the rest up and lets the relay know by ending the transport. */
  cancel(reason: unknown): void {
    this.#finish();
    this.#abort.abort(reason);
    this.#plaintexts.return().catch(ignore);
  }

  #finish(): void {
    this.onEnd?.();
    this.onEnd = undefined;
  }

  async #advance(): Promise<void> {
    const { done, value } = await this.#plaintexts.next();
    if (done) this.#decoder.end();
    else this.#decoder.push(value);
  }
}

function bodyError(cause: unknown): RelayClientError {
  if (cause instanceof ProtocolError && cause.code !== 'truncated') {
    return new RelayClientError('response-unopenable', `the answer's body was refused: ${cause.message}`, {
      cause,
      mayHaveRun: true,
    });
  }
  return new RelayClientError('response-truncated', 'the answer ended before it was complete', {
    cause,
    mayHaveRun: true,
  });
}

// ---- Cancel

/**
 * Asks the relay to claim another message's number (SPEC §7). True is its authenticated word that the message never
 * ran and never will; false that it may have.
 */
export async function cancel(
  context: ExchangeContext,
  cancelled: Lease,
  credentials: RequestCredentials | undefined,
  signal: AbortSignal | undefined,
): Promise<boolean | Unanswered> {
  const { session, n } = cancelled;
  const own = session.take();
  let answered = false;
  const abort = new AbortController();
  const onAbort = (): void => abort.abort(signal?.reason);
  signal?.addEventListener('abort', onAbort);
  try {
    signal?.throwIfAborted();
    const message = await SealedExchange.begin(context.suite, session.keys, MESSAGE_TYPE_CANCEL, own);
    const answer = await context.transport.post({
      url: context.relayOrigin + PATH_EXCHANGE,
      contentType: CONTENT_TYPE_MESSAGE,
      body: concatBytes([message.header, await message.sealFinal(encodeCancel(n))]),
      signal: abort.signal,
      credentials,
    });
    if (!('response' in answer)) return answer;
    const { response } = answer;
    if (!isSealed(response) || response.body === null) return readRefusal(response);
    const parts: Bytes[] = [];
    for await (const part of message.openResponse(contentOf(response))) parts.push(copyBytes(part));
    const never = decodeCancelResult(concatBytes(parts), n);
    answered = true;
    return never;
  } catch (cause) {
    if (signal?.aborted) throw signal.reason;
    return { kind: cause instanceof ProtocolError ? 'unopenable' : 'failed', cause };
  } finally {
    signal?.removeEventListener('abort', onAbort);
    session.settle(own, answered);
  }
}
