// The page's side of the service worker, in this order: check, register, wait until the worker controls this page, guard.
// Until then the page's requests are not sealed, so the page must await it.
import type { WorkerConfiguration } from '@mte-relay/protocol';
import { orAborted } from '../abort.ts';
import { RelayClientError } from '../api/errors.ts';
import { type ScriptCookieMessage, SET_SCRIPT_COOKIE } from '../api/script-cookie.ts';
import { checkedPins, relayUrl } from '../checked-options.ts';
import { checkedRoutes } from './configuration.ts';
import { Guard } from './guard.ts';
import { FAILURE, type RelayRequestFailure, STAY, TAKE_OVER, TAKEN_OVER, type TakenOver } from './messages.ts';

const TIMEOUT_MS = 15_000;
/** A worker that imports the relay's script replies within milliseconds, once the browser has started it. */
const REPLY_WITHIN_MS = 5_000;
const SERVED_BY_RELAY = '/public/mte-relay-sw.js';
const SERVED_BY_PAGE = '/mte-relay-sw.js';

/** The browser's ServiceWorkerRegistration; `unknown` in projects without DOM types, such as one for Node. */
type BrowsersServiceWorkerRegistration = typeof globalThis extends { ServiceWorkerRegistration: { prototype: infer R } }
  ? R
  : unknown;

/** Options of {@link installRelayServiceWorker}. Relay, pins and routes are fixed in the worker's script. */
export interface RelayServiceWorkerOptions {
  /** The origin that the worker must have as its relay, `https://host[:port]`. Default: any. */
  readonly relay?: string;
  /** The pins that the worker may trust, as in {@link RelayClientOptions.pins}. Default: any. */
  readonly pins?: readonly string[];
  /**
   * Routes that the worker must seal, as its script lists them: a path (`/api/v1/*`) or an absolute URL. The page then
   * sends nothing to them before the worker controls it. Default: any.
   */
  readonly routes?: readonly string[];
  /**
   * URL of the worker's script, on the page's own origin; also that of an app's own worker that imports the relay's.
   * Default: `/public/mte-relay-sw.js`, which the relay serves on its origin; with `relay` on another origin
   * `/mte-relay-sw.js`, a file of the page's own server.
   */
  readonly scriptUrl?: string | URL;
  /** Pages that the worker controls. Default: `/`, all pages of the origin. */
  readonly scope?: string;
  /** Timeout of the whole installation, ms. Default 15,000; sensible 2,000 to 60,000. */
  readonly timeoutMs?: number;
  /** Called with the reason why a request of this page failed; the page itself sees a network error. Default: logs it. */
  readonly onFailure?: (failure: RelayRequestFailure) => void;
}

/** The options, checked. */
interface Wanted {
  readonly relay: string | undefined;
  readonly pins: readonly string[] | undefined;
  readonly routes: readonly string[] | undefined;
  readonly scriptHref: string;
  readonly scopeHref: string;
  readonly timeoutMs: number;
}

/** A worker that seals this page's requests. */
interface Sealer {
  readonly registration: ServiceWorkerRegistration;
  readonly worker: ServiceWorker;
  readonly configuration: WorkerConfiguration;
}

const guard = new Guard();

/**
 * Installs a service worker that seals this page's requests to its routes. Resolves once the worker controls this page;
 * the page must not call its API before. From then on listed requests fail with `no-service-worker` whenever no worker, or
 * another one, controls the page, and the worker is installed again.
 * @throws RelayClientError `misuse` for invalid options; `no-service-worker` when the worker never controls the page,
 *   with the reason: an insecure context, a browser without service workers, a missing script, another worker, relay, pins
 *   or routes other than the options ask for, a timeout.
 */
export async function installRelayServiceWorker(
  options: RelayServiceWorkerOptions = {},
): Promise<BrowsersServiceWorkerRegistration> {
  const wanted = checked(options);
  const container = containerOrThrow();
  const { onFailure = reportFailure } = options;
  listen(container, onFailure);
  const { scopeHref, scriptHref } = wanted;
  guard.start({
    container,
    scopeHref,
    scriptHref,
    onFailure,
    routes: wanted.routes && { routes: wanted.routes, relay: wanted.relay ?? location.origin },
    restore: () => install(container, wanted),
    verify: (worker) => ask(worker, AbortSignal.timeout(wanted.timeoutMs)),
  });
  const { registration, worker, configuration } = await install(container, wanted);
  guard.trust(worker, configuration);
  return registration;
}

function checked({
  relay,
  pins,
  routes,
  scriptUrl,
  scope = '/',
  timeoutMs = TIMEOUT_MS,
}: RelayServiceWorkerOptions): Wanted {
  const relayOrigin = relay === undefined ? undefined : relayUrl(relay).origin;
  const served = relayOrigin === undefined || relayOrigin === location.origin ? SERVED_BY_RELAY : SERVED_BY_PAGE;
  const script = new URL(scriptUrl ?? served, location.href);
  if (script.origin !== location.origin) {
    throw new RelayClientError('misuse', `scriptUrl expected one of ${location.origin}, got ${script.origin}`);
  }
  return {
    relay: relayOrigin,
    pins: pins && checkedPins(pins),
    routes: routes && checkedRoutes(routes),
    scriptHref: script.href,
    scopeHref: new URL(scope, location.href).href,
    timeoutMs,
  };
}

function containerOrThrow(): ServiceWorkerContainer {
  const { isSecureContext } = globalThis;
  const container = globalThis.navigator?.serviceWorker as ServiceWorkerContainer | undefined;
  if (isSecureContext && container) return container;
  const why = isSecureContext ? 'this browser has none, or not in this window' : 'it needs https, or localhost';
  throw new RelayClientError('no-service-worker', `no service worker: ${why}`);
}

async function install(container: ServiceWorkerContainer, wanted: Wanted): Promise<Sealer> {
  const { scopeHref, timeoutMs } = wanted;
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const url = trustedUrl(wanted.scriptHref);
    await refuseOther(container, wanted);
    const registering = container.register(url, { scope: scopeHref, updateViaCache: 'none' });
    const registration = await orAborted(registering, signal);
    if (!location.href.startsWith(registration.scope)) throw new Error(`its scope is ${registration.scope}`);
    const sealer = await orAborted(takenOver(container, registration, wanted, signal), signal);
    return sealer;
  } catch (cause) {
    if (cause instanceof RelayClientError) throw cause;
    const why = signal.aborted ? `timed out after ${timeoutMs} ms` : `${(cause as Error).message}`;
    throw new RelayClientError('no-service-worker', `the service worker does not control this page: ${why}`, {
      cause,
    });
  }
}

let policy: { createScriptURL(href: string): unknown } | undefined;
let trustedHref = '';

/** For pages with `require-trusted-types-for 'script'`; the policy takes this URL alone. */
function trustedUrl(href: string): string {
  const { trustedTypes } = globalThis as {
    trustedTypes?: { createPolicy(name: string, rules: object): NonNullable<typeof policy> };
  };
  trustedHref = href;
  policy ??= trustedTypes?.createPolicy('mte-relay', {
    createScriptURL: (given: string) => {
      if (given !== trustedHref)
        throw new TypeError('the policy mte-relay takes the script of the service worker alone');
      return given;
    },
  });
  return (policy?.createScriptURL(href) ?? href) as string;
}

/** Another worker of the same scope would be replaced, and the app lose it. A copy of the relay's at another path may be. */
async function refuseOther(container: ServiceWorkerContainer, { scopeHref, scriptHref }: Wanted): Promise<void> {
  const present = (await container.getRegistrations()).find(({ scope }) => scope === scopeHref);
  const other = [present?.active, present?.waiting, present?.installing].find(
    (worker) =>
      worker && ![withoutQuery(scriptHref), SERVED_BY_PAGE].some((end) => withoutQuery(worker.scriptURL).endsWith(end)),
  );
  if (!other) return;
  throw new Error(
    `${withoutQuery(other.scriptURL)} is the worker of ${scopeHref}. ` +
      `Import the relay's there, importScripts('${SERVED_BY_RELAY}') as its first line, and name it as scriptUrl`,
  );
}

function withoutQuery(href: string): string {
  return href.replace(/[?#].*/, '');
}

/** The worker of this script, once it controls this page and seals what the options ask for. */
async function takenOver(
  container: ServiceWorkerContainer,
  registration: ServiceWorkerRegistration,
  wanted: Wanted,
  signal: AbortSignal,
): Promise<Sealer> {
  let worker = await activated(registration, wanted.scriptHref, signal);
  let configuration = await ask(worker, AbortSignal.any([signal, AbortSignal.timeout(REPLY_WITHIN_MS)]));
  let difference = differenceOf(configuration, wanted);
  if (difference) {
    // Perhaps an older version of the script, which is replaced only when the browser has looked for another.
    await orAborted(registration.update(), signal);
    const newer = registration.installing ?? registration.waiting;
    if (newer) {
      while (newer.state === 'installing') await next(newer, 'statechange', signal);
      worker = newer;
      configuration = await ask(worker, signal);
      difference = differenceOf(configuration, wanted);
    }
  }
  if (difference || !configuration) throw new Error(difference);
  while (container.controller !== worker) await next(container, 'controllerchange', signal);
  return { registration, worker, configuration };
}

/** The worker of this script, once it is active. */
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

/**
 * Has the worker control this page, which a reload past caches leaves without one. The worker's configuration; undefined
 * when it does not reply in time, as one that does not import the relay's script.
 */
async function ask(worker: ServiceWorker, signal: AbortSignal): Promise<WorkerConfiguration | undefined> {
  const { port1, port2 } = new MessageChannel();
  try {
    const reply = next(port1, 'message', signal) as Promise<MessageEvent>;
    port1.start();
    worker.postMessage(TAKE_OVER, [port2]);
    const { type, configuration } = (await orAborted(reply, signal)).data as TakenOver;
    return type === TAKEN_OVER ? configuration : undefined;
  } catch {
    return undefined;
  } finally {
    port1.close();
  }
}

/** Why the worker is not what the options ask for. */
function differenceOf(configuration: WorkerConfiguration | undefined, wanted: Wanted): string | undefined {
  if (!configuration) return "its script does not import the relay's";
  const { relay, pins, routes } = configuration;
  if (wanted.relay !== undefined && wanted.relay !== relay) return `its relay is ${relay}`;
  if (wanted.pins && (pins.length === 0 || !pins.every((pin) => wanted.pins?.includes(pin)))) return 'its pins differ';
  const missing = wanted.routes?.find((route) => !routes.includes(route));
  return missing === undefined ? undefined : `it does not seal ${missing}`;
}

/** The next event of this type. */
function next(target: EventTarget, type: string, signal: AbortSignal): Promise<Event> {
  return new Promise((resolve) => target.addEventListener(type, resolve, { once: true, signal }));
}

let listening: ((event: MessageEvent) => void) | undefined;

/** Replaces the listener of an earlier call. */
function listen(container: ServiceWorkerContainer, onFailure: (failure: RelayRequestFailure) => void): void {
  if (listening) container.removeEventListener('message', listening);
  listening = (event) => {
    const { data, source } = event;
    const type = (data as { type?: unknown } | null)?.type;
    if (data === STAY) (source as ServiceWorker).postMessage(STAY);
    else if (type === FAILURE) onFailure(data as RelayRequestFailure);
    else if (type === SET_SCRIPT_COOKIE) setScriptCookie(data as ScriptCookieMessage);
    else return;
    event.stopImmediatePropagation(); // the app's own listeners may not expect it
  };
  container.addEventListener('message', listening);
  container.startMessages();
}

function setScriptCookie({ setCookie }: ScriptCookieMessage): void {
  // biome-ignore lint/suspicious/noDocumentCookie: the relay has written the line
  document.cookie = setCookie;
}

function reportFailure({ method, url, code, message }: RelayRequestFailure): void {
  // Without the query, which may hold confidential data.
  console.error(`mte-relay: ${method} ${withoutQuery(url)} failed with ${code}: ${message}`);
}
