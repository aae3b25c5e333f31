// The connection pool to the upstream, and what its failures mean for a request.
import type { Readable } from 'node:stream';
import { failedToConnect, type InnerCode } from '@mte-relay/protocol';
import { buildConnector, type Dispatcher, Pool } from 'undici';
import type { DomainSettings, ProcessSettings } from '../config/settings.ts';
import { parseSetCookie, withinDomain, withPath } from '../http/set-cookie.ts';
import { heedEarlyAnswers, type UpstreamConnection, type UpstreamRequest, type UpstreamTls } from './connection.ts';
import { dispatchTrailed, type TrailedRequest } from './trailers.ts';

/** Answer fields that carry a URL which may be the upstream's own. */
const LOCATION_FIELDS: ReadonlySet<string> = new Set(['location', 'content-location']);

/** The upstream API, over kept-alive connections. */
export class Upstream {
  readonly #origin: string;
  readonly #basePath: string;
  readonly #pool: Pool;
  readonly #url: URL;
  readonly #tls: UpstreamTls;
  readonly #settings: ProcessSettings;

  constructor(own: DomainSettings, settings: ProcessSettings) {
    this.#settings = settings;
    this.#origin = own.UPSTREAM.origin;
    this.#basePath = own.UPSTREAM.pathname.replace(/\/$/, '');
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
    this.#pool = new Pool(this.#origin, {
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

  /**
   * A field of the upstream's answer for the client: a URL of the upstream's own becomes a path that it can follow, and a
   * cookie one of the client's requests, by path and domain.
   * @param authority that the client addressed, where it says so itself: a Host may have been rewritten on the way.
   */
  clientValue(name: string, value: string, authority = ''): string {
    if (name === 'set-cookie') return this.#clientCookie(withinDomain(value, authority));
    if (!LOCATION_FIELDS.has(name)) return value;
    let inside = value;
    if (ABSOLUTE_URL.test(value)) {
      const url = URL.parse(value, this.#origin);
      if (url?.origin !== this.#origin) return value;
      inside = url.pathname + url.search + url.hash;
    }
    return this.#withoutBase(inside);
  }

  #clientCookie(value: string): string {
    const cookie = this.#basePath === '' ? undefined : parseSetCookie(value);
    if (!cookie?.path?.startsWith(this.#basePath)) return value;
    return `${cookie.name}=${cookie.value}${withPath(cookie.attributes, this.#withoutBase(cookie.path))}`;
  }

  #withoutBase(path: string): string {
    if (path === this.#basePath && path !== '') return '/';
    return path.startsWith(`${this.#basePath}/`) ? path.slice(this.#basePath.length) : path;
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

/** A URL with a scheme, or one that begins with an authority. */
const ABSOLUTE_URL = /^(?:[a-z][a-z0-9+.-]*:|\/\/)/i;

/** What an upstream's failure may be. */
export type UpstreamFailure = Extract<InnerCode, 'request-malformed' | `upstream-${string}`>;

/** What an upstream's failure is called towards the client. */
export function upstreamFailureCode(error: unknown): UpstreamFailure {
  const code = (error as { code?: unknown }).code;
  // What undici would not write, or a body that is not as long as the client's content-length had said.
  if (code === 'UND_ERR_INVALID_ARG' || code === 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH') return 'request-malformed';
  if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT') return 'upstream-timeout';
  return failedToConnect(error) ? 'upstream-unreachable' : 'upstream-failed';
}

/** True when an idle connection was closed by the upstream in the moment it was used again. */
export function isKeepAliveRace(error: unknown): boolean {
  const code = (error as { code?: unknown }).code;
  return code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' || code === 'EPIPE';
}
