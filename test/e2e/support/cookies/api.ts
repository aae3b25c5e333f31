// The little app of the cookie table, at every host that resolves to this machine: pages, and an API that responds as
// planned by the case and keeps the `Cookie` of each request.
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';

const DIST = join(import.meta.dirname, '../../../../packages/client/dist');
const FILES: Readonly<Record<string, string>> = {
  '/_/client.mjs': readFileSync(join(DIST, 'mte-relay-client.mjs'), 'utf8'),
  '/_/install.mjs': readFileSync(join(DIST, 'mte-relay-install.mjs'), 'utf8'),
  '/_/page.js': readFileSync(join(import.meta.dirname, 'page.js'), 'utf8'),
};
const PAGE = '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/_/page.js"></script>';
/** Cookies of a case may be longer than node:http takes by default. */
const HEAD_MAX_BYTES = 256 * 1024;

/** Paths of pages, which a relay passes through. */
const PAGES: readonly string[] = ['/page', '/foo/page', '/foo/bar/page'];
export const PASSED_THROUGH: readonly string[] = [...PAGES, '/_/*', '/public/*'];

/** How the API responds to one request. */
export interface Plan {
  /** Set-Cookie lines, as latin-1. */
  readonly set: readonly string[];
  readonly status: number;
  readonly fields: Readonly<Record<string, string>>;
}

/** The fields of a request that tell who caused it, and its cookies in order. */
export interface SeenCall {
  readonly cookies: readonly string[];
  readonly headers: IncomingMessage['headers'];
}

export class CookieApi {
  readonly server: Server;
  readonly #plans = new Map<string, Plan>();
  readonly #seen = new Map<string, SeenCall[]>();
  #planned = 0;

  constructor() {
    this.server = createServer({ maxHeaderSize: HEAD_MAX_BYTES }, (req, res) => this.#respond(req, res));
    const sockets = new WebSocketServer({ noServer: true });
    sockets.on('headers', (headers, req) => {
      for (const line of this.#take(req).set) headers.push(`Set-Cookie: ${line}`);
    });
    this.server.on('upgrade', (req: IncomingMessage, socket: Duplex, head: Buffer) =>
      sockets.handleUpgrade(req, socket, head, (ws) => ws.close(4000)),
    );
  }

  /** Plans the response to one request. @returns its id, the value of `?plan=` in the request's target */
  plan({ set = [], status = 200, fields = {} }: Partial<Plan>): string {
    this.#planned += 1;
    const id = String(this.#planned);
    this.#plans.set(id, { set, status, fields });
    return id;
  }

  /** What has come for a plan: undefined if nothing has, and the first request otherwise. */
  seen(id: string): SeenCall | undefined {
    return this.#seen.get(id)?.[0];
  }

  #take(req: IncomingMessage): Plan {
    const id = new URL(req.url ?? '', 'http://api').searchParams.get('plan') ?? '';
    const { cookie } = req.headers;
    const call = { cookies: cookie === undefined ? [] : cookie.split('; '), headers: req.headers };
    this.#seen.set(id, [...(this.#seen.get(id) ?? []), call]);
    return this.#plans.get(id) ?? { set: [], status: 404, fields: {} };
  }

  #respond(req: IncomingMessage, res: ServerResponse): void {
    const { pathname, searchParams } = new URL(req.url ?? '', 'http://api');
    const file = FILES[pathname];
    if (file !== undefined) return void res.writeHead(200, { 'content-type': 'text/javascript' }).end(file);
    if (PAGES.includes(pathname)) return void res.writeHead(200, { 'content-type': 'text/html' }).end(PAGE);
    const { set, status, fields } = searchParams.has('plan') ? this.#take(req) : NOT_FOUND;
    const { origin, accept = '' } = req.headers;
    if (origin !== undefined) {
      res.setHeader('access-control-allow-origin', origin);
      res.setHeader('access-control-allow-credentials', 'true');
    }
    for (const [name, value] of Object.entries(fields)) res.setHeader(name, value);
    if (set.length > 0) res.setHeader('set-cookie', set);
    res.setHeader('cache-control', 'no-store');
    res.setHeader('content-type', accept === 'text/event-stream' ? accept : 'text/html');
    res.writeHead(status);
    res.end(accept === 'text/event-stream' ? 'data: done\n\n' : status === 204 || status === 304 ? undefined : PAGE);
  }
}

const NOT_FOUND: Plan = { set: [], status: 404, fields: {} };
