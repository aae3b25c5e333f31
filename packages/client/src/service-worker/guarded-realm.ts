// The ways of one window to send a request, each behind a guard: functions and classes of the platform as proxies, which
// keep their names and lengths; forms and links by their events; the windows that this one opens or frames, as it reaches
// them. docs/service-worker.md names what no script can hold back.
import { RelayClientError } from '../api/errors.ts';

/** A window with its own globals. */
export type Realm = Window & typeof globalThis;

/** What decides, guard.ts. */
interface Gate {
  readonly verifying: Promise<void> | undefined;
  lists(href: string | undefined): href is string;
  refusal(realm: Realm, method: string, href: string | undefined, never?: string): RelayClientError | undefined;
  displaces(scopeHref: string, scriptHref: string): boolean;
  onUnregistered(scopeHref: string): void;
  keep(stream: EventSource): void;
}

/** Facts of an XMLHttpRequest between `open` and `send`. */
interface Opened {
  readonly method: string;
  readonly href: string | undefined;
  readonly isAsync: boolean;
}

const SYNCHRONOUS = 'a service worker is not asked for a synchronous XMLHttpRequest';
const LATER = 'a service worker is not asked for fetchLater';
const SOCKET = "a service worker is not asked for a WebSocket. Use the client's own: new client.WebSocket(url)";
/** Never sent: a request for it is a network error. */
const NOWHERE = 'about:invalid';

/** By an intrinsic object, since a frame's window is the same before and after it has loaded another page. */
const guarded = new WeakSet<object>();

/** Guards a window, once. */
export function guardRealm(realm: Realm, gate: Gate): void {
  if (guarded.has(realm.Object)) return;
  guarded.add(realm.Object);
  guardFetch(realm, gate);
  guardXhr(realm, gate);
  guardClasses(realm, gate);
  guardForms(realm, gate);
  guardLinks(realm, gate);
  guardWorkers(realm, gate);
  guardWindows(realm, gate);
}

// Any function or class of the platform.
type Callable = (...args: never[]) => unknown;

/** Replaces a function of the platform, if the browser has it. */
function replace(owner: object | undefined, name: string, apply: (call: Call) => unknown): void {
  const owners = owner as Record<string, Callable | undefined> | undefined;
  const original = owners?.[name];
  if (!owners || !original) return;
  owners[name] = new Proxy(original, {
    apply: (target, self: unknown, args: unknown[]) =>
      apply({ self, args, go: () => Reflect.apply(target, self, args as never[]) }),
  });
}

/** One call of a replaced function. */
interface Call {
  readonly self: unknown;
  readonly args: readonly unknown[];
  /** Calls the platform. */
  go(): unknown;
}

/** The URL of an argument as the platform reads it; undefined when the platform will reject it. */
function hrefOf(realm: Realm, input: unknown): string | undefined {
  const given = (input as Partial<Request> | null)?.url ?? `${input}`;
  const base = realm.document.baseURI;
  return URL.canParse(given, base) ? new URL(given, base).href : undefined;
}

function guardFetch(realm: Realm, gate: Gate): void {
  replace(realm, 'fetch', ({ args, go }) => {
    const [input, init] = args as [unknown, RequestInit?];
    const href = hrefOf(realm, input);
    const method = init?.method ?? (input as Partial<Request> | null)?.method ?? 'GET';
    const decide = (): unknown => {
      const error = gate.refusal(realm, method, href);
      return error ? realm.Promise.reject(error) : go();
    };
    return gate.verifying && gate.lists(href) ? gate.verifying.then(decide) : decide();
  });
  replace(realm, 'fetchLater', ({ args, go }) => {
    const error = gate.refusal(realm, 'fetchLater', hrefOf(realm, args[0]), LATER);
    if (error) throw error;
    return go();
  });
  replace(realm.Navigator.prototype, 'sendBeacon', ({ args, go }) =>
    gate.refusal(realm, 'POST', hrefOf(realm, args[0])) ? false : go(),
  );
}

function guardXhr(realm: Realm, gate: Gate): void {
  const { prototype } = realm.XMLHttpRequest;
  const { open } = prototype;
  const opened = new WeakMap<object, Opened>();
  replace(prototype, 'open', ({ self, args, go }) => {
    const [method, url] = args;
    go();
    opened.set(self as object, {
      method: `${method}`,
      href: hrefOf(realm, url),
      isAsync: args.length < 3 || Boolean(args[2]),
    });
  });
  replace(prototype, 'send', ({ self, go }) => {
    const request = self as XMLHttpRequest;
    const { method, href, isAsync } = opened.get(request) ?? { method: '', href: undefined, isAsync: true };
    const error = gate.refusal(realm, method, href, isAsync ? undefined : SYNCHRONOUS);
    if (!error) return go();
    if (!isAsync) throw new realm.DOMException(error.message, 'NetworkError');
    open.call(request, 'GET', NOWHERE, true);
    return go();
  });
}

function guardClasses(realm: Realm, gate: Gate): void {
  const classes = realm as unknown as Record<string, new (...args: never[]) => object>;
  const guardClass = (
    name: string,
    before: (href: string | undefined) => void,
    after: (made: object) => void,
  ): void => {
    const original = classes[name];
    if (!original) return;
    classes[name] = new Proxy(original, {
      construct(target, args: unknown[], newTarget) {
        const href = hrefOf(realm, args[0]);
        before(href);
        const made = Reflect.construct(target, args as never[], newTarget) as object;
        if (gate.lists(href)) after(made);
        return made;
      },
    });
  };
  guardClass(
    'EventSource',
    (href) => throwIf(gate.refusal(realm, 'EventSource', href)),
    (made) => gate.keep(made as EventSource),
  );
  for (const name of ['WebSocket', 'WebSocketStream']) {
    guardClass(
      name,
      (href) => throwIf(gate.refusal(realm, name, href?.replace(/^ws/, 'http'), SOCKET)),
      () => undefined,
    );
  }
}

function throwIf(error: RelayClientError | undefined): void {
  if (error) throw error;
}

function guardForms(realm: Realm, gate: Gate): void {
  const { prototype } = realm.HTMLFormElement;
  // By the attributes: a field named "action" hides the form's own property.
  const refuses = (form: Element, submitter: Element | null | undefined): boolean => {
    const read = (name: string): string =>
      submitter?.getAttribute(`form${name}`) ??
      form.getAttribute(name) ??
      (name === 'action' ? realm.location.href : '');
    const method = read('method').toUpperCase() || 'GET';
    return method !== 'DIALOG' && gate.refusal(realm, method, hrefOf(realm, read('action'))) !== undefined;
  };
  realm.addEventListener(
    'submit',
    (event) => {
      if (refuses(event.target as Element, event.submitter)) event.preventDefault();
    },
    true,
  );
  replace(prototype, 'submit', ({ self, go }) => (refuses(self as Element, undefined) ? undefined : go()));
}

/** A link is held back like a form. Chromium does not ask a worker for one with `download`: it is fetched instead. */
function guardLinks(realm: Realm, gate: Gate): void {
  realm.addEventListener('click', (event) => {
    const link = event.composedPath().find((node) => isLink(node)) as HTMLAnchorElement | undefined;
    if (!link || event.defaultPrevented || !gate.lists(link.href)) return;
    if (link.hasAttribute('download')) {
      event.preventDefault();
      void download(realm, link);
    } else if (gate.refusal(realm, 'GET', link.href)) event.preventDefault();
  });
  replace(realm.HTMLElement.prototype, 'click', ({ self, go }) => {
    // The click of a link outside of the document does not reach the window.
    const link = self as HTMLAnchorElement;
    if (!isLink(link) || link.isConnected || !link.hasAttribute('download') || !gate.lists(link.href)) return go();
    return void download(realm, link);
  });
}

function isLink(node: EventTarget): boolean {
  return (node as Element).localName === 'a' && (node as Element).hasAttribute('href');
}

async function download(realm: Realm, { href, download: name }: HTMLAnchorElement): Promise<void> {
  try {
    const response = await realm.fetch(href);
    if (!response.ok) throw new Error(`status ${response.status}`);
    const link = realm.document.createElement('a');
    link.href = URL.createObjectURL(await response.blob());
    link.download = name || namedIn(response.headers) || (new URL(href).pathname.split('/').pop() as string);
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  } catch (error) {
    console.error(`mte-relay: cannot download ${new URL(href).pathname}:`, error);
  }
}

/** The file name of a Content-Disposition (RFC 6266 §4.3). */
function namedIn(headers: Headers): string | undefined {
  const value = headers.get('content-disposition') ?? '';
  const [, encoded] = /filename\*=utf-8''([^;]+)/i.exec(value) ?? [];
  return encoded ? decodeURIComponent(encoded) : /filename="?([^";]+)/i.exec(value)?.[1];
}

function guardWorkers(realm: Realm, gate: Gate): void {
  replace(realm.ServiceWorkerContainer?.prototype, 'register', ({ args, go }) => {
    const [script, options] = args as [unknown, RegistrationOptions?];
    const scriptHref = hrefOf(realm, script);
    const scope = options?.scope;
    const scopeHref = scriptHref && (scope === undefined ? new URL('./', scriptHref).href : hrefOf(realm, scope));
    if (!scriptHref || !scopeHref || !gate.displaces(scopeHref, scriptHref)) return go();
    const message =
      `${scriptHref} would replace the relay's service worker. Import that in it, ` +
      "importScripts('/public/mte-relay-sw.js') as its first line, and pass its URL as scriptUrl to installRelayServiceWorker";
    return realm.Promise.reject(new RelayClientError('misuse', message));
  });
  replace(realm.ServiceWorkerRegistration?.prototype, 'unregister', async ({ self, go }) => {
    const done = await go();
    gate.onUnregistered((self as ServiceWorkerRegistration).scope);
    return done;
  });
}

/** Guards the windows of the same origin as this one gets hold of them. */
function guardWindows(realm: Realm, gate: Gate): void {
  const guardWindow = (other: unknown): void => {
    try {
      if ((other as Realm | null)?.document) guardRealm(other as Realm, gate);
    } catch {
      // of another origin
    }
  };
  const guardFrames = (): void => {
    for (let i = 0; i < realm.length; i += 1) guardWindow(realm[i]);
  };
  for (const name of ['contentWindow', 'contentDocument'] as const) {
    const { prototype } = realm.HTMLIFrameElement;
    const property = Object.getOwnPropertyDescriptor(prototype, name) as PropertyDescriptor;
    Object.defineProperty(prototype, name, {
      ...property,
      get() {
        const value = property.get?.call(this);
        guardWindow(name === 'contentWindow' ? value : value?.defaultView);
        return value;
      },
    });
  }
  replace(realm, 'open', ({ go }) => {
    const opened = go();
    guardWindow(opened);
    return opened;
  });
  new realm.MutationObserver(guardFrames).observe(realm.document, { childList: true, subtree: true });
  realm.document.addEventListener('load', guardFrames, true);
  guardFrames();
}
