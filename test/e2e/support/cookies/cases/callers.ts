// Cases of the cookie table: who calls and how. SameSite by the site of the page, credentials, the ways of a page to call,
// and responses that redirect, fail or are empty.
import type { Call, CookieCase, Difference, Step } from '../case.ts';
import { read, set } from '../case.ts';

const SAME_SITES = [
  'strict=1; SameSite=Strict; Secure',
  'lax=1; SameSite=Lax; Secure',
  'none=1; SameSite=None; Secure',
  'absent=1; Secure',
  'garbage=1; SameSite=Foo; Secure',
];

/** Cookies that a page of another site may set and read, where the browser lets it at all. */
const ANYWHERE = 'SameSite=None; Secure; Partitioned';

const OUT_OF_REACH: Difference = {
  source: 'a dedicated worker has neither document.cookie nor the Cookie Store API',
  steps: { 0: { document: [] }, 1: { document: [] } },
};

const DEFAULT_LAX: Difference = {
  source: 'SPEC §9.4: in a `none` context SameSite None alone; Firefox takes cookies without SameSite for None',
  in: 'Firefox',
  steps: { 1: { cookies: [['none=1']] }, 2: { cookies: [['none=1']] } },
};

export const SITES: readonly CookieCase[] = [
  { name: 'SameSite of each kind, page of the same origin', steps: [set('/', ...SAME_SITES), read('/'), read('/')] },
  {
    name: 'SameSite of each kind, page of the same site',
    api: 'same-site',
    steps: [set('/', ...SAME_SITES), read('/'), read('/')],
  },
  {
    name: 'SameSite of each kind, page of another site',
    api: 'cross-site',
    steps: [set('/', ...SAME_SITES), read('/'), read('/')],
    differs: DEFAULT_LAX,
  },
  {
    name: 'SameSite=None without Secure, page of the same origin',
    steps: [set('/', 'a=1; SameSite=None', 'b=2; SameSite=none; HttpOnly', 'c=3'), read('/')],
  },
  {
    name: 'the last SameSite counts',
    api: 'cross-site',
    steps: [
      set('/', 'a=1; Secure; SameSite=Strict; SameSite=None', 'b=2; Secure; SameSite=None; SameSite=Strict'),
      read('/'),
    ],
  },
  {
    name: 'a page of another site: Partitioned, HttpOnly, prefixed, deleted',
    api: 'cross-site',
    steps: [
      set('/', 'a=1; Secure; SameSite=None; Partitioned', 'b=2; Secure; SameSite=None; HttpOnly'),
      set('/', '__Host-c=3; Secure; SameSite=None; Path=/; Partitioned', '__Secure-d=4; Secure; SameSite=None'),
      read('/'),
      set('/', 'b=; Max-Age=0; Secure; SameSite=None', 'a=2; Secure; SameSite=None; Partitioned'),
      { calls: [{ path: '/' }], unordered: true },
    ],
  },
];

const EVERYWHERE = [undefined, 'same-site', 'cross-site'] as const;

const CREDENTIALS: readonly CookieCase[] = EVERYWHERE.map((api) => ({
  name: `credentials of each kind, API ${api ?? 'of the page’s origin'}`,
  ...(api && { api }),
  steps: (['omit', 'same-origin'] as const).flatMap((credentials): Step[] => [
    set('/', 'a=1; SameSite=None; Secure; Partitioned'),
    {
      calls: [
        {
          path: '/',
          credentials,
          set: ['b=2; SameSite=None; Secure', 'a=; Max-Age=0; SameSite=None; Secure; Partitioned'],
        },
      ],
    },
    { calls: [{ path: '/', credentials }] },
    read('/'),
  ]),
}));

export const WAYS: readonly CookieCase[] = EVERYWHERE.map((api) => ({
  name: `EventSource, WebSocket and worker, API ${api ?? 'of the page’s origin'}`,
  ...(api && { api }),
  steps: [
    set('/', `a=1; HttpOnly; ${ANYWHERE}`, `b=1; ${ANYWHERE}`),
    ...(['event-source', 'web-socket', 'dedicated-worker'] as const).flatMap((way): Step[] => [
      {
        calls: [{ path: `/${way}/x`, way, set: [`a=2; HttpOnly; ${ANYWHERE}`, `c=3; Path=/; HttpOnly; ${ANYWHERE}`] }],
      },
      { calls: [{ path: `/${way}/x`, way }] },
      read(`/${way}/x`, '/'),
    ]),
  ],
}));

const METHODS: readonly CookieCase[] = [
  ...(['event-source', 'web-socket', 'dedicated-worker'] as const).map(
    (way): CookieCase => ({
      name: `a cookie for script that comes by ${way}`,
      steps: [{ calls: [{ path: '/', way, set: ['a=1'] }] }, read('/')],
      ...(way === 'dedicated-worker' && { differs: OUT_OF_REACH }),
    }),
  ),
  {
    name: 'POST, PUT, DELETE and HEAD',
    steps: ['POST', 'PUT', 'DELETE', 'HEAD'].flatMap((method): Step[] => [
      { calls: [{ path: '/', method, set: [`${method}=1`] }] },
      { calls: [{ path: '/', method }] },
    ]),
  },
  {
    name: 'an EventSource without credentials at another origin',
    api: 'same-site',
    steps: [
      set('/', 'a=1'),
      { calls: [{ path: '/', way: 'event-source', credentials: 'same-origin', set: ['b=2'] }] },
      read('/'),
    ],
  },
];

const STATUSES: readonly CookieCase[] = [
  {
    name: 'set by responses of status 204, 304, 4xx and 5xx',
    steps: [
      ...[204, 304, 400, 401, 404, 500, 503].map(
        (status): Step => ({
          calls: [{ path: '/foo/x', status, set: [`a${status}=1; HttpOnly`, `b${status}=2; Path=/`] }],
        }),
      ),
      read('/foo/x'),
    ],
  },
];

const hops = (path: string, line: string, next?: Call): Call => ({ path, set: [line], ...(next && { next }) });
const REDIRECTS: readonly CookieCase[] = [
  {
    name: 'set by a redirect, read behind it',
    steps: [{ calls: [hops('/foo/login', 'a=1; Path=/', hops('/', 'b=2', { path: '/x' }))] }, read('/')],
  },
  {
    name: 'set by a redirect for another path than where it leads',
    steps: [
      { calls: [hops('/foo/login', 'a=1', hops('/bar/x', 'b=2', { path: '/foo/x' }))] },
      read('/foo/x', '/bar/x'),
    ],
  },
  {
    name: 'deleted by a redirect',
    steps: [set('/', 'a=1; HttpOnly'), { calls: [hops('/logout', 'a=; Max-Age=0', { path: '/' })] }, read('/')],
  },
  {
    name: 'a redirect of a POST',
    steps: [
      { calls: [{ path: '/login', method: 'POST', status: 303, set: ['a=1; HttpOnly'], next: { path: '/' } }] },
      {
        calls: [
          { path: '/', method: 'POST', status: 307, set: ['a=2; HttpOnly'], next: { path: '/', method: 'POST' } },
        ],
      },
      read('/'),
    ],
  },
];

export const CALLERS: readonly CookieCase[] = [
  ...SITES,
  ...CREDENTIALS,
  ...WAYS,
  ...METHODS,
  ...STATUSES,
  ...REDIRECTS,
];
