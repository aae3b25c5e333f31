// The ways of the worker's own scripts, in an app's worker that imports the relay's, to send a request: `fetch` and caches
// are sealed on listed routes, and what cannot be sealed is refused. No fetch event is fired for what a worker sends.
import { RelayClientError } from '../api/errors.ts';
import { BACKGROUND, PRELOAD, prototypeOf, replace, replaceClass } from './replace.ts';
import { fetchSealed, type RespondContext } from './respond.ts';

/** Guards the worker's global scope. Call it once, before other scripts run. */
export function guardScope(context: RespondContext): void {
  const lists = (input: unknown): boolean => {
    const given = input instanceof Request ? input.url : `${input}`;
    const base = globalThis.location.href;
    // ws and wss: the same route.
    return URL.canParse(given, base) && context.routes.lists(new URL(given, base).href.replace(/^ws/, 'http'));
  };
  replace(globalThis, 'fetch', async ({ args, go }) => {
    const [input, init] = args as Parameters<typeof fetch>;
    return lists(input) ? await fetchSealed(context, new Request(input, init)) : await go();
  });
  replace(Cache.prototype, 'add', async ({ self, args, go }) =>
    lists(args[0]) ? await addAll(self as Cache, args as RequestInfo[]) : await go(),
  );
  replace(Cache.prototype, 'addAll', async ({ self, args, go }) => {
    const inputs = [...(args[0] as Iterable<RequestInfo>)];
    return inputs.some(lists) ? await addAll(self as Cache, inputs) : await go([inputs]);
  });
  for (const name of ['EventSource', 'WebSocket', 'WebSocketStream']) {
    replaceClass(globalThis, name, ([url]) => {
      if (lists(url)) throw refused(`${name} of a listed route`, 'a worker has sealed fetch alone');
    });
  }
  replace(prototypeOf(globalThis, 'BackgroundFetchManager'), 'fetch', async ({ args, go }) => {
    if ([args[1]].flat().some(lists)) throw refused('background fetch of a listed route', BACKGROUND);
    return await go();
  });
  replace(prototypeOf(globalThis, 'NavigationPreloadManager'), 'enable', async () => {
    throw refused('navigation preload', PRELOAD);
  });
  replace(prototypeOf(globalThis, 'InstallEvent'), 'addRoutes', async () => {
    throw refused('addRoutes', 'it sends requests unsealed');
  });
}

/** Cache.addAll (Service Workers §5.4.5) by the scope's own `fetch`. */
async function addAll(cache: Cache, inputs: readonly RequestInfo[]): Promise<void> {
  const requests = inputs.map((input) => new Request(input));
  const responses = await Promise.all(requests.map(async (request) => [request, await fetch(request)] as const));
  for (const [, { ok, status }] of responses) {
    if (!ok || status === 206) throw new TypeError(`cannot cache a response with status ${status}`);
  }
  await Promise.all(responses.map(([request, response]) => cache.put(request, response)));
}

function refused(what: string, why: string): RelayClientError {
  return new RelayClientError('misuse', `${what} refused: ${why}`);
}
