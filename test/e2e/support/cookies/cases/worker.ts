// Cases of the cookie table behind the service worker: the platform's own calls of an unchanged page.
import { type Call, type CookieCase, type Difference, RELOAD, RESTART_RELAY, read, type Step, set } from '../case.ts';

const behindWorker = (name: string, ...steps: Step[]): CookieCase => ({
  name: `service worker: ${name}`,
  serviceWorker: true,
  steps,
});
const xhr = (path: string, ...lines: string[]): Step => ({ calls: [{ path, way: 'xhr', set: lines }] });
const beacon = (path: string): Call => ({ path, way: 'beacon', method: 'POST' });

/** Set by a call; those of a path that pages are at. */
const KINDS = set(
  '/api/foo/login',
  'strict=1; SameSite=Strict; HttpOnly',
  'lax=1; SameSite=Lax; HttpOnly',
  'none=1; SameSite=None; Secure; HttpOnly',
);
const BY_LINK = ['link', 'get-form'] as const;

const FROM_ANYWHERE_ELSE: Difference = {
  source: 'docs/service-worker.md: a link from another origin brings Lax and None, since browsers do not show its site',
  steps: { 1: { cookies: [['lax=1', 'none=1']] }, 2: { cookies: [['lax=1', 'none=1']] } },
};

const NAVIGATIONS: readonly CookieCase[] = [
  behindWorker(
    'a link, a form by GET, a frame and a posted form, from the page itself',
    KINDS,
    ...[...BY_LINK, 'frame' as const, 'post-form' as const].map(
      (by): Step => ({ navigate: { path: '/api/foo/x', by } }),
    ),
  ),
  ...(['same-site', 'cross-site'] as const).map((from) => ({
    ...behindWorker(
      `a link and a form by GET, from a ${from} page`,
      KINDS,
      ...BY_LINK.map((by): Step => ({ navigate: { path: '/api/foo/x', by, from } })),
      { page: '/page' },
      read('/api/foo/x'),
    ),
    ...(from === 'same-site' && { differs: FROM_ANYWHERE_ELSE }),
  })),
  behindWorker(
    'a page of the API sets cookies',
    read('/api/'), // once the worker controls the page
    { navigate: { path: '/api/foo/login', by: 'link', set: ['a=1; HttpOnly', 'b=2; Path=/; HttpOnly'] } },
    read('/api/foo/x', '/api/'),
    { navigate: { path: '/api/foo/logout', by: 'post-form', set: ['a=; Max-Age=0'] } },
    read('/api/foo/x', '/api/'),
  ),
];

const FOR_SCRIPT: readonly CookieCase[] = [
  behindWorker(
    'a cookie for script, by a call',
    set('/api/', 'a=1; Path=/'),
    set('/api/', 'b=2; Path=/', 'a=; Path=/; Max-Age=0'),
    read('/api/'),
  ),
  {
    // No page listens to the worker yet, and in Firefox ESR `cookieStore.set` of a worker may store nothing.
    ...behindWorker(
      'a cookie for script, by a page of the API',
      set('/api/', 'a=1; Path=/'),
      { navigate: { path: '/api/x', by: 'link', set: ['b=2; Path=/'] } },
      { page: '/page' },
      read('/api/'),
    ),
    only: 'Chromium',
  },
];

export const WORKER: readonly CookieCase[] = [
  ...FOR_SCRIPT,
  ...NAVIGATIONS,
  behindWorker(
    'fetch and XMLHttpRequest',
    set('/api/foo/login', 'a=1; HttpOnly', 'b=2; Path=/; HttpOnly', 'c=3; Path=/api/foo; HttpOnly'),
    read('/api/foo/x', '/api/', '/api/other'),
    xhr('/api/foo/x', 'd=4; HttpOnly', 'e=5; Path=/; HttpOnly'),
    xhr('/api/foo/x'),
    set('/api/foo/x', 'a=; Max-Age=0', 'e=; Path=/; Max-Age=0'),
    RELOAD,
    read('/api/foo/x', '/api/other'),
  ),
  behindWorker(
    'SameSite, credentials and redirects',
    set(
      '/api/',
      'strict=1; SameSite=Strict; HttpOnly',
      'lax=1; SameSite=Lax; HttpOnly',
      'none=1; SameSite=None; Secure; HttpOnly',
      'absent=1; HttpOnly',
    ),
    read('/api/'),
    { calls: [{ path: '/api/', credentials: 'omit', set: ['never=1; HttpOnly'] }] },
    { calls: [{ path: '/api/', credentials: 'same-origin', set: ['own=1; HttpOnly'] }] },
    { calls: [{ path: '/api/login', set: ['hop=1; HttpOnly'], next: { path: '/api/x' } }] },
    { calls: [beacon('/api/x')] },
    read('/api/x'),
  ),
  behindWorker(
    'another tab, a dedicated worker, and a relay that restarts',
    set('/api/', 'a=1; HttpOnly', 'b=2; HttpOnly'),
    { calls: [{ path: '/api/', tab: 'second', set: ['c=3; HttpOnly'] }] },
    { calls: [{ path: '/api/', way: 'dedicated-worker', set: ['d=4; HttpOnly'] }] },
    RESTART_RELAY,
    read('/api/'),
  ),
];
