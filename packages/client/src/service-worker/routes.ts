// Which requests the worker seals: all that the browser hands over and that go to a listed route, whatever in the page
// causes them. The browser handles all others as without a worker.
import { PATH_DISCOVERY, PATH_EXCHANGE, PATH_PAIR, PATH_WEBSOCKET } from '@mte-relay/protocol';

/** The relay's own paths, which a wide route such as `/*` must not include: sealed twice, a message would be malformed. */
const RELAYS_OWN = [
  PATH_DISCOVERY,
  PATH_EXCHANGE,
  PATH_PAIR,
  PATH_WEBSOCKET,
  '/api/mte-echo',
  '/public/mte-relay-client.js',
  '/public/mte-relay-client.mjs',
  '/public/mte-relay-install.js',
  '/public/mte-relay-install.mjs',
  '/public/mte-relay-sw.js',
  '/public/mte-relay-licenses.txt',
];

/** The routes of one worker. */
export class Routes {
  readonly #relayOrigin: string;
  readonly #exact: ReadonlySet<string>;
  readonly #prefixes: readonly string[];

  /** @param routes checked paths and absolute URLs, each with or without a `*` at its end. */
  constructor(routes: readonly string[], relayOrigin: string, pageOrigin: string) {
    this.#relayOrigin = relayOrigin;
    const urls = routes.flatMap((route) => {
      if (route.startsWith('/')) return [relayOrigin + folded(route), pageOrigin + folded(route)];
      const { origin, pathname } = new URL(route);
      return [origin + folded(pathname)];
    });
    this.#exact = new Set(urls.filter((url) => !url.endsWith('*')));
    this.#prefixes = urls.filter((url) => url.endsWith('*')).map((url) => url.slice(0, -1));
  }

  /** True for a request that must be sealed or fail. */
  seals(request: Request): boolean {
    return this.lists(request.url);
  }

  /** True for the URL of a listed route. */
  lists(href: string): boolean {
    const { origin, pathname } = new URL(href);
    if (origin === this.#relayOrigin && RELAYS_OWN.includes(pathname)) return false;
    const url = origin + folded(pathname);
    return this.#exact.has(url) || this.#prefixes.some((prefix) => url.startsWith(prefix));
  }
}

/**
 * A path as the most lenient server would read it: unescaped, with single forward slashes, in lower case. The worker seals
 * every path that some server takes for a listed route, and the relay may refuse it. Unsealed, it would be readable.
 */
function folded(path: string): string {
  const plain = path.replace(/%[2-7][0-9A-Fa-f]/g, (triplet) =>
    String.fromCharCode(Number.parseInt(triplet.slice(1), 16)),
  );
  return plain.replace(/[/\\]+/g, '/').toLowerCase();
}
