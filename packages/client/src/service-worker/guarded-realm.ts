// The ways of one window to send a request, each behind a guard: functions and classes of the platform by replace.ts; forms
// and links by their events; the windows that this one opens or frames, as it reaches them. docs/service-worker.md names
// what no script can hold back.
import { RelayClientError } from '../api/errors.ts';
import { BACKGROUND, PRELOAD, prototypeOf, replace, replaceClass } from './replace.ts';

/** A window with its own globals. */
export type Realm = Window & typeof globalThis;

/** What decides, guard.ts. */
interface Gate {
  readonly verifying: Promise<void> | undefined;
  lists(href: string | undefined): href is string;
  refusal(realm: Realm, method: string, href: string | undefined, never?: string): RelayClientError | undefined;
  objection(scopeHref: string, scriptHref: string): string | undefined;
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
/** Firefox does not ask a worker for a request with `keepalive`. */
const PASSES_KEEPALIVE = /Firefox\//;
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
      if (error) return realm.Promise.reject(error);
      const isKept = init?.keepalive ?? (input as Partial<Request> | null)?.keepalive;
      if (!isKept || !gate.lists(href) || !PASSES_KEEPALIVE.test(realm.navigator.userAgent)) return go();
      // A promise, since the platform rejects invalid arguments.
      return new realm.Promise((resolve) => {
        resolve(go([new realm.Request(input as RequestInfo, init), { keepalive: false }]));
      });
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
  replaceClass(
    realm,
    'EventSource',
    ([url]) => throwIf(gate.refusal(realm, 'EventSource', hrefOf(realm, url))),
    (made) => {
      if (gate.lists((made as EventSource).url)) gate.keep(made as EventSource);
    },
  );
  for (const name of ['WebSocket', 'WebSocketStream']) {
    replaceClass(realm, name, ([url]) =>
      throwIf(gate.refusal(realm, name, hrefOf(realm, url)?.replace(/^ws/, 'http'), SOCKET)),
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

/** Refuses links as forms. Chromium fires no fetch event for a link with `download`, so the guard fetches its content. */
function guardLinks(realm: Realm, gate: Gate): void {
  /** True for a click that the browser must not follow. */
  const refuses = (event: Event, link: Element): boolean => {
    const given = givenHref(link);
    const href = given === null ? undefined : hrefOf(realm, given);
    if (event.defaultPrevented || !gate.lists(href)) return false;
    if (!link.hasAttribute('download')) return gate.refusal(realm, 'GET', href) !== undefined;
    void download(realm, href, link.getAttribute('download') as string);
    return true;
  };
  realm.addEventListener('click', (event) => {
    const link = event.composedPath().find((node) => isLink(node)) as Element | undefined;
    if (link && refuses(event, link)) event.preventDefault();
  });
  /** For a click that does not reach the window or cannot be cancelled: after the link's own listeners it has no href. */
  const goAtLink = (link: Element, go: () => unknown): unknown => {
    const removed: Attr[] = [];
    const last = (event: Event): void => {
      if (!refuses(event, link)) return;
      for (const attribute of [...link.attributes]) {
        if (attribute.localName === 'href') removed.push(link.removeAttributeNode(attribute));
      }
    };
    link.addEventListener('click', last);
    try {
      return go();
    } finally {
      link.removeEventListener('click', last);
      for (const href of removed) link.setAttributeNode(href);
    }
  };
  replace(realm.HTMLElement.prototype, 'click', ({ self, go }) => {
    const link = self as Element;
    return isLink(link) && !link.isConnected ? goAtLink(link, go) : go();
  });
  for (const name of ['HTMLAnchorElement', 'HTMLAreaElement', 'SVGAElement']) {
    replace(prototypeOf(realm, name), 'dispatchEvent', ({ self, args, go }) => {
      const [link, event] = [self as Element, args[0] as Event | undefined];
      const reachesWindow = link.isConnected && event?.bubbles && event.cancelable;
      return event?.type === 'click' && isLink(link) && !reachesWindow ? goAtLink(link, go) : go();
    });
  }
}

function isLink(node: EventTarget): boolean {
  const element = node as Element;
  return ['a', 'area'].includes(element.localName) && givenHref(element) !== null;
}

/** The attribute, which SVG has in a namespace too. */
function givenHref(link: Element): string | null {
  return link.getAttribute('href') ?? link.getAttribute('xlink:href');
}

async function download(realm: Realm, href: string, name: string): Promise<void> {
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
    const why = scriptHref && scopeHref ? gate.objection(scopeHref, scriptHref) : undefined;
    return why ? realm.Promise.reject(misuse(`${scriptHref} was not registered: ${why}`)) : go();
  });
  replace(prototypeOf(realm, 'NavigationPreloadManager'), 'enable', () =>
    realm.Promise.reject(misuse(`navigation preload refused: ${PRELOAD}`)),
  );
  replace(prototypeOf(realm, 'BackgroundFetchManager'), 'fetch', ({ args, go }) => {
    const hrefs = [args[1]].flat().map((input) => hrefOf(realm, input));
    const error = gate.refusal(realm, 'background fetch', hrefs.find(gate.lists.bind(gate)), BACKGROUND);
    return error ? realm.Promise.reject(error) : go();
  });
  replace(realm.ServiceWorkerRegistration?.prototype, 'unregister', async ({ self, go }) => {
    const done = await go();
    gate.onUnregistered((self as ServiceWorkerRegistration).scope);
    return done;
  });
}

function misuse(message: string): RelayClientError {
  return new RelayClientError('misuse', message);
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
