// The connection pool to the upstream.
import type { Readable } from 'node:stream';
import { buildConnector, type Dispatcher, Pool } from 'undici';
import type { DomainSettings, ProcessSettings } from '../config/settings.ts';
import { ClientValues } from './client-value.ts';
import { heedEarlyAnswers, type UpstreamConnection, type UpstreamRequest, type UpstreamTls } from './connection.ts';
import { dispatchTrailed, type TrailedRequest } from './trailers.ts';

/** The upstream API, over kept-alive connections. */
export class Upstream {
  /** What the client is told of the upstream's URLs and cookies. */
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
      // One request per connection at a time: a slow answer holds nobody up, and a broken one takes nobody along.
      pipelining: 1,
      allowH2: false,
      connect: (target, done) =>
        connect(target, (...result) => {
          if (result[1]) heedEarlyAnswers(result[1]);
          done(...result);
        }),
    });
  }

  /** Sends a request; everything that becomes of it is told to the handler. */
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

  /** Where requests go. */
  get url(): URL {
    return this.#url;
  }

  /** Where and how a connection of its own reaches the upstream; for what the pool cannot carry. */
  connection(target: string): UpstreamConnection {
    return { origin: this.#url, path: this.#basePath + target, tls: this.#tls };
  }

  /** Ends idle connections at once and the others with their exchange. */
  async close(): Promise<void> {
    await this.#pool.close();
  }

  /** Ends everything at once. */
  async destroy(): Promise<void> {
    await this.#pool.destroy();
  }
}
