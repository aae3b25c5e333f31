// The answer's way back: the upstream's response is sealed and sent, whole in one chunk and one write when it is
// small and already here, as a stream otherwise. Seals the relay's own answers too.
import type { ServerResponse } from 'node:http';
import {
  type Bytes,
  CHUNK_PLAINTEXT_MAX_BYTES,
  CONTENT_TYPE_MESSAGE,
  concatBytes,
  contentPrefix,
  encodeEnd,
  encodeResponse,
  encodeResponseStart,
  FIELD_COUNT_MAX,
  type Fields,
  type InnerCode,
  type ResponseHead,
  type ResponseSealer,
} from '@mte-relay/protocol';
import type { Dispatcher } from 'undici';
import { innerFailure } from '../failure/planes.ts';
import { downstreamFields, flatten, isFinalStatus, notAStatus, type ParsedHeaders } from '../http/fields.ts';
import type { Account } from '../observe/account.ts';

type Controller = Dispatcher.DispatchController;

/** What an answer needs to know of its exchange, and whom it tells. */
export interface OutboundHost {
  /** Header fields as the client may see them; may set cookies on the outer response. */
  translateFields(status: number, fields: [string, string][]): Fields;
  /** Trailers as the client may see them. */
  translateTrailers(fields: Fields): Fields;
  /** The fields of an answer that is not the upstream's, with those that every answer bears. */
  withOwnFields(fields: Fields): Fields;
  /** The upstream failed before it answered; true when the request was sent anew. */
  resend(error: Error): boolean;
  /** What the failure is called towards the client. */
  failureCode(error: Error): InnerCode;
  /** The answer began: its inner status. */
  onStatus(status: number): void;
}

/** Content bytes sealed at once: a chunk less the longest length in front of them. */
const CONTENT_PIECE_MAX_BYTES = CHUNK_PLAINTEXT_MAX_BYTES - 8;
/** Informational responses that are kept for the client, which opens no more of them and of the answer's head together. */
const INFORMATIONAL_MAX = 16;
const INFORMATIONAL_MAX_BYTES = 16_384;
/** A response that is not here whole is sent as a stream once this much of it is. */
const WHOLE_RESPONSE_MAX_BYTES = 49_152;

/** One sealed answer. undici tells it what the upstream says; it never calls back after {@link Outbound.abort}. */
export class Outbound implements Dispatcher.DispatchHandler {
  readonly #res: ServerResponse;
  readonly #sealer: ResponseSealer;
  readonly #host: OutboundHost;
  readonly #account: Account;
  #controller: Controller | undefined;
  #aborted: Error | undefined;
  #head: ResponseHead | undefined;
  readonly #informational: ResponseHead[] = [];
  #informationalBytes = 0;
  #pieces: Uint8Array<ArrayBuffer>[] = [];
  #held = 0;
  #streaming = false;
  #ended = false;

  constructor(res: ServerResponse, sealer: ResponseSealer, host: OutboundHost, account: Account) {
    this.#res = res;
    this.#sealer = sealer;
    this.#host = host;
    this.#account = account;
  }

  /** Ends the upstream's work on this exchange; nothing more is sent. */
  abort(reason: Error): void {
    if (this.#aborted || this.#ended) return;
    this.#aborted = reason;
    this.#controller?.abort(reason);
  }

  /** Answers in the relay's own name; breaks off when an answer has begun. */
  fail(code: InnerCode): void {
    if (this.#ended) return;
    if (this.#streaming) {
      this.#ended = true;
      this.#res.destroy(); // never a final chunk: the client must see that this is not the whole answer
      return;
    }
    const { head, body } = innerFailure(code);
    this.respond(head, body);
  }

  /** Answers in place of the upstream. */
  respond(head: ResponseHead, content: Uint8Array<ArrayBuffer>): void {
    if (this.#ended || this.#streaming) return;
    this.#sendWhole({ ...head, headers: this.#host.withOwnFields(head.headers) }, content);
  }

  // What undici says, in order.

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
    this.#head = { status, headers: this.#host.translateFields(status, downstreamFields(headers)) };
    this.#account.upstreamAnswered();
    this.#host.onStatus(status);
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
    if (this.#streaming) {
      if (!this.#writeContent(chunk as Buffer<ArrayBuffer>)) controller.pause();
      return;
    }
    this.#pieces.push(chunk as Buffer<ArrayBuffer>);
    this.#held += chunk.length;
    if (this.#held > WHOLE_RESPONSE_MAX_BYTES) this.#streamIfUnfinished();
  }

  onResponseEnd(_controller: Controller, trailers: ParsedHeaders): void {
    if (this.#aborted || this.#ended || !this.#head) return;
    this.#account.upstreamEnded();
    const fields = this.#host.translateTrailers(flatten(trailers));
    if (!this.#streaming && fields.length === 0) {
      this.#sendWhole(this.#head, concatBytes(this.#pieces));
      return;
    }
    this.#streamIfUnfinished();
    this.#ended = true;
    this.#res.end(this.#sealFinal(encodeEnd(fields)));
  }

  onResponseError(_controller: Controller, error: Error): void {
    if (this.#aborted || this.#ended) return;
    if (!this.#head && this.#host.resend(error)) return;
    const code = this.#host.failureCode(error);
    this.#host.onStatus(innerFailure(code).head.status);
    this.fail(code);
  }

  // Sending.

  /** One chunk, one write. */
  #sendWhole(head: ResponseHead, content: Uint8Array<ArrayBuffer>): void {
    this.#head = head;
    const message = encodeResponse(head, content, { informational: this.#informational });
    if (message.length > CHUNK_PLAINTEXT_MAX_BYTES) {
      this.#pieces = [content];
      this.#streamIfUnfinished();
      this.#ended = true;
      this.#res.end(this.#sealFinal(encodeEnd()));
      return;
    }
    this.#ended = true;
    const body = this.#sealFinal(message);
    endSealed(this.#res, body);
  }

  /** Called by nobody who could catch what it throws. */
  #streamOrFail(): void {
    try {
      this.#streamIfUnfinished();
    } catch (error) {
      const cause = error instanceof Error ? error : new Error('the answer cannot be sealed');
      this.abort(cause);
      this.#streaming = this.#res.headersSent;
      const code = this.#host.failureCode(cause);
      this.#host.onStatus(innerFailure(code).head.status);
      this.fail(code);
    }
  }

  #streamIfUnfinished(): void {
    if (this.#streaming || this.#ended || this.#aborted || !this.#head) return;
    this.#streaming = true;
    this.#account.streamed = true;
    this.#res.writeHead(200, {
      'content-type': CONTENT_TYPE_MESSAGE,
      'cache-control': 'no-store',
      'x-accel-buffering': 'no', // an nginx in between must not hold an event back
    });
    this.#res.on('drain', () => this.#controller?.resume());
    const start = encodeResponseStart(this.#head, this.#informational);
    const held = concatBytes(this.#pieces);
    this.#pieces = [];
    if (start.length + held.length <= CONTENT_PIECE_MAX_BYTES) {
      this.#res.write(this.#seal(held.length > 0 ? concatBytes([start, contentPrefix(held.length), held]) : start));
      return;
    }
    for (let at = 0; at < start.length; at += CHUNK_PLAINTEXT_MAX_BYTES) {
      this.#res.write(this.#seal(start.subarray(at, at + CHUNK_PLAINTEXT_MAX_BYTES)));
    }
    if (!this.#writeContent(held)) this.#controller?.pause();
  }

  /** Seals and writes content; false when the client is behind. */
  #writeContent(content: Uint8Array<ArrayBuffer>): boolean {
    let flowing = true;
    for (let at = 0; at < content.length; at += CONTENT_PIECE_MAX_BYTES) {
      const piece = content.subarray(at, at + CONTENT_PIECE_MAX_BYTES);
      flowing = this.#res.write(this.#seal(concatBytes([contentPrefix(piece.length), piece])));
    }
    return flowing;
  }

  #seal(plaintext: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    const beganMs = performance.now();
    return this.#sealed(this.#sealer.seal(plaintext), beganMs);
  }

  #sealFinal(plaintext: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    const beganMs = performance.now();
    return this.#sealed(this.#sealer.sealFinal(plaintext), beganMs);
  }

  #sealed(bytes: Uint8Array<ArrayBuffer>, beganMs: number): Uint8Array<ArrayBuffer> {
    const account = this.#account;
    account.encodeMs += performance.now() - beganMs;
    account.bytesOut += bytes.length;
    if (account.traces) account.step('chunk sealed', { bytes: bytes.length });
    return bytes;
  }
}

function bytesOf(fields: Fields): number {
  return fields.reduce((sum, [name, value]) => sum + name.length + value.length, 0);
}

/** Sends a sealed answer that is here whole. */
export function endSealed(res: ServerResponse, body: Bytes): void {
  res.writeHead(200, {
    'content-type': CONTENT_TYPE_MESSAGE,
    'content-length': body.length,
    'cache-control': 'no-store',
  });
  res.end(body);
}
