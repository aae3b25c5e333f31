// Stays in the page after the installation: while the worker does not control the page, listed requests fail there and the
// worker is installed again. guarded-realm.ts has the ways to send that it holds back.
import type { WorkerConfiguration } from '@mte-relay/protocol';
import { RelayClientError } from '../api/errors.ts';
import { guardRealm, type Realm } from './guarded-realm.ts';
import { FAILURE, type RelayRequestFailure } from './messages.ts';
import { Routes } from './routes.ts';

/** After a failed attempt to install the worker again, ms until a request causes the next one. */
const RESTORE_EVERY_MS = 1_000;

/** What a guard is started with. */
interface Guarding {
  readonly container: ServiceWorkerContainer;
  readonly scopeHref: string;
  readonly scriptHref: string;
  /** The routes that the page names itself, to hold them back before the worker reports its own. */
  readonly routes: Pick<WorkerConfiguration, 'relay' | 'routes'> | undefined;
  readonly onFailure: (failure: RelayRequestFailure) => void;
  /** Installs the worker again. */
  readonly restore: () => Promise<{ worker: ServiceWorker; configuration: WorkerConfiguration }>;
  /** What a worker of the same script seals; undefined when it does not import the relay's. */
  readonly verify: (worker: ServiceWorker) => Promise<WorkerConfiguration | undefined>;
}

/** The guard of one page. */
export class Guard {
  #guarding: Guarding | undefined;
  #routes: Routes | undefined;
  /** The worker that is known to seal. */
  #sealer: ServiceWorker | undefined;
  #restoring = false;
  #verifying: Promise<void> | undefined;
  readonly #streams = new Set<WeakRef<EventSource>>();

  /** Starts to guard, or goes on with other settings. */
  start(guarding: Guarding): void {
    const isFirst = !this.#guarding;
    this.#guarding = guarding;
    if (guarding.routes) this.#routes ??= routesOf(guarding.routes);
    if (!isFirst) return;
    guardRealm(globalThis as unknown as Realm, this);
    guarding.container.addEventListener('controllerchange', () => this.#onChange());
  }

  /** From now on this worker is the one that must control the page. */
  trust(worker: ServiceWorker, configuration: WorkerConfiguration): void {
    this.#sealer = worker;
    this.#routes = routesOf(configuration);
  }

  /** Resolves when it is known whether a worker of the same script seals; undefined when it is known. */
  get verifying(): Promise<void> | undefined {
    return this.#verifying;
  }

  /** True for the URL of a listed route. */
  lists(href: string | undefined): href is string {
    return href !== undefined && this.#routes?.lists(href) === true;
  }

  /**
   * The error with which a request must fail, which is reported too; undefined when it may be sent.
   * @param never why no worker ever seals such a request.
   */
  refusal(realm: Realm, method: string, href: string | undefined, never?: string): RelayClientError | undefined {
    if (!this.lists(href)) return undefined;
    if (!never && this.#isSealed(realm)) return undefined;
    const why = never ?? 'the service worker does not control this window';
    const error = new RelayClientError('no-service-worker', `${method} was not sent: ${why}`);
    const { code, message } = error;
    this.#guarding?.onFailure({ type: FAILURE, method, url: href, code, message, mayHaveRun: false });
    if (!this.#isSealed(globalThis as unknown as Realm)) this.#restore();
    return error;
  }

  /** Why a service worker must not be registered; undefined when it may be. */
  objection(scopeHref: string, scriptHref: string): string | undefined {
    const { scopeHref: own, scriptHref: script } = this.#guarding as Guarding;
    if (scriptHref.replace(/[?#].*/, '') === script.replace(/[?#].*/, '')) return undefined;
    if (scopeHref === own) {
      return (
        "it would replace the relay's service worker. Import that in it, " +
        "importScripts('/public/mte-relay-sw.js') as its first line, and pass its URL as scriptUrl to installRelayServiceWorker"
      );
    }
    return this.lists(scriptHref) ? 'its script is on a listed route, and a browser loads it unsealed' : undefined;
  }

  /** The relay's worker was unregistered: this page keeps it, and the next one would have none. */
  onUnregistered(scopeHref: string): void {
    if (scopeHref === this.#guarding?.scopeHref) this.#restore();
  }

  /** An event stream of a listed route: the browser would reconnect it without the worker. */
  keep(stream: EventSource): void {
    this.#streams.add(new WeakRef(stream));
  }

  /** A window of another realm has other objects for the same workers. */
  #isSealed(realm: Realm): boolean {
    const { controller } = realm.navigator.serviceWorker ?? {};
    if (!this.#sealer || !controller) return false;
    return realm === globalThis ? controller === this.#sealer : controller.scriptURL === this.#sealer.scriptURL;
  }

  #onChange(): void {
    const { container, verify, scriptHref } = this.#guarding as Guarding;
    const { controller } = container;
    const former = this.#sealer;
    if (!former || controller === former) return; // the installation is not complete
    const isUpdate = controller?.scriptURL === former.scriptURL;
    // The relay's own script seals, of whichever version. One that imported it may import it no more.
    this.#sealer = isUpdate && scriptHref.endsWith('/mte-relay-sw.js') ? controller : undefined;
    if (!isUpdate) {
      this.#endStreams();
      this.#restore();
      return;
    }
    this.#verifying = verify(controller).then((configuration) => {
      this.#verifying = undefined;
      if (configuration && container.controller === controller) return this.trust(controller, configuration);
      this.#sealer = undefined;
      this.#endStreams();
    });
  }

  #endStreams(): void {
    for (const reference of this.#streams) {
      const stream = reference.deref();
      this.#streams.delete(reference);
      if (!stream || stream.readyState === 2) continue;
      stream.close();
      stream.dispatchEvent(new Event('error'));
    }
  }

  #restore(): void {
    const { restore } = this.#guarding as Guarding;
    if (this.#restoring) return;
    this.#restoring = true;
    restore().then(
      ({ worker, configuration }) => {
        this.trust(worker, configuration);
        this.#restoring = false;
      },
      (error) => {
        console.error('mte-relay:', error);
        setTimeout(() => {
          this.#restoring = false;
        }, RESTORE_EVERY_MS);
      },
    );
  }
}

function routesOf({ routes, relay }: Pick<WorkerConfiguration, 'relay' | 'routes'>): Routes {
  return new Routes(routes, relay, location.origin);
}
