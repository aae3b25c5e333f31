// The form of a case of the cookie table, and the words that its steps are written with.

/** One request of a page to the API, and how the API responds. */
export interface Call {
  readonly path: string;
  /** Set-Cookie lines of the response, as latin-1, with {@link Place}'s names in braces. */
  readonly set?: readonly string[];
  /** Default: 200, or 302 with `next`. */
  readonly status?: number;
  /** More fields of the response. */
  readonly fields?: Readonly<Record<string, string>>;
  /** The request to which the response redirects. */
  readonly next?: Call;
  /** Default: fetch. */
  readonly way?: 'fetch' | 'xhr' | 'event-source' | 'web-socket' | 'dedicated-worker' | 'beacon';
  /** Default: include. */
  readonly credentials?: RequestCredentials;
  readonly mode?: RequestMode;
  /** Default: GET. */
  readonly method?: string;
  /** Default: the first. */
  readonly tab?: string;
}

export interface CallStep {
  /** At once. */
  readonly calls: readonly Call[];
  /** The order of the cookies is left to chance, or to another case. */
  readonly unordered?: boolean;
  /** What each call carries is left to chance; all of them have to arrive. */
  readonly racing?: boolean;
}

export type Step =
  | CallStep
  /** Assigned to `document.cookie`. */
  | { readonly script: string }
  | { readonly navigate: Navigation }
  /** Opens this page in place of the present one. */
  | { readonly page: string }
  | { readonly do: 'reload' | 'restart the browser' | 'restart the relay'; readonly unordered?: boolean }
  | { readonly waitMs: number }
  /** Restarts the relay with these secrets. */
  | { readonly secrets: readonly ('old' | 'new')[] };

/** A page, or a frame in the present one, that the browser itself loads from the API. */
export interface Navigation {
  readonly path: string;
  /** What causes it. */
  readonly by: 'link' | 'get-form' | 'post-form' | 'frame';
  /** Where the page with the link or form is. Default: it is the present one. */
  readonly from?: 'same-site' | 'cross-site';
  readonly set?: readonly string[];
}

/** What a step led to. */
export interface Observation {
  /** The `Cookie` of each request that the step caused, redirects included, in order; null if it has not come. */
  readonly cookies: readonly (readonly string[] | null)[];
  /** What the page saw of each call. */
  readonly outcomes: readonly unknown[];
  /** `document.cookie` behind the step. */
  readonly document: readonly string[];
}

/** An intended difference of the relay from the browser alone. */
export interface Difference {
  /** Where it is stated. */
  readonly source: string;
  /** Where only one of the browsers differs, that one. */
  readonly in?: 'Chromium' | 'Firefox';
  /** What the relay leads to, by the index of the step. */
  readonly steps: Readonly<Record<number, Partial<Observation>>>;
}

export interface CookieCase {
  readonly name: string;
  readonly steps: readonly Step[];
  /** Where the API is, seen from the page. Default: the page's own origin. */
  readonly api?: 'same-site' | 'cross-site';
  /** Besides the defaults of the relay. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly differs?: Difference | readonly Difference[];
  /** The page may not use IndexedDB. */
  readonly withoutStorage?: true;
  /** Page and API are addressed by https. */
  readonly https?: true;
  /** The one browser that runs it. Default: both do. */
  readonly only?: 'Chromium' | 'Firefox';
  /** In a private window. */
  readonly private?: true;
  /** The platform's own calls, which the relay's service worker seals. Paths begin with /api/. */
  readonly serviceWorker?: true;
}

/** A call whose response sets cookies. */
export function set(path: string, ...lines: string[]): Step {
  return { calls: [{ path, set: lines }] };
}

/** Calls that read, all at once. */
export function read(...paths: string[]): Step {
  return { calls: paths.map((path) => ({ path })) };
}

export function script(cookie: string): Step {
  return { script: cookie };
}

export const RELOAD: Step = { do: 'reload' };
export const RESTART_BROWSER: Step = { do: 'restart the browser' };
export const RESTART_RELAY: Step = { do: 'restart the relay' };
