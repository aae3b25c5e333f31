// Pages that may use the relay: exact origins, one preflight per two hours (Fetch §3.2, CORS protocol).
import type { IncomingMessage, ServerResponse } from 'node:http';
import { PREFLIGHT_MAX_AGE_SECONDS } from '../limits/fixed.ts';

/** Methods that a page may always use: they need no preflight (Fetch §2.2.1). */
const SAFELISTED_METHODS = ['GET', 'HEAD', 'POST'];

/** The CORS rules of one set of origins. */
export class Cors {
  readonly #origins: ReadonlySet<string>;
  readonly #methods: ReadonlySet<string>;

  /** @param origins exact origins, as CORS_ORIGINS. @param methods as CORS_METHODS. */
  constructor(origins: readonly string[], methods: readonly string[]) {
    this.#origins = new Set(origins);
    this.#methods = new Set([...SAFELISTED_METHODS, ...methods]);
  }

  /** True for a request from a listed origin, and for one without Origin, which no page sends. */
  allows(req: IncomingMessage): boolean {
    const { origin } = req.headers;
    return origin === undefined || this.#origins.has(origin);
  }

  /** False for a method that a page of another origin may not use. */
  allowsMethod(req: IncomingMessage, method: string): boolean {
    return req.headers.origin === undefined || this.#methods.has(method) || isSameOrigin(req);
  }

  /** Sets the response's CORS fields; only `vary` for an origin that is not listed. */
  apply(req: IncomingMessage, res: ServerResponse): void {
    const { origin } = req.headers;
    res.setHeader('vary', 'Origin'); // a response without CORS fields must not be cached for a listed origin
    if (origin === undefined || !this.#origins.has(origin)) return;
    res.setHeader('access-control-allow-origin', origin);
    res.setHeader('access-control-allow-credentials', 'true');
    res.setHeader('access-control-expose-headers', 'content-type, retry-after');
  }

  /**
   * Responds to a preflight.
   * @param methods of the path; default CORS_METHODS.
   */
  preflight(req: IncomingMessage, res: ServerResponse, methods: string = [...this.#methods].join(', ')): void {
    this.apply(req, res);
    if (this.allows(req)) {
      res.setHeader('access-control-allow-methods', methods);
      res.setHeader('access-control-allow-headers', req.headers['access-control-request-headers'] ?? 'content-type');
      res.setHeader('access-control-max-age', PREFLIGHT_MAX_AGE_SECONDS);
      res.setHeader('vary', 'Origin, Access-Control-Request-Headers');
    }
    res.writeHead(204).end();
  }
}

function isSameOrigin(req: IncomingMessage): boolean {
  const { origin, host } = req.headers;
  return origin !== undefined && host !== undefined && origin.replace(/^https?:\/\//, '') === host;
}
