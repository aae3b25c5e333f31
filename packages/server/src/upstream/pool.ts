// The connections to the upstream: a pool that keeps them alive, and new ones for what the pool cannot carry.
import type { Readable } from 'node:stream';
import { buildConnector, type Dispatcher, Pool } from 'undici';
import type { DomainSettings, ProcessSettings } from '../config/settings.ts';
import { ClientValues } from './client-value.ts';
import { readEarlyResponses, type UpstreamConnection, type UpstreamRequest, type UpstreamTls } from './connection.ts';
import { PooledSockets } from './pooled-socket.ts';
import { isResendable, Resending } from './resend.ts';
import { dispatchTrailed, type TrailedRequest } from './trailers.ts';

/** The upstream API, on connections that are kept alive. */
export class Upstream {
  /** Translates the upstream's URLs and cookies for the client. */
  readonly clientValues: ClientValues;
  readonly #basePath: string;
  readonly #pool: Pool;
  /** Makes a connection for each request. */
  readonly #unpooled: Pool;
  readonly #sockets = new PooledSockets();
  readonly #url: URL;
  readonly #tls: UpstreamTls;
  readonly #settings: ProcessSettings;

  constructor(own: DomainSettings, settings: ProcessSettings) {
    this.#settings = settings;
    this.#basePath = own.UPSTREAM.pathname.replace(/\/$/, '');
    this.clientValues = new ClientValues(own.UPSTREAM.origin, this.#basePath);
    this.#url = own.UPSTREAM;
    this.#tls = {
      ...(own.UPSTREAM_CA !== undefined && { ca: own.UPSTREAM_CA }),
      ...(own.UPSTREAM_CERT !== undefined && { cert: own.UPSTREAM_CERT }),
      ...(own.UPSTREAM_KEY !== undefined && { key: own.UPSTREAM_KEY }),
    };
    const connect = buildConnector({
      ...this.#tls,
      timeout: settings.UPSTREAM_CONNECT_TIMEOUT_MS,
      allowH2: false,
    });
    const options: Pool.Options = {
      headersTimeout: settings.UPSTREAM_HEADERS_TIMEOUT_MS,
      bodyTimeout: settings.UPSTREAM_IDLE_TIMEOUT_MS,
      allowH2: false,
      connect: (target, done) =>
        connect(target, (...result) => {
          if (result[1]) this.#sockets.watch(readEarlyResponses(result[1]));
          done(...result);
        }),
    };
    // One request per connection at a time: a slow or failed response then delays or fails no other.
    this.#pool = new Pool(own.UPSTREAM.origin, { ...options, pipelining: 1 });
    this.#unpooled = new Pool(own.UPSTREAM.origin, { ...options, pipelining: 0 });
  }

  /**
   * Sends a request; the handler receives every event of it, and `onRequestStart` again if the request is resent.
   * @param resent called before that.
   */
  dispatch(request: UpstreamRequest, handler: Dispatcher.DispatchHandler, resent?: () => void): void {
    if (request.trailers) {
      dispatchTrailed(this.connection(request.target), request as TrailedRequest, this.#settings, handler);
      return;
    }
    const sent = {
      method: request.method as Dispatcher.HttpMethod,
      path: this.#basePath + request.target,
      headers: request.headers,
      body: request.body as Buffer | Readable | null,
    };
    if (!isResendable(request)) return void this.#pool.dispatch(sent, handler);
    const resend = (again: Dispatcher.DispatchHandler): void => {
      resent?.();
      this.#unpooled.dispatch(sent, again);
    };
    this.#pool.dispatch(sent, new Resending(handler, resend));
  }

  /** UPSTREAM. */
  get url(): URL {
    return this.#url;
  }

  /** The destination of a connection of its own, for a request that the pool cannot carry. */
  connection(target: string): UpstreamConnection {
    return { origin: this.#url, path: this.#basePath + target, tls: this.#tls };
  }

  /** Closes idle connections at once and the others after their exchange. */
  async close(): Promise<void> {
    await Promise.all([this.#pool.close(), this.#unpooled.close()]);
    this.#sockets.close();
  }

  /** Closes every connection at once. */
  async destroy(): Promise<void> {
    await Promise.all([this.#pool.destroy(), this.#unpooled.destroy()]);
    this.#sockets.close();
  }
}
