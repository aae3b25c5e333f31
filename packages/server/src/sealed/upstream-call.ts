// Steps 6 and 7 of an exchange: sends an opened request to the upstream and the response to the client, whole if it is
// small and has arrived at once, otherwise as a stream.
import { type Bytes, concatBytes, FIELD_COUNT_MAX, type Fields, type ResponseHead } from '@mte-relay/protocol';
import type { Dispatcher } from 'undici';
import type { RelayContext } from '../context.ts';
import { upstreamFailed } from '../failure/noted.ts';
import { innerFailure } from '../failure/planes.ts';
import { downstreamFields, flatten, isFinalStatus, type ParsedHeaders } from '../http/fields.ts';
import { INFORMATIONAL_MAX, INFORMATIONAL_MAX_BYTES, WHOLE_BODY_MAX_BYTES } from '../limits/fixed.ts';
import { JoinedWrites, PieceList } from '../limits/small-pieces.ts';
import type { Account } from '../observe/account.ts';
import type { UpstreamCall as TracedCall } from '../observe/trace.ts';
import type { UpstreamRequest } from '../upstream/connection.ts';
import { notAStatus, ResponseHeads } from '../upstream/failures.ts';
import type { OpenedRequest } from './opened-request.ts';
import type { Outbound } from './outbound.ts';

type Controller = Dispatcher.DispatchController;

/** One call of the upstream; after {@link UpstreamCall.abort} it sends nothing to the client. */
export class UpstreamCall implements Dispatcher.DispatchHandler {
  readonly #context: RelayContext;
  readonly #account: Account;
  readonly #request: OpenedRequest;
  readonly #outbound: Outbound;
  readonly #sent: UpstreamRequest;
  #controller: Controller | undefined;
  #aborted: Error | undefined;
  #head: ResponseHead | undefined;
  readonly #heads = new ResponseHeads();
  readonly #informational: ResponseHead[] = [];
  #informationalBytes = 0;
  readonly #pieces = new PieceList();
  readonly #writes: JoinedWrites;
  #bufferedBytes = 0;

  /** @param sent the upstream request. */
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
    this.#writes = new JoinedWrites((bytes, written) => this.#orFail(() => this.#write(bytes, written)));
  }

  /** Sends the request. */
  start(): void {
    this.#account.dispatched(this.#traced);
    this.#request.domain.upstream.dispatch(this.#sent, this, () => this.#account.dispatchedAgain(this.#traced));
  }

  /** Aborts the upstream request; nothing more of its response is sent. */
  abort(reason: Error): void {
    if (this.#aborted || this.#outbound.hasEnded) return;
    this.#aborted = reason;
    this.#controller?.abort(reason);
  }

  // undici's DispatchHandler, in order.

  onRequestStart(controller: Controller): void {
    this.#controller = controller;
    if (this.#aborted) controller.abort(this.#aborted);
  }

  onResponseStart(_controller: Controller, status: number, headers: ParsedHeaders): void {
    if (this.#heads.isInformational(status, headers)) {
      this.#keepInformational({ status, headers: this.#request.informationalFields(downstreamFields(headers)) });
      return;
    }
    if (!isFinalStatus(status)) throw notAStatus(status); // undici then aborts and reports this error
    this.#head = { status, headers: this.#request.fieldsForClient(status, downstreamFields(headers)) };
    const account = this.#account;
    account.upstreamResponded(status);
    if (account.traces) account.step('response begun', { status });
    // A small response is complete within this turn. Any other must not wait: it may be an event stream.
    queueMicrotask(() => this.#orFail(() => this.#streamIfUnfinished()));
  }

  #keepInformational(response: ResponseHead): void {
    const bytes = bytesOf(response.headers);
    if (this.#informational.length === INFORMATIONAL_MAX || response.headers.length > FIELD_COUNT_MAX) return;
    if (this.#informationalBytes + bytes > INFORMATIONAL_MAX_BYTES) return;
    this.#informationalBytes += bytes;
    this.#informational.push(response);
  }

  onResponseData(_controller: Controller, chunk: Buffer): void {
    if (this.#aborted) return;
    if (this.#outbound.isStreaming) return this.#writes.write(chunk as Buffer<ArrayBuffer>);
    this.#pieces.add(chunk as Buffer<ArrayBuffer>);
    this.#bufferedBytes += chunk.length;
    if (this.#bufferedBytes > WHOLE_BODY_MAX_BYTES) this.#streamIfUnfinished();
  }

  onResponseEnd(_controller: Controller, trailers: ParsedHeaders): void {
    this.#writes.flush();
    if (this.#aborted || this.#outbound.hasEnded || !this.#head) return;
    this.#account.upstreamEnded();
    const fields = this.#request.trailersForClient(flatten(trailers));
    if (!this.#outbound.isStreaming && fields.length === 0) {
      this.#outbound.send(this.#head, this.#informational, concatBytes(this.#pieces.take()));
      return;
    }
    this.#streamIfUnfinished();
    this.#outbound.end(fields);
  }

  onResponseError(_controller: Controller, error: Error): void {
    if (this.#aborted || this.#outbound.hasEnded) return;
    this.#writes.flush();
    this.#fail(error);
  }

  get #traced(): TracedCall {
    const { method, headers } = this.#sent;
    return { method, headers, origin: this.#request.domain.upstream.url };
  }

  #fail(error: unknown): void {
    const code = upstreamFailed(this.#context, this.#account, error);
    this.#outbound.respond(innerFailure(code), code);
  }

  // Sending to the client.

  /** Takes a step behind the events of undici, which would report its errors. */
  #orFail(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.abort(error instanceof Error ? error : new Error('the response cannot be sealed'));
      this.#fail(error);
    }
  }

  #write(bytes: Bytes, written: () => void): void {
    if (this.#outbound.isStreaming && !this.#outbound.write(bytes, written)) this.#controller?.pause();
  }

  #streamIfUnfinished(): void {
    if (this.#outbound.isStreaming || this.#outbound.hasEnded || this.#aborted || !this.#head) return;
    const buffered = concatBytes(this.#pieces.take());
    this.#outbound.onDrain(() => this.#controller?.resume());
    if (!this.#outbound.stream(this.#head, this.#informational, buffered)) this.#controller?.pause();
  }
}

function bytesOf(fields: Fields): number {
  return fields.reduce((sum, [name, value]) => sum + name.length + value.length, 0);
}
