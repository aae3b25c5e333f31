// Who may reach the relay from a page: exact origins, one preflight per two hours (Fetch §3.2, CORS protocol).
import type { IncomingMessage, ServerResponse } from 'node:http';

/** Browsers cap Access-Control-Max-Age at this. */
const MAX_AGE_SECONDS = 7200;

/** The relay's CORS answers. */
export class Cors {
  readonly #origins: ReadonlySet<string>;

  /** @param origins exact origins, as CORS_ORIGINS. */
  constructor(origins: Iterable<string>) {
    this.#origins = new Set(origins);
  }

  /** True for a request without Origin, which no page sent, and for one from a listed origin. */
  allows(req: IncomingMessage): boolean {
    const { origin } = req.headers;
    return origin === undefined || this.#origins.has(origin);
  }

  /** Sets the answer's CORS fields; none for an origin that is not listed. */
  apply(req: IncomingMessage, res: ServerResponse): void {
    const { origin } = req.headers;
    res.setHeader('vary', 'Origin'); // a cached answer to no origin is none for a page of another one
    if (origin === undefined || !this.#origins.has(origin)) return;
    res.setHeader('access-control-allow-origin', origin);
    res.setHeader('access-control-allow-credentials', 'true');
    res.setHeader('access-control-expose-headers', 'content-type, retry-after');
  }

  /**
   * Answers a preflight.
   * @param methods what the path can be asked with.
   */
  preflight(req: IncomingMessage, res: ServerResponse, methods: string): void {
    this.apply(req, res);
    if (this.allows(req)) {
      res.setHeader('access-control-allow-methods', methods);
      res.setHeader('access-control-allow-headers', req.headers['access-control-request-headers'] ?? 'content-type');
      res.setHeader('access-control-max-age', MAX_AGE_SECONDS);
      res.setHeader('vary', 'Origin, Access-Control-Request-Headers');
    }
    res.writeHead(204).end();
  }
}
