// The connection pool to the upstream.
import type { Readable } from 'node:stream';
import { buildConnector, type Dispatcher, Pool } from 'undici';
import type { DomainSettings, ProcessSettings } from '../config/settings.ts';
import { ClientValues } from './client-value.ts';
import { readEarlyResponses, type UpstreamConnection, type UpstreamRequest, type UpstreamTls } from './connection.ts';
import { dispatchTrailed, type TrailedRequest } from './trailers.ts';

/** The upstream API, on connections that are kept alive. */
export class Upstream {
  /** Translates the upstream's URLs and cookies for the client. */
  readonly clientValues: ClientValues;
  readonly #basePath: string;
  readonly #pool: Pool;
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
    this.#pool = new Pool(own.UPSTREAM.origin, {
      headersTimeout: settings.UPSTREAM_HEADERS_TIMEOUT_MS,
      bodyTimeout: settings.UPSTREAM_IDLE_TIMEOUT_MS,
      // One request per connection at a time: a slow or failed response then delays or fails no other.
      pipelining: 1,
      allowH2: false,
      connect: (target, done) =>
        connect(target, (...result) => {
          if (result[1]) readEarlyResponses(result[1]);
          done(...result);
        }),
    });
  }

  /** Sends a request; the handler receives every event of it. */
  dispatch(request: UpstreamRequest, handler: Dispatcher.DispatchHandler): void {
    if (request.trailers) {
      dispatchTrailed(this.connection(request.target), request as TrailedRequest, this.#settings, handler);
      return;
    }
    this.#pool.dispatch(
      {
        method: request.method as Dispatcher.HttpMethod,
        path: this.#basePath + request.target,
        headers: request.headers,
        body: request.body as Buffer | Readable | null,
      },
      handler,
    );
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
    await this.#pool.close();
  }

  /** Closes every connection at once. */
  async destroy(): Promise<void> {
    await this.#pool.destroy();
  }
}
