// One attempt at one request, in the order its bytes travel: seal (seal.ts), post (transport.ts), open the head of the
// response, pass on its content. Below: the cancel of an attempt. retry.ts decides whether to retry.
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
import { ignore, onAbort, pause } from '../abort.ts';
import { RelayClientError } from '../api/errors.ts';
import type { OuterHop } from '../outer/hop.ts';
import { contentOf } from '../outer/streams.ts';
import { isSealed, type OuterFailure, readRefusal, type Transport } from '../outer/transport.ts';
import type { Lease } from '../session/session.ts';
import { type InnerRequest, sealRequest } from './seal.ts';

/** The dependencies of every attempt. */
export interface ExchangeContext {
  readonly relayOrigin: string;
  readonly suite: Suite;
  readonly transport: Transport;
  readonly platform: OuterHop;
  /** The app's own wish; the relay's counts too. */
  readonly padToBytes: number;
}

/** The client reads up to this much of an unwanted response so that the connection stays usable. */
const SKIP_MAX_BYTES = 65_536;
/** And waits this long for it: a redirect whose body does not end is followed all the same. */
const SKIP_MAX_MS = 500;

/**
 * Sends the request under this number. Resolves with a response once its head is authenticated.
 * @param abort ends the attempt; the transport uses its signal.
 * @throws the error of the request's body stream, or the signal's reason.
 */
export async function attempt(
  context: ExchangeContext,
  lease: Lease,
  request: InnerRequest,
  ownFields: Fields,
  abort: AbortController,
): Promise<InnerResponse | OuterFailure> {
  const { suite, transport, relayOrigin, platform } = context;
  const message = await SealedExchange.begin(suite, lease.session.keys, MESSAGE_TYPE_EXCHANGE, lease.n);
  const { session } = lease;
  const sealing = {
    ownFields: () => [...ownFields, session.sentField],
    padToBytes: Math.max(context.padToBytes, session.parameters.padToBytes),
  };
  const upload = await sealRequest(message, request, sealing, platform, abort.signal);
  lease.inPieces = upload.inPieces;
  try {
    const outcome = await transport.post(
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
    upload.finish('response' in outcome);
    return await openOuter(outcome, message, abort);
  } finally {
    upload.release();
  }
}

async function openOuter(
  outcome: { response: Response } | OuterFailure,
  message: SealedExchange,
  abort: AbortController,
): Promise<InnerResponse | OuterFailure> {
  if (!('response' in outcome)) return outcome;
  const { response } = outcome;
  if (!isSealed(response)) return readRefusal(response);
  if (response.body === null)
    return { kind: 'unopenable', cause: new ProtocolError('truncated', 'the response is empty') };
  const inner = new InnerResponse(message.openResponse(contentOf(response)), abort);
  try {
    await inner.begin();
    return inner;
  } catch (cause) {
    if (abort.signal.aborted) throw abort.signal.reason;
    abort.abort(cause);
    // Truncated bytes mean a closed connection; bytes that do not open were changed or forged.
    const cut = !(cause instanceof ProtocolError) || cause.code === 'truncated';
    return { kind: cut ? 'failed' : 'unopenable', cause };
  }
}

/** Ends responses that the app has let go of, as fetch does; undefined in a runtime without collection to observe. */
const abandoned =
  globalThis.FinalizationRegistry && new FinalizationRegistry<InnerResponse>((inner) => inner.cancel(undefined));

/** A response with an authenticated head; its content is opened as it is read. */
export class InnerResponse {
  #head: ResponseHead | undefined;
  readonly #plaintexts: AsyncGenerator<Bytes, void, undefined>;
  readonly #abort: AbortController;
  readonly #content: Bytes[] = [];
  readonly #decoder: ResponseDecoder;
  #ended = false;
  /** Complete once {@link InnerResponse.next} has returned undefined. */
  trailers: Fields = [];
  /** Called once, when the response ends, completely or not. */
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
   * The next piece of content, undefined after the last one of a complete response.
   * @throws RelayClientError `response-truncated`, `response-unopenable`; the signal's reason.
   */
  async next(): Promise<Bytes | undefined> {
    try {
      while (this.#content.length === 0 && !this.#ended) await this.#advance();
      this.#abort.signal.throwIfAborted(); // the transport cannot end a response that has fully arrived
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

  /** The same source of its content. The response is cancelled when the source has been collected. */
  readBy<T extends object>(source: T): T {
    abandoned?.register(source, this);
    return source;
  }

  /** Reads a small rest that has arrived to its end, so that the connection stays usable; cancels any other. */
  async skip(): Promise<void> {
    const reading = async (): Promise<void> => {
      let skippedBytes = 0;
      for (let piece = await this.next(); piece && skippedBytes < SKIP_MAX_BYTES; piece = await this.next()) {
        skippedBytes += piece.length;
      }
    };
    await Promise.race([reading(), pause(SKIP_MAX_MS, this.#abort.signal)]);
    this.cancel(undefined);
  }

  /** Abandons the rest, and aborts the outer request so that the relay stops sending. */
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
    return new RelayClientError('response-unopenable', `the response's body was refused: ${cause.message}`, {
      cause,
      mayHaveRun: true,
    });
  }
  return new RelayClientError('response-truncated', 'the connection closed before the response was complete', {
    cause,
    mayHaveRun: true,
  });
}

// ---- Cancel

/**
 * Asks the relay to claim another message's number (SPEC §7). True: the relay confirms, authenticated, that the message
 * never ran and never will. False: it may have run.
 */
export async function cancel(
  context: ExchangeContext,
  cancelled: Lease,
  credentials: RequestCredentials | undefined,
  signal: AbortSignal | undefined,
): Promise<boolean | OuterFailure> {
  const { session, n } = cancelled;
  const own = session.take();
  let confirmed = false;
  const abort = new AbortController();
  const unlisten = onAbort(signal, () => abort.abort(signal?.reason));
  try {
    signal?.throwIfAborted();
    const message = await SealedExchange.begin(context.suite, session.keys, MESSAGE_TYPE_CANCEL, own);
    const outcome = await context.transport.post({
      url: context.relayOrigin + PATH_EXCHANGE,
      contentType: CONTENT_TYPE_MESSAGE,
      body: concatBytes([message.header, await message.sealFinal(encodeCancel(n))]),
      signal: abort.signal,
      credentials,
    });
    if (!('response' in outcome)) return outcome;
    const { response } = outcome;
    if (!isSealed(response) || response.body === null) return readRefusal(response);
    const parts: Bytes[] = [];
    for await (const part of message.openResponse(contentOf(response))) parts.push(copyBytes(part));
    const never = decodeCancelResult(concatBytes(parts), n);
    confirmed = true;
    return never;
  } catch (cause) {
    if (signal?.aborted) throw signal.reason;
    return { kind: cause instanceof ProtocolError ? 'unopenable' : 'failed', cause };
  } finally {
    unlisten();
    session.settle(own, confirmed);
  }
}
