// The page's side of the service worker, in this order: check, register, wait until the worker controls this page. Until
// then the page's requests are not sealed, so the page must await it.
import { orAborted } from '../abort.ts';
import { RelayClientError } from '../api/errors.ts';
import { checkedPins, relayUrl } from '../core.ts';
import { checkedRoutes, type WorkerConfiguration, withConfiguration } from './configuration.ts';
import { FAILURE, type RelayRequestFailure, STAY, TAKE_OVER, TAKEN_OVER } from './messages.ts';

const TIMEOUT_MS = 15_000;
const SERVED_BY_RELAY = '/public/mte-relay-sw.js';
const SERVED_BY_PAGE = '/mte-relay-sw.js';

/** The browser's ServiceWorkerRegistration; `unknown` in projects without DOM types, such as one for Node. */
type BrowsersServiceWorkerRegistration = typeof globalThis extends { ServiceWorkerRegistration: { prototype: infer R } }
  ? R
  : unknown;

/** Options of {@link installRelayServiceWorker}. */
export interface RelayServiceWorkerOptions extends Omit<WorkerConfiguration, 'pins'> {
  /** As in {@link RelayClientOptions.pins}. Default: none; the worker then trusts the first key that it receives. */
  readonly pins?: readonly string[];
  /**
   * URL of the worker's script, on the page's own origin. Default: `/public/mte-relay-sw.js` if the relay has the page's
   * origin, so that it serves the script; otherwise `/mte-relay-sw.js`, a copy on the page's own server.
   */
  readonly scriptUrl?: string | URL;
  /** Pages that the worker controls. Default: `/`, all pages of the origin. */
  readonly scope?: string;
  /** Timeout of the whole installation, ms. Default 15,000; sensible 2,000 to 60,000. */
  readonly timeoutMs?: number;
  /** Called with the reason why a request of this page failed; the page itself sees a network error. Default: logs it. */
  readonly onFailure?: (failure: RelayRequestFailure) => void;
}

/**
 * Installs a service worker that seals this page's requests to the listed routes. Resolves once the worker controls this
 * page; the page must not call its API before.
 * @throws RelayClientError `misuse` for invalid options; `no-service-worker` when the worker never controls the page,
 *   with the reason: an insecure context, a browser without service workers, a missing script, a timeout.
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
    const why = signal.aborted ? `timed out after ${timeoutMs} ms` : `${(cause as Error).message}`;
    throw new RelayClientError('no-service-worker', `the service worker does not control this page: ${why}`, {
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

/** The worker of this configuration, once it has replaced its predecessor. */
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
  throw new Error('not installed: see the console of the worker');
}

/** Resolves when the worker controls this page. After a reload past caches the worker must be asked to. */
async function takenOver(container: ServiceWorkerContainer, worker: ServiceWorker, signal: AbortSignal): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  try {
    const reply = next(port1, 'message', signal) as Promise<MessageEvent>;
    port1.start();
    worker.postMessage(TAKE_OVER, [port2]);
    if ((await reply).data !== TAKEN_OVER) throw new Error('another worker replied');
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

/** Replaces the listener of an earlier call. */
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
  // Without the query, which may hold confidential data.
  console.error(`mte-relay: ${method} ${url.replace(/[?#].*/, '')} failed with ${code}: ${message}`);
}
