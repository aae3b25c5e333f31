// Cases of the cookie table: what outlasts what. Reloads, tabs, restarts of relay and browser, secrets, private windows,
// and settings of the relay that pass cookies outside of the seal.
import { type Call, type CookieCase, RELOAD, RESTART_BROWSER, RESTART_RELAY, read, type Step, set } from '../case.ts';

const AT_ONCE = 20;
/** The last is replaced by cases: browsers order a replaced one differently. */
const MIXED = ['b=2', 'c=3; HttpOnly; Max-Age=600', 'd=4; Max-Age=600', 'e=5; Path=/foo', 'a=1; HttpOnly'];

const atOnce = (tab: (i: number) => string | undefined): Step => ({
  racing: true,
  unordered: true,
  calls: Array.from({ length: AT_ONCE }, (_, i): Call => {
    const name = tab(i);
    return { path: `/${i}`, set: [`c${i}=${i}; Path=/${i % 2 ? '; HttpOnly' : ''}`], ...(name && { tab: name }) };
  }),
});
const readAll = (tab?: string): Step => ({ unordered: true, calls: [{ path: '/', ...(tab && { tab }) }] });

const PAGES: readonly CookieCase[] = [
  { name: 'a reload', steps: [set('/', ...MIXED), RELOAD, read('/', '/foo'), set('/', 'a=2'), RELOAD, read('/')] },
  {
    name: 'another tab reads and writes',
    steps: [
      set('/', ...MIXED),
      { calls: [{ path: '/foo', tab: 'second' }] },
      { calls: [{ path: '/', tab: 'second', set: ['a=2; HttpOnly', 'b=; Max-Age=0', 'f=6'] }] },
      read('/'),
      set('/', 'f=7', 'a=; Max-Age=0'),
      { calls: [{ path: '/', tab: 'second' }] },
    ],
  },
  {
    name: '20 calls at once set a cookie each',
    steps: [atOnce(() => undefined), readAll(), { ...RELOAD, unordered: true }, readAll()],
  },
  {
    name: 'two tabs set ten cookies each at once',
    steps: [atOnce((i) => (i < AT_ONCE / 2 ? undefined : 'second')), readAll(), readAll('second')],
  },
  {
    name: 'a page and its worker at once',
    steps: [
      set('/', 'a=1'),
      {
        racing: true,
        unordered: true,
        calls: [
          { path: '/', set: ['b=2'] },
          { path: '/', way: 'dedicated-worker', set: ['c=3; HttpOnly'] },
        ],
      },
      readAll(),
    ],
  },
  {
    name: 'a deletion at once with other calls',
    steps: [
      set('/', 'a=1', 'sid=1; HttpOnly'),
      {
        racing: true,
        unordered: true,
        calls: [
          { path: '/logout', set: ['sid=; Max-Age=0'] },
          { path: '/', set: ['b=2'] },
        ],
      },
      readAll(),
    ],
  },
];

const RESTARTS: readonly CookieCase[] = [
  {
    name: 'the relay restarts and loses its sessions',
    steps: [
      set('/', ...MIXED),
      RESTART_RELAY,
      read('/', '/foo'),
      set('/', 'a=2; HttpOnly'),
      RESTART_RELAY,
      RELOAD,
      read('/'),
    ],
  },
  {
    name: 'CLIENT_ID_SECRET is rotated while the page stays',
    steps: [
      set('/', ...MIXED),
      { secrets: ['new', 'old'] },
      read('/', '/foo'),
      { secrets: ['new'] },
      read('/', '/foo'),
      set('/', 'a=2; HttpOnly'),
      read('/'),
    ],
  },
  {
    name: 'CLIENT_ID_SECRET is rotated, with reloads',
    steps: [
      set('/', ...MIXED),
      { secrets: ['new', 'old'] },
      RELOAD,
      read('/', '/foo'),
      RELOAD,
      { secrets: ['new'] },
      RELOAD,
      read('/', '/foo'),
    ],
  },
  {
    name: 'the browser restarts: cookies of its session end, others stay',
    steps: [set('/', ...MIXED), read('/'), RESTART_BROWSER, read('/', '/foo'), set('/', 'a=2; HttpOnly'), read('/')],
  },
  {
    name: 'a cookie that was lasting and became one of the session ends with the browser',
    steps: [set('/', 'a=1; Max-Age=600; HttpOnly'), set('/', 'a=2; HttpOnly'), read('/'), RESTART_BROWSER, read('/')],
  },
  {
    name: 'a cookie of the session that became lasting outlives the browser',
    steps: [set('/', 'a=1; HttpOnly'), set('/', 'a=2; Max-Age=600; HttpOnly'), read('/'), RESTART_BROWSER, read('/')],
  },
];

const PLACES: readonly CookieCase[] = [
  {
    name: 'a private window',
    private: true,
    steps: [set('/', ...MIXED), read('/', '/foo'), RELOAD, read('/', '/foo'), set('/', 'a=; Max-Age=0'), read('/')],
  },
  {
    name: 'a page that may not store, as long as it lives',
    withoutStorage: true,
    steps: [set('/', ...MIXED), read('/', '/foo'), set('/', 'a=; Max-Age=0'), read('/')],
  },
];

const OUTSIDE: readonly CookieCase[] = [
  ...[{ COOKIES_OUTER: 'sso,sso-script' }, { COOKIES: 'outside' }].map(
    (settings): CookieCase => ({
      name: `${Object.entries(settings).flat().join('=')}: set, read, changed, deleted`,
      settings,
      steps: [
        set('/', 'sso=1; HttpOnly', 'sso-script=2', 'a=3; HttpOnly'),
        { unordered: true, calls: [{ path: '/' }] },
        { unordered: true, calls: [{ path: '/', set: ['sso=2; HttpOnly'] }] },
        { script: 'sso-script=3' },
        { unordered: true, calls: [{ path: '/' }] },
        { unordered: true, calls: [{ path: '/', set: ['sso=; Max-Age=0'] }] },
        RELOAD,
        { unordered: true, calls: [{ path: '/' }] },
      ],
    }),
  ),
  {
    name: 'COOKIES=outside: paths and order',
    settings: { COOKIES: 'outside' },
    steps: [set('/foo/bar/x', 'a=1; Path=/', 'b=2', 'c=3; Path=/foo'), read('/foo/bar/y', '/foo', '/')],
    differs: {
      source: 'SPEC §9.4, cookies outside: attributes stay, and the outer path is not the inner one',
      steps: { 1: { cookies: [['a=1'], ['a=1'], ['a=1']] } },
    },
  },
];

export const TIMES: readonly CookieCase[] = [...PAGES, ...RESTARTS, ...PLACES, ...OUTSIDE];
