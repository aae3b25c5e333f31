// Which requests of a page are sealed: its fetch, XMLHttpRequest and sendBeacon calls and its form posts, to listed
// routes. Everything else passes by as if there were no worker.
import { CONTENT_TYPE_MESSAGE, PATH_DISCOVERY, PATH_EXCHANGE, PATH_PAIR, PATH_WEBSOCKET } from '@mte-relay/protocol';

/** The relay's own, which a wide route such as `/*` must not take: sealed again they would be no message. */
const RELAYS_OWN = [
  PATH_DISCOVERY,
  PATH_EXCHANGE,
  PATH_PAIR,
  PATH_WEBSOCKET,
  '/api/mte-echo',
  '/public/mte-relay-client.js',
  '/public/mte-relay-client.mjs',
  '/public/mte-relay-sw.js',
];

/** The routes of one worker. */
export class Routes {
  readonly #relayOrigin: string;
  readonly #exact: ReadonlySet<string>;
  readonly #prefixes: readonly string[];

  /** @param routes checked: paths and absolute URLs, each with a `*` at its end or none. */
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
    if (!this.lists(request.url) || isSealedAlready(request)) return false;
    if (request.mode === 'navigate') return request.method === 'POST';
    // Images, scripts, media, manifests and the like name what they are for; fetch and its kin do not (Fetch §2.2.5).
    return request.destination === '' && !isEventSource(request);
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
 * A path as the most generous server would read it: escapes undone, slashes of each kind one, case forgotten. What some
 * server takes for a listed route is sealed, and then for the relay to refuse; passing by it would be readable first.
 */
function folded(path: string): string {
  const plain = path.replace(/%[2-7][0-9A-Fa-f]/g, (triplet) =>
    String.fromCharCode(Number.parseInt(triplet.slice(1), 16)),
  );
  return plain.replace(/[/\\]+/g, '/').toLowerCase();
}

/** A message of a client in the page, on a visible path. */
function isSealedAlready(request: Request): boolean {
  return request.method === 'POST' && request.headers.get('content-type') === CONTENT_TYPE_MESSAGE;
}

/** Fields of an EventSource, which takes none of the page's. */
const EVENT_SOURCE_FIELD = /^(?:accept|accept-language|cache-control|last-event-id|pragma|user-agent|sec-.*)$/;

/**
 * What the platform's EventSource sends (HTML §9.2.3). A fetch that reads an event stream may ask for no cache as well;
 * it is told by the fields that it brings, such as `authorization`.
 */
function isEventSource({ method, headers, cache }: Request): boolean {
  if (method !== 'GET' || cache !== 'no-store' || headers.get('accept') !== 'text/event-stream') return false;
  return [...headers.keys()].every((name) => EVENT_SOURCE_FIELD.test(name));
}
