// The globals of a service worker that are used here (W3C Service Workers §4): the compiler's library for pages, which
// the rest of the package needs, has none of them and cannot be loaded together with the one for workers.

/** Anything that keeps the worker alive while it lasts. */
export interface LastingEvent extends Event {
  waitUntil(lasts: Promise<unknown>): void;
}

/** One request of a page. */
export interface FetchEvent extends LastingEvent {
  readonly request: Request;
  /** Of the page that asks; empty for a navigation. */
  readonly clientId: string;
  respondWith(answer: Promise<Response>): void;
}

/** A message of a page. */
export interface PageMessage extends LastingEvent {
  readonly data: unknown;
  readonly ports: readonly MessagePort[];
}

/** Global object of a worker. */
export interface WorkerScope {
  readonly location: Location;
  readonly registration: { readonly scope: string };
  readonly clients: {
    claim(): Promise<void>;
    get(id: string): Promise<{ postMessage(message: unknown): void } | undefined>;
  };
  skipWaiting(): Promise<void>;
  addEventListener(type: 'install' | 'activate', listener: (event: LastingEvent) => void): void;
  addEventListener(type: 'fetch', listener: (event: FetchEvent) => void): void;
  addEventListener(type: 'message', listener: (event: PageMessage) => void): void;
}
