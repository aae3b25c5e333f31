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
  for (const name of ['add', 'addAll']) {
    replace(Cache.prototype, name, async ({ self, args, go }) => {
      const isOne = name === 'add';
      const inputs = isOne ? args : [...(args[0] as Iterable<unknown>)];
      if (inputs.some(lists)) return await addAll(self as Cache, inputs as RequestInfo[]);
      return await go(isOne ? args : [inputs]);
    });
  }
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
  const work = inputs.map(async (input) => {
    const request = new Request(input);
    const response = await fetch(request);
    const { ok, status } = response;
    if (!ok || status === 206) throw new TypeError(`cannot cache a response with status ${status}`);
    return () => cache.put(request, response);
  });
  await Promise.all((await Promise.all(work)).map((put) => put()));
}

function refused(what: string, why: string): RelayClientError {
  return new RelayClientError('misuse', `${what} refused: ${why}`);
}
