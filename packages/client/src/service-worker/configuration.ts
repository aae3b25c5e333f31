// The worker's configuration, which stands in the first line of its own script: a page cannot change it, and a browser that
// restarts the worker reads it again.
import { WORKER_CONFIGURATION, type WorkerConfiguration } from '@mte-relay/protocol';
import { RelayClientError } from '../api/errors.ts';
import { checkedPins, relayUrl } from '../checked-options.ts';

/**
 * Takes the configuration out of the worker's global scope. The relay's origin replaces `self`.
 * @throws RelayClientError `misuse` without one or for an invalid one, so that the worker is not installed.
 */
export function takeConfiguration(scope: object, ownOrigin: string): WorkerConfiguration {
  const globals = scope as Record<string, WorkerConfiguration | undefined>;
  const given = globals[WORKER_CONFIGURATION];
  if (!given) {
    throw new RelayClientError('misuse', 'this script has no relay: get it with WORKER_ROUTES, or by mte-relay worker');
  }
  delete globals[WORKER_CONFIGURATION];
  const { relay, pins, routes } = given;
  return {
    relay: relayUrl(relay === 'self' ? ownOrigin : relay).origin,
    pins: checkedPins(pins),
    routes: checkedRoutes(routes),
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
