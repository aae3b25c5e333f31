// The globals of a service worker that the client uses (W3C Service Workers §4). TypeScript's DOM library, which the rest of
// the package needs, lacks them and conflicts with the library for workers.

/** An event that can keep the worker alive. */
export interface LastingEvent extends Event {
  waitUntil(lasts: Promise<unknown>): void;
}

/** One request of a page. */
export interface FetchEvent extends LastingEvent {
  readonly request: Request;
  /** Id of the requesting page. In a navigation it is empty, or names no page yet. */
  readonly clientId: string;
  respondWith(response: Promise<Response>): void;
}

/** A message of a page. */
export interface PageMessage extends LastingEvent {
  readonly data: unknown;
  readonly ports: readonly MessagePort[];
}

/** A page that the worker controls. */
export interface PageClient {
  postMessage(message: unknown): void;
}

/** Global object of a worker. */
export interface WorkerScope {
  readonly location: Location;
  readonly registration: {
    readonly scope: string;
    /** Absent in older browsers. */
    readonly navigationPreload?: { disable(): Promise<void> };
  };
  readonly clients: {
    claim(): Promise<void>;
    get(id: string): Promise<PageClient | undefined>;
    matchAll(): Promise<readonly PageClient[]>;
  };
  /** The used part of the Cookie Store API (WICG), where the browser has it. */
  readonly cookieStore?: {
    getAll(): Promise<{ name: string; value: string }[]>;
    set(cookie: object): Promise<void>;
  };
  skipWaiting(): Promise<void>;
  addEventListener(type: 'install' | 'activate', listener: (event: LastingEvent) => void): void;
  addEventListener(type: 'fetch', listener: (event: FetchEvent) => void): void;
  addEventListener(type: 'message', listener: (event: PageMessage) => void): void;
}

/** True for the methods of a Request that cannot have a body. */
export function hasNoBody({ method }: Request): boolean {
  return method === 'GET' || method === 'HEAD';
}
