// Resends a request whose kept connection ended before the first byte of a response: the upstream may have closed it just as
// the relay reused it (RFC 9112 §9.3.1). Only a safe method, once, and on a new connection.
import { failedToConnect, isSafe } from '@mte-relay/protocol';
import type { Dispatcher } from 'undici';
import type { ParsedHeaders } from '../http/fields.ts';
import type { UpstreamRequest } from './connection.ts';
import { endedSilently } from './pooled-socket.ts';

type Handler = Dispatcher.DispatchHandler;
type Controller = Dispatcher.DispatchController;

/** True for a request that may be resent: it has no effect at the upstream (RFC 9110 §9.2.1), and is here whole. */
export function isResendable({ method, body }: UpstreamRequest): boolean {
  return isSafe(method) && (body === null || body instanceof Uint8Array);
}

/** Passes every event to a handler, except the first error if the request is resent after it. */
export class Resending implements Handler {
  readonly #handler: Handler;
  readonly #resend: (handler: Handler) => void;
  #resentAfter: Error | undefined;

  /** @param resend sends the request on a new connection. */
  constructor(handler: Handler, resend: (handler: Handler) => void) {
    this.#handler = handler;
    this.#resend = resend;
  }

  onRequestStart(controller: Controller, context: unknown): void {
    this.#handler.onRequestStart?.(controller, context);
  }

  onBodySent(piece: Buffer): void {
    this.#handler.onBodySent?.(piece);
  }

  onResponseStart(controller: Controller, status: number, headers: ParsedHeaders): void {
    this.#handler.onResponseStart?.(controller, status, headers as Record<string, string | string[]>);
  }

  onResponseData(controller: Controller, piece: Buffer): void {
    this.#handler.onResponseData?.(controller, piece);
  }

  onResponseEnd(controller: Controller, trailers: ParsedHeaders): void {
    this.#handler.onResponseEnd?.(controller, trailers as Record<string, string | string[]>);
  }

  onResponseError(controller: Controller, error: Error): void {
    if (!this.#resentAfter && endedSilently(error)) {
      this.#resentAfter = error;
      this.#resend(this);
      return;
    }
    // If the second try does not connect, the first one decides: the upstream may have seen it.
    const decisive = failedToConnect(error) ? (this.#resentAfter ?? error) : error;
    this.#handler.onResponseError?.(controller, decisive);
  }
}
