// Who may call the port: programs that address it by a name of its own, and no page of another site. A browser lets any page
// send requests to this machine, and a page's own name may turn into this machine's address (DNS rebinding).
import type { IncomingMessage } from 'node:http';

/** Names and origins that an operator allows besides the egress's own. */
export interface AllowedCallers {
  /** `name` for any port, or `name:port`; in lower case, an IPv6 address in brackets. */
  readonly hosts: readonly string[];
  /** As browsers serialize them. */
  readonly origins: readonly string[];
}

/** Why a caller is refused. */
export type CallerRefusal = 'host-refused' | 'origin-refused';

const LOOPBACK_NAMES: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]']);

/** The callers of one port. */
export class Callers {
  readonly #allowed: AllowedCallers;
  /** As it stands in URLs. */
  readonly #listenName: string;

  /** @param listenHost the name or address of --listen. */
  constructor(listenHost: string, allowed: AllowedCallers) {
    this.#allowed = allowed;
    this.#listenName = inUrl(listenHost.toLowerCase());
  }

  /** Undefined if the caller of a request may use the port. Nothing has been read of the request but its head. */
  refusalOf(req: IncomingMessage): CallerRefusal | undefined {
    const { host } = req.headers;
    if (host !== undefined && !this.#isOwn(host, req)) return 'host-refused'; // a browser always sends one
    return this.#isOfAnotherSite(req) ? 'origin-refused' : undefined;
  }

  #isOwn(host: string, { socket }: IncomingMessage): boolean {
    const url = /^[\w.:[\]-]+$/.test(host) && URL.canParse(`http://${host}`) ? new URL(`http://${host}`) : undefined;
    if (!url) return false;
    const { hostname, port } = url;
    if (this.#allowed.hosts.includes(hostname) || this.#allowed.hosts.includes(`${hostname}:${port || '80'}`))
      return true;
    if (Number(port || '80') !== socket.localPort) return false;
    if (LOOPBACK_NAMES.has(hostname) || hostname === this.#listenName) return true;
    // An address needs no name server: the one that the connection came to is the egress's.
    return hostname === inUrl((socket.localAddress ?? '').replace(/^::ffff:(?=\d+\.)/i, ''));
  }

  /** True if a page caused the request and has another origin than this port (Fetch Metadata; RFC 6454 §7). */
  #isOfAnotherSite({ headers }: IncomingMessage): boolean {
    const { host, origin, 'sec-fetch-site': site } = headers;
    if (origin !== undefined && this.#allowed.origins.includes(origin)) return false;
    if (site !== undefined && site !== 'none' && site !== 'same-origin') return true;
    return origin !== undefined && origin !== `http://${host?.toLowerCase()}`;
  }
}

/** An address or name as a URL has it. */
function inUrl(host: string): string {
  const bracketed = host.includes(':') ? `[${host}]` : host;
  return URL.canParse(`http://${bracketed}`) ? new URL(`http://${bracketed}`).hostname : host;
}
