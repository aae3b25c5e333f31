// Sends a request with trailers, by node:http on a connection of its own: undici cannot send trailers, because it ends
// every chunked request itself. The handler receives the events that undici would give it, in the same order.
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { ProcessSettings } from '../config/settings.ts';
import { type ParsedHeaders, rawFields } from '../http/fields.ts';
import type { Trailers } from '../http/trailers.ts';
import { connectionRequest, type UpstreamConnection, type UpstreamRequest } from './connection.ts';
import { timeLimitError } from './failures.ts';

/** A request whose body ends with trailers. */
export type TrailedRequest = UpstreamRequest & { readonly trailers: Trailers };

/** Sends a request with trailers; the handler receives every event of it. */
export function dispatchTrailed(
  connection: UpstreamConnection,
  request: TrailedRequest,
  settings: ProcessSettings,
  handler: Dispatcher.DispatchHandler,
): void {
  new TrailedExchange(connection, request, settings, handler).start();
}

class TrailedExchange implements Dispatcher.DispatchController {
  readonly #request: TrailedRequest;
  readonly #settings: ProcessSettings;
  readonly #handler: Dispatcher.DispatchHandler;
  readonly #out: ClientRequest;
  readonly #connecting: NodeJS.Timeout;
  #silence: NodeJS.Timeout | undefined; // until the head of the response, then between its pieces
  #res: IncomingMessage | undefined;
  #ended = false; // the handler has received the end or an error
  paused = false;
  reason: Error | null = null;

  constructor(
    connection: UpstreamConnection,
    request: TrailedRequest,
    settings: ProcessSettings,
    handler: Dispatcher.DispatchHandler,
  ) {
    this.#request = request;
    this.#settings = settings;
    this.#handler = handler;
    this.#out = connectionRequest(connection, request.method, [
      ...request.headers,
      'host',
      connection.origin.host,
      'transfer-encoding', // no other framing of HTTP/1.1 has trailers
      'chunked',
      'trailer',
      request.trailers.names.join(', '),
    ]);
    this.#connecting = setTimeout(
      () => this.#fail(timeLimitError('upstream-unreachable')),
      settings.UPSTREAM_CONNECT_TIMEOUT_MS,
    );
  }

  get aborted(): boolean {
    return this.reason !== null;
  }

  start(): void {
    const out = this.#out;
    out.on('socket', (socket) => {
      socket.once('encrypted' in socket ? 'secureConnect' : 'connect', () => clearTimeout(this.#connecting));
    });
    out.on('error', (error) => this.#fail(error));
    out.on('information', ({ statusCode, rawHeaders }) => {
      this.#silence?.refresh();
      this.#passHead(statusCode, rawHeaders);
    });
    out.on('response', (res) => this.#onResponse(res));
    // Without an error if the upstream switches protocols, which nobody has asked for.
    out.on('close', () => {
      if (!this.#res) this.#fail(new Error('the upstream closed before it responded'));
    });
    this.#limitSilence(this.#settings.UPSTREAM_HEADERS_TIMEOUT_MS);
    this.#handler.onRequestStart?.(this, undefined);
    if (!this.#ended) this.#sendBody();
  }

  // The request.

  #sendBody(): void {
    const { body } = this.#request;
    if (body === null || body instanceof Uint8Array) {
      if (body) this.#write(body);
      this.#sendTrailers();
      return;
    }
    body.on('data', this.#write);
    body.on('end', this.#sendTrailers);
    body.on('close', this.#onBodyClose);
    body.on('error', this.#fail);
    this.#out.on('drain', () => body.resume());
  }

  readonly #write = (piece: Uint8Array): void => {
    this.#handler.onBodySent?.(piece as Buffer);
    this.#silence?.refresh();
    if (!this.#out.write(piece)) (this.#request.body as Readable).pause?.();
  };

  readonly #sendTrailers = (): void => {
    if (this.#ended) return;
    this.#silence?.refresh();
    this.#out.addTrailers(this.#request.trailers.fields().map(([name, value]): [string, string] => [name, value]));
    this.#out.end();
  };

  /** A body that was cut off must not look complete. */
  readonly #onBodyClose = (): void => {
    if (!(this.#request.body as Readable).readableEnded)
      this.#fail(new Error('the request closed before it was complete'));
  };

  // The response.

  #onResponse(res: IncomingMessage): void {
    this.#res = res;
    this.#limitSilence(this.#settings.UPSTREAM_IDLE_TIMEOUT_MS);
    res.on('error', (error) => this.#fail(error));
    res.on('close', () => {
      if (!res.complete) this.#fail(new Error('the response closed before it was complete'));
    });
    this.#passHead(res.statusCode as number, res.rawHeaders);
    res.on('data', (piece: Buffer) => {
      this.#silence?.refresh();
      this.#pass(() => this.#handler.onResponseData?.(this, piece));
    });
    res.on('end', () => {
      if (!res.complete) return; // `close` fails it
      this.#pass(() => this.#handler.onResponseEnd?.(this, parsed(res.rawTrailers)));
      this.#end();
    });
    if (this.paused) res.pause();
  }

  #passHead(status: number, rawHeaders: readonly string[]): void {
    this.#pass(() => this.#handler.onResponseStart?.(this, status, parsed(rawHeaders)));
  }

  #pass(step: () => void): void {
    if (this.#ended) return;
    try {
      step();
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  /** The same limits as undici's: they bound the upstream's silence, and a slow head does not renew them. */
  #limitSilence(limitMs: number): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#onSilence(), limitMs);
  }

  /** The upstream is not at fault while the relay waits for the client: for more of the request, or to read the response. */
  #onSilence(): void {
    const waitsForRequest = !this.#res && !this.#out.writableEnded && !this.#out.writableNeedDrain;
    if (waitsForRequest || this.paused) this.#silence?.refresh();
    else this.#fail(timeLimitError('upstream-timeout'));
  }

  // DispatchController.

  abort(reason: Error): void {
    this.reason ??= reason;
    this.#fail(reason);
  }

  pause(): void {
    this.paused = true;
    this.#res?.pause();
  }

  resume(): void {
    this.paused = false;
    this.#silence?.refresh();
    this.#res?.resume();
  }

  // Ending.

  readonly #fail = (error: Error): void => {
    if (this.#ended) return;
    this.#end();
    this.#handler.onResponseError?.(this, error);
  };

  #end(): void {
    this.#ended = true;
    clearTimeout(this.#connecting);
    clearTimeout(this.#silence);
    // After an early response the connection closes: the upstream does not read the rest of the body.
    if (!this.#out.writableFinished || !this.#res?.complete) this.#out.destroy();
    const { body } = this.#request;
    if (body === null || body instanceof Uint8Array) return;
    // As undici does: who has made the stream discards the rest, within bounds.
    body.off('data', this.#write).off('end', this.#sendTrailers).off('close', this.#onBodyClose).destroy();
  }
}

/** Raw fields of node:http as undici parses them, with a list for every name. */
function parsed(raw: readonly string[]): ParsedHeaders & Record<string, string[]> {
  const headers: Record<string, string[]> = Object.create(null);
  for (const [name, value] of rawFields(raw)) {
    headers[name] ??= [];
    headers[name].push(value);
  }
  return headers;
}
