// The worker's configuration, in the query of its script's URL. A browser may end a worker at any time and restarts it
// from that URL alone, so the configuration does not need messages or storage. A changed configuration is a new worker.
import { RelayClientError } from '../api/errors.ts';

/** Relay, pins and routes of one worker. */
export interface WorkerConfiguration {
  /** The relay's origin, `https://host[:port]`. */
  readonly relay: string;
  /** As in {@link RelayClientOptions.pins}. */
  readonly pins: readonly string[];
  /**
   * Routes to seal, compared as the relay compares MTE_ROUTES: a path (`/api/v1/*`) on the page's origin and on the relay's,
   * or an absolute URL (`https://api.example.com/v1/*`). A `*` at the end matches any rest.
   */
  readonly routes: readonly string[];
}

/** The script's URL with the configuration in its query. */
export function withConfiguration(scriptUrl: URL, { relay, pins, routes }: WorkerConfiguration): URL {
  const url = new URL(scriptUrl);
  url.searchParams.set('relay', relay);
  for (const pin of pins) url.searchParams.append('pin', pin);
  for (const route of routes) url.searchParams.append('route', route);
  return url;
}

/** The configuration in the worker's own URL. */
export function configurationIn(scriptUrl: string): WorkerConfiguration {
  const { searchParams } = new URL(scriptUrl);
  return {
    relay: searchParams.get('relay') ?? '',
    pins: searchParams.getAll('pin'),
    routes: searchParams.getAll('route'),
  };
}

/** The same routes, checked. @throws RelayClientError `misuse`. */
export function checkedRoutes(routes: readonly string[]): readonly string[] {
  if (routes.length === 0) throw new RelayClientError('misuse', 'routes expected at least one path, such as "/api/*"');
  for (const route of routes) {
    const isPath = /^\/(?!\/)[\x21-\x7e]*$/.test(route);
    const isUrl = /^https?:\/\/[^/]+\/[\x21-\x7e]*$/.test(route) && URL.canParse(route);
    if ((!isPath && !isUrl) || /[?#]|\*./.test(route)) {
      throw new RelayClientError(
        'misuse',
        `route expected a path or an absolute URL with a path, at most one * at its end, no query; got "${route}"`,
      );
    }
  }
  return routes;
}
