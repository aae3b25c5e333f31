// Steps 6 and 7 of an exchange: an opened request is handed to the upstream, and what undici tells of the response goes to
// the client, whole when it is small and already here, as a stream otherwise.
import {
  type Bytes,
  concatBytes,
  FIELD_COUNT_MAX,
  type Fields,
  failedToConnect,
  isIdempotent,
  type ResponseHead,
} from '@mte-relay/protocol';
import type { Dispatcher } from 'undici';
import type { RelayContext } from '../context.ts';
import { upstreamFailed } from '../failure/noted.ts';
import { innerFailure } from '../failure/planes.ts';
import { downstreamFields, flatten, isFinalStatus, type ParsedHeaders } from '../http/fields.ts';
import { INFORMATIONAL_MAX, INFORMATIONAL_MAX_BYTES, WHOLE_BODY_MAX_BYTES } from '../limits/fixed.ts';
import type { Account } from '../observe/account.ts';
import type { UpstreamCall as TracedCall } from '../observe/trace.ts';
import type { UpstreamRequest } from '../upstream/connection.ts';
import { isKeepAliveRace, notAStatus } from '../upstream/failures.ts';
import type { OpenedRequest } from './opened-request.ts';
import type { Outbound } from './outbound.ts';

type Controller = Dispatcher.DispatchController;

/** One call of the upstream; it tells the client nothing after {@link UpstreamCall.abort}. */
export class UpstreamCall implements Dispatcher.DispatchHandler {
  readonly #context: RelayContext;
  readonly #account: Account;
  readonly #request: OpenedRequest;
  readonly #outbound: Outbound;
  readonly #sent: UpstreamRequest;
  #resentAfter: Error | undefined; // what ended the first try
  #controller: Controller | undefined;
  #aborted: Error | undefined;
  #head: ResponseHead | undefined;
  readonly #informational: ResponseHead[] = [];
  #informationalBytes = 0;
  #pieces: Bytes[] = [];
  #held = 0;

  /** @param sent what is sent upstream for the request. */
  constructor(
    context: RelayContext,
    account: Account,
    request: OpenedRequest,
    outbound: Outbound,
    sent: UpstreamRequest,
  ) {
    this.#context = context;
    this.#account = account;
    this.#request = request;
    this.#outbound = outbound;
    this.#sent = sent;
  }

  /** Hands the request over. */
  start(): void {
    this.#account.dispatched(this.#traced);
    this.#request.domain.upstream.dispatch(this.#sent, this);
  }

  /** Ends the upstream's work on this request; nothing more of it is sent. */
  abort(reason: Error): void {
    if (this.#aborted || this.#outbound.hasEnded) return;
    this.#aborted = reason;
    this.#controller?.abort(reason);
  }

  // What undici tells, in order.

  onRequestStart(controller: Controller): void {
    this.#controller = controller;
    if (this.#aborted) controller.abort(this.#aborted);
  }

  onResponseStart(_controller: Controller, status: number, headers: ParsedHeaders): void {
    if (status >= 100 && status < 200) {
      this.#keepInformational({ status, headers: downstreamFields(headers) });
      return;
    }
    if (!isFinalStatus(status)) throw notAStatus(status); // undici then breaks off, and tells it as an error
    this.#head = { status, headers: this.#request.fieldsForClient(status, downstreamFields(headers)) };
    const account = this.#account;
    account.upstreamResponded();
    account.status = status;
    if (account.traces) account.step('response begun', { status });
    // A small response is here whole within this turn. What is not, must not wait: it may be an event stream.
    queueMicrotask(() => this.#streamOrFail());
  }

  #keepInformational(response: ResponseHead): void {
    const bytes = bytesOf(response.headers);
    if (this.#informational.length === INFORMATIONAL_MAX || response.headers.length > FIELD_COUNT_MAX) return;
    if (this.#informationalBytes + bytes > INFORMATIONAL_MAX_BYTES) return;
    this.#informationalBytes += bytes;
    this.#informational.push(response);
  }

  onResponseData(controller: Controller, chunk: Buffer): void {
    if (this.#aborted) return;
    if (this.#outbound.isStreaming) {
      if (!this.#outbound.write(chunk as Buffer<ArrayBuffer>)) controller.pause();
      return;
    }
    this.#pieces.push(chunk as Buffer<ArrayBuffer>);
    this.#held += chunk.length;
    if (this.#held > WHOLE_BODY_MAX_BYTES) this.#streamIfUnfinished();
  }

  onResponseEnd(_controller: Controller, trailers: ParsedHeaders): void {
    if (this.#aborted || this.#outbound.hasEnded || !this.#head) return;
    this.#account.upstreamEnded();
    const fields = this.#request.trailersForClient(flatten(trailers));
    if (!this.#outbound.isStreaming && fields.length === 0) {
      this.#outbound.send(this.#head, this.#informational, concatBytes(this.#pieces));
      return;
    }
    this.#streamIfUnfinished();
    this.#outbound.end(fields);
  }

  onResponseError(_controller: Controller, error: Error): void {
    if (this.#aborted || this.#outbound.hasEnded) return;
    if (!this.#head && this.#resend(error)) return;
    this.#fail(error);
  }

  /** An idle connection that the upstream closed in the moment of use: once more, when nothing can have run twice. */
  #resend(error: Error): boolean {
    const { body, method } = this.#sent;
    const isReplayable = body === null || body instanceof Uint8Array;
    if (this.#resentAfter || !isReplayable || !isIdempotent(method) || !isKeepAliveRace(error)) return false;
    this.#resentAfter = error;
    this.#account.dispatchedAgain(this.#traced);
    this.#request.domain.upstream.dispatch(this.#sent, this);
    return true;
  }

  get #traced(): TracedCall {
    const { method, headers } = this.#sent;
    return { method, headers, origin: this.#request.domain.upstream.url };
  }

  #fail(error: unknown): void {
    // A second try that does not connect says nothing of the first, which the upstream may have seen.
    const decisive = failedToConnect(error) ? (this.#resentAfter ?? error) : error;
    const code = upstreamFailed(this.#context, this.#account, decisive);
    const response = innerFailure(code);
    this.#account.respondedInner(response.head.status, code);
    this.#outbound.respond(response);
  }

  // Sending.

  /** Called by nobody who could catch what it throws. */
  #streamOrFail(): void {
    try {
      this.#streamIfUnfinished();
    } catch (error) {
      this.abort(error instanceof Error ? error : new Error('the response cannot be sealed'));
      this.#fail(error);
    }
  }

  #streamIfUnfinished(): void {
    if (this.#outbound.isStreaming || this.#outbound.hasEnded || this.#aborted || !this.#head) return;
    const held = concatBytes(this.#pieces);
    this.#pieces = [];
    this.#outbound.onDrain(() => this.#controller?.resume());
    if (!this.#outbound.stream(this.#head, this.#informational, held)) this.#controller?.pause();
  }
}

function bytesOf(fields: Fields): number {
  return fields.reduce((sum, [name, value]) => sum + name.length + value.length, 0);
}
