// Cases of the cookie table: which requests a cookie belongs to, by path and domain, and in which order.
import { type CookieCase, type Difference, read, set } from '../case.ts';

const PATHS: readonly CookieCase[] = [
  {
    name: 'without Path: the folder of the response that set it',
    steps: [set('/foo/bar/login', 'a=1'), read('/foo/bar', '/foo/bar/x', '/foo', '/foo/barbar', '/')],
  },
  {
    name: 'without Path, set at the root or below it',
    steps: [set('/', 'a=1'), set('/login', 'b=2'), read('/', '/login', '/other/deep')],
  },
  {
    name: 'without Path, set at a path that ends with a slash',
    steps: [set('/foo/', 'a=1'), read('/foo', '/foo/', '/foo/x', '/')],
  },
  {
    name: 'Path=/ set deep below',
    steps: [set('/foo/bar/login', 'a=1; Path=/'), read('/', '/foo', '/other')],
  },
  {
    name: 'a narrow Path, with what only begins like it',
    steps: [set('/', 'a=1; Path=/foo'), read('/foo', '/foo/', '/foo/x', '/foobar', '/fo', '/', '/Foo')],
  },
  {
    name: 'a Path that ends with a slash',
    steps: [set('/', 'a=1; Path=/foo/'), read('/foo', '/foo/', '/foo/x', '/foobar')],
  },
  {
    name: 'a Path elsewhere than the response',
    steps: [set('/foo/x', 'a=1; Path=/bar'), read('/foo/x', '/bar', '/bar/y')],
  },
  {
    name: 'a Path that is empty, relative or quoted is the default one',
    steps: [
      set('/foo/x', 'a=1; Path=', 'b=2; Path=bar', 'c=3; Path="/"', 'd=4; Path'),
      read('/foo', '/bar', '/', '/foo/y'),
    ],
  },
  {
    name: 'the last Path counts',
    steps: [set('/foo/x', 'a=1; Path=/foo; Path=/bar', 'b=2; Path=/bar; Path='), read('/foo/x', '/bar', '/')],
  },
  {
    name: 'a Path with escapes is compared as it is written',
    steps: [set('/', 'a=1; Path=/f%6Fo', 'b=2; Path=/foo'), read('/foo/x', '/f%6Fo/x')],
    differs: {
      source: 'SPEC §9.2: the upstream sees the canonical path, /foo/x; its cookies are those of that path',
      steps: { 1: { cookies: [['b=2'], ['b=2']] } },
    },
  },
  {
    name: 'a path with a parameter',
    steps: [set('/foo;v=1/login', 'a=1'), read('/foo/x', '/foo;v=1/x', '/foo;v=1')],
  },
  {
    name: 'a Path with a query or a hash',
    steps: [set('/', 'a=1; Path=/foo?x', 'b=2; Path=/foo#x'), read('/foo', '/foo/x')],
  },
  {
    name: 'document.cookie by the path of the page',
    steps: [
      set('/foo/login', 'narrow=1; Path=/foo', 'wide=2; Path=/', 'deep=3; Path=/foo/bar', 'default=4'),
      { page: '/foo/page' },
      { page: '/foo/bar/page' },
      { page: '/page' },
    ],
  },
];

/** Chromium: only if the value stays the same. */
const keepsPlace = (steps: Difference['steps']): Difference => ({
  source: 'RFC 6265bis §5.7: a cookie that replaces one takes over its creation time',
  in: 'Chromium',
  steps,
});

const TWICE = ['a=1', 'b=1', 'c=1', 'a=2', 'd=1', 'b=; Max-Age=0', 'e=1'];

const ORDER: readonly CookieCase[] = [
  {
    name: 'longer paths first, then earlier ones',
    steps: [
      set('/', 'c=root', 'b=root'),
      set('/', 'b=foo; Path=/foo', 'd=bar; Path=/foo/bar', 'a=foo; Path=/foo'),
      read('/foo/bar/x', '/foo/x', '/x'),
    ],
  },
  {
    name: 'one name at two paths',
    steps: [
      set('/', 'a=root; Path=/', 'a=foo; Path=/foo'),
      read('/', '/foo'),
      set('/', 'a=; Path=/foo; Max-Age=0'),
      read('/foo'),
    ],
  },
  {
    name: 'a cookie that is set again keeps its place',
    steps: ['a=1', 'b=1', 'a=2', 'b=1'].flatMap((line) => [set('/', `${line}; HttpOnly`), read('/x')]),
    differs: keepsPlace({
      5: { cookies: [['a=2', 'b=1']] },
      6: { cookies: [['a=2', 'b=1']] },
      7: { cookies: [['a=2', 'b=1']] },
    }),
  },
  {
    name: 'a cookie that was deleted and is set again comes last',
    steps: [set('/', 'a=1'), set('/', 'b=1'), set('/', 'a=; Max-Age=0'), set('/', 'a=2'), read('/x')],
  },
  {
    name: 'many in one response, one of them twice and one deleted at once',
    steps: [set('/', ...TWICE.map((line) => `${line}; HttpOnly`)), read('/x')],
    differs: keepsPlace({ 1: { cookies: [['a=2', 'c=1', 'd=1', 'e=1']] } }),
  },
  {
    name: 'deleted and set again in one response',
    steps: [set('/', 'a=1', 'b=1'), set('/', 'a=; Max-Age=0', 'a=2'), read('/x')],
  },
];

/** The cookies of the first step, which a browser alone ignores. */
const ofUpstream = (...cookies: string[]): Difference => ({
  source: 'SPEC §9.4: a Domain without the client’s host is ignored, since the upstream names its own',
  steps: { 0: { document: cookies }, 1: { cookies: [cookies], document: cookies } },
});

const DOMAINS: readonly CookieCase[] = [
  {
    name: 'host-only beside Domain of the same host',
    steps: [set('/', 'a=host-only', 'a=domain; Domain={host}'), read('/'), set('/', 'a=; Max-Age=0'), read('/')],
  },
  {
    name: 'Domain of the host itself and of its parent',
    steps: [set('/', 'a=1; Domain={host}', 'b=2; Domain={site}'), read('/')],
  },
  {
    name: 'Domain with a dot before it and in upper case',
    steps: [set('/', 'a=1; Domain=.{host}', 'b=2; Domain=.{site}', 'c=3; DOMAIN=WWW.{site}'), read('/')],
  },
  {
    name: 'Domain that is foreign, a sibling, below the host, or ends in the middle of a name',
    steps: [
      set(
        '/',
        'a=1; Domain=example.com',
        'b=2; Domain=api.{site}',
        'c=3; Domain=deep.{host}',
        'd=4; Domain=ww.{site}',
        'e=5; Domain=com',
      ),
      read('/'),
    ],
    differs: ofUpstream('a=1', 'b=2', 'c=3', 'd=4', 'e=5'),
  },
  {
    name: 'Domain that is a public suffix',
    steps: [set('/', 'a=1; Domain=localhost', 'b=2; Domain=.localhost', 'z=kept'), read('/')],
  },
  {
    name: 'Domain that is empty, or comes twice',
    steps: [
      set('/', 'a=1; Domain=', 'c=3; Domain=example.com; Domain={host}', 'd=4; Domain={host}; Domain='),
      read('/'),
    ],
  },
  {
    name: 'Domain with a port, a dot behind it, two before it, or nothing but a dot',
    steps: [
      set('/', 'a=1; Domain={host}:80', 'b=2; Domain={host}.', 'c=3; Domain=..{host}', 'd=4; Domain=.'),
      read('/'),
    ],
    differs: ofUpstream('a=1', 'b=2', 'c=3', 'd=4'),
  },
  {
    name: 'document.cookie at another host of the site',
    api: 'same-site',
    steps: [
      set('/', 'a=host-only', 'b=parent; Domain={site}', 'c=own; Domain={host}', 'd=hidden; Domain={site}; HttpOnly'),
      read('/'),
      set('/', 'b=changed; Domain={site}', 'd=; Domain={site}; Max-Age=0'),
      { calls: [{ path: '/' }], unordered: true },
      { calls: [{ path: '/', set: ['b=; Domain={site}; Max-Age=0'] }], unordered: true },
      read('/'),
    ],
  },
];

export const SCOPES: readonly CookieCase[] = [...PATHS, ...ORDER, ...DOMAINS];
