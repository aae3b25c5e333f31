// The page's side of the service worker, in this order: check that it is possible, register, wait until the worker looks
// after this very page. Before that a page's requests go out as if there were none, so it must be awaited.
import { orAborted } from '../abort.ts';
import { RelayClientError } from '../api/errors.ts';
import { checkedPins, relayUrl } from '../core.ts';
import { checkedRoutes, type WorkerConfiguration, withConfiguration } from './configuration.ts';
import { FAILURE, type RelayRequestFailure, STAY, TAKE_OVER, TAKEN_OVER } from './messages.ts';

const TIMEOUT_MS = 15_000;
const SERVED_BY_RELAY = '/public/mte-relay-sw.js';
const SERVED_BY_PAGE = '/mte-relay-sw.js';

/** The browser's ServiceWorkerRegistration; a project without the types of a DOM, such as one for Node, compiles too. */
type BrowsersServiceWorkerRegistration = typeof globalThis extends { ServiceWorkerRegistration: { prototype: infer R } }
  ? R
  : unknown;

/** Options of {@link installRelayServiceWorker}. */
export interface RelayServiceWorkerOptions extends Omit<WorkerConfiguration, 'pins'> {
  /** As in {@link RelayClientOptions.pins}. Default: none, and then the worker trusts the key that it sees first. */
  readonly pins?: readonly string[];
  /**
   * Where the worker's script lies, on the page's own origin. Default: `/public/mte-relay-sw.js` when the relay is that
   * origin and so serves it; else `/mte-relay-sw.js`, a copy on the page's own server.
   */
  readonly scriptUrl?: string | URL;
  /** Pages that the worker looks after. Default: `/`, all of the origin. */
  readonly scope?: string;
  /** How long all of it may take, ms. Default 15,000; sensible 2,000 to 60,000. */
  readonly timeoutMs?: number;
  /** Is told why a request of this page has failed, which the page itself sees as a network error. Default: the console. */
  readonly onFailure?: (failure: RelayRequestFailure) => void;
}

/**
 * Has a service worker seal what this page sends to the listed routes. Resolves when it does; only then may the page
 * begin to call its API.
 * @throws RelayClientError `misuse` for options that cannot be used; `no-service-worker` when the page is not looked
 *   after, with the reason: an insecure context, a browser without workers, a script that is not there, a timeout.
 */
export async function installRelayServiceWorker(
  options: RelayServiceWorkerOptions,
): Promise<BrowsersServiceWorkerRegistration> {
  const { scope = '/', timeoutMs = TIMEOUT_MS } = options;
  const url = scriptUrlOf(options);
  const container = containerOrThrow();
  const signal = AbortSignal.timeout(timeoutMs);
  listen(container, options.onFailure ?? reportFailure);
  try {
    const registering = container.register(url, { scope, updateViaCache: 'none' });
    const registration = await orAborted(registering, signal);
    if (!location.href.startsWith(registration.scope)) throw new Error(`its scope is ${registration.scope}`);
    const worker = await orAborted(activated(registration, url.href, signal), signal);
    await orAborted(takenOver(container, worker, signal), signal);
    return registration;
  } catch (cause) {
    if (cause instanceof RelayClientError) throw cause;
    const why = signal.aborted ? `it took longer than ${timeoutMs} ms` : `${(cause as Error).message}`;
    throw new RelayClientError('no-service-worker', `the service worker does not look after this page: ${why}`, {
      cause,
    });
  }
}

function scriptUrlOf({ relay, pins = [], routes, scriptUrl }: RelayServiceWorkerOptions): URL {
  const relayOrigin = relayUrl(relay).origin;
  const configuration = { relay: relayOrigin, pins: checkedPins(pins), routes: checkedRoutes(routes) };
  const served = relayOrigin === location.origin ? SERVED_BY_RELAY : SERVED_BY_PAGE;
  const script = new URL(scriptUrl ?? served, location.href);
  if (script.origin !== location.origin) {
    throw new RelayClientError('misuse', `scriptUrl expected one of ${location.origin}, got ${script.origin}`);
  }
  return withConfiguration(script, configuration);
}

function containerOrThrow(): ServiceWorkerContainer {
  const { isSecureContext } = globalThis;
  const container = globalThis.navigator?.serviceWorker as ServiceWorkerContainer | undefined;
  if (isSecureContext && container) return container;
  const why = isSecureContext ? 'this browser has none, or not in this window' : 'it needs https, or localhost';
  throw new RelayClientError('no-service-worker', `no service worker: ${why}`);
}

/** The worker of this configuration, once it has taken the place of the one before. */
async function activated(
  registration: ServiceWorkerRegistration,
  href: string,
  signal: AbortSignal,
): Promise<ServiceWorker> {
  const ours = (): ServiceWorker | undefined =>
    [registration.active, registration.waiting, registration.installing]
      .filter((worker) => worker !== null)
      .find(({ scriptURL }) => scriptURL === href);
  for (let worker = ours(); worker; worker = ours()) {
    if (worker.state === 'activated') return worker;
    await next(worker, 'statechange', signal);
  }
  throw new Error('it was not installed: see the console of the worker');
}

/** Resolves when the worker is this page's controller, for which it may have to be asked: a reload past caches has none. */
async function takenOver(container: ServiceWorkerContainer, worker: ServiceWorker, signal: AbortSignal): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  try {
    const answer = next(port1, 'message', signal) as Promise<MessageEvent>;
    port1.start();
    worker.postMessage(TAKE_OVER, [port2]);
    if ((await answer).data !== TAKEN_OVER) throw new Error('another worker answered');
    while (container.controller?.scriptURL !== worker.scriptURL) await next(container, 'controllerchange', signal);
  } finally {
    port1.close();
  }
}

/** The next event of this type. */
function next(target: EventTarget, type: string, signal: AbortSignal): Promise<Event> {
  return new Promise((resolve) => target.addEventListener(type, resolve, { once: true, signal }));
}

let listening: ((event: MessageEvent) => void) | undefined;

/** The latest call's listener is the one that is told. */
function listen(container: ServiceWorkerContainer, onFailure: (failure: RelayRequestFailure) => void): void {
  if (listening) container.removeEventListener('message', listening);
  listening = ({ data, source }) => {
    if (data === STAY) (source as ServiceWorker).postMessage(STAY);
    if ((data as { type?: unknown } | null)?.type === FAILURE) onFailure(data as RelayRequestFailure);
  };
  container.addEventListener('message', listening);
  container.startMessages();
}

function reportFailure({ method, url, code, message }: RelayRequestFailure): void {
  // Without its query, which may hold what is nobody else's.
  console.error(`mte-relay: ${method} ${url.replace(/[?#].*/, '')} failed with ${code}: ${message}`);
}
