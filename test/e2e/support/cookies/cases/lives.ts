// Cases of the cookie table: how long a cookie lives, what deletes it, and how many there can be.
import { type CookieCase, type Difference, read, type Step, set } from '../case.ts';

const PAST = 'Thu, 01 Jan 1970 00:00:00 GMT';
const FUTURE = 'Fri, 01 Jan 2038 00:00:00 GMT';
/** Behind the end of cookies that live three seconds, which busy cores leave enough time to read. */
const LATER_MS = 4_100;
const YEARS_S = 10 * 365 * 86_400;

const numbered = (count: number): string[] => Array.from({ length: count }, (_, i) => `c${i}=${i}`);

/** A browser drops more than it has to, and not the same ones. */
const NEWEST_180: Difference = {
  source: 'SPEC §9.4: it keeps at most what a request may carry and drops the ones set longest ago',
  steps: { 1: { cookies: [numbered(200).slice(20)] } },
};

const EXPIRY: readonly CookieCase[] = [
  {
    name: 'Expires in the future and in the past',
    steps: [set('/', `a=1; Expires=${FUTURE}`, `b=2; Expires=${PAST}`, 'c=3'), read('/')],
  },
  {
    name: 'Expires in the forms of old dates',
    steps: [
      set(
        '/',
        'a=1; Expires=Friday, 01-Jan-38 00:00:00 GMT',
        'b=2; Expires=Fri Jan  1 00:00:00 2038',
        'c=3; Expires=01 Jan 2038 00:00:00',
        'd=4; Expires=Thu, 01-Jan-1970 00:00:01 GMT',
        'e=5; expires=Fri, 1 January 2038 0:0:0',
      ),
      read('/'),
    ],
  },
  {
    name: 'Expires that is not a date',
    steps: [set('/', 'a=1; Expires=tomorrow', 'b=2; Expires=', 'c=3; Expires=0', 'd=4; Expires=-1'), read('/')],
  },
  {
    name: 'Max-Age positive, zero and negative',
    steps: [set('/', 'a=1; Max-Age=60', 'b=2; Max-Age=0', 'c=3; Max-Age=-1', 'd=4'), read('/')],
  },
  {
    name: 'Max-Age that is not a number',
    steps: [
      set(
        '/',
        'a=1; Max-Age=',
        'b=2; Max-Age=x',
        'c=3; Max-Age=1.5',
        'd=4; Max-Age=+60',
        'e=5; Max-Age=-; HttpOnly',
        'f=6; Max-Age="0"',
      ),
      read('/'),
    ],
    differs: {
      source: 'RFC 6265bis §5.6.2: a Max-Age that is not a number is ignored; Firefox takes - for 0',
      in: 'Firefox',
      steps: { 1: { cookies: [['a=1', 'b=2', 'c=3', 'd=4', 'e=5', 'f=6']] } },
    },
  },
  {
    name: 'Max-Age before Expires, in either order',
    steps: [
      set('/', `a=1; Max-Age=60; Expires=${PAST}`, `b=2; Expires=${PAST}; Max-Age=60`),
      set('/', `c=3; Max-Age=0; Expires=${FUTURE}`, `d=4; Expires=${FUTURE}; Max-Age=0`),
      read('/'),
    ],
  },
  {
    name: 'the last Max-Age counts',
    steps: [set('/', 'a=1; Max-Age=0; Max-Age=60', 'b=2; Max-Age=60; Max-Age=0'), read('/')],
  },
  {
    name: 'longer than 400 days',
    steps: [
      set(
        '/',
        `a=1; Max-Age=${YEARS_S}`,
        'b=2; Max-Age=99999999999999999999',
        'c=3; Expires=Fri, 31 Dec 9999 23:59:59 GMT',
      ),
      read('/'),
    ],
  },
  {
    name: 'a cookie expires by itself',
    steps: [
      set('/', 'a=1; Max-Age=3', 'b=2; Max-Age=3; HttpOnly', 'c=3; Max-Age=60'),
      read('/'),
      { waitMs: LATER_MS },
      read('/'),
    ],
  },
  {
    name: 'a cookie that has expired is deleted, and its successor is new',
    steps: [set('/', 'a=1; Max-Age=3', 'b=1'), { waitMs: LATER_MS }, set('/', 'a=2'), read('/')],
  },
];

const DELETION: readonly CookieCase[] = [
  {
    name: 'deleted by Max-Age=0 and by Expires',
    steps: [
      set('/', 'a=1', 'b=2', 'c=3; HttpOnly'),
      set('/', 'a=; Max-Age=0', `b=; Expires=${PAST}`),
      read('/'),
      set('/', 'c=; Max-Age=0'),
      read('/'),
    ],
  },
  {
    name: 'a deletion at another path deletes nothing',
    steps: [
      set('/foo/x', 'a=1'),
      set('/', 'a=; Max-Age=0'),
      read('/foo'),
      set('/', 'a=; Max-Age=0; Path=/foo'),
      read('/foo'),
    ],
  },
  {
    name: 'a deletion with another Domain deletes nothing',
    steps: [
      set('/', 'a=1; Domain={site}', 'b=2'),
      set('/', 'a=; Max-Age=0', 'b=; Domain={site}; Max-Age=0'),
      read('/'),
      set('/', 'a=; Domain={site}; Max-Age=0'),
      read('/'),
    ],
  },
  {
    name: 'a login replaces a session, a logout ends it, another login begins one',
    steps: [
      set('/login', 'sid=first; Path=/; HttpOnly'),
      read('/'),
      set('/login', 'sid=second; Path=/; HttpOnly'),
      read('/'),
      set('/logout', 'sid=; Path=/; HttpOnly; Max-Age=0'),
      read('/'),
      set('/login', 'sid=third; Path=/; HttpOnly'),
      read('/'),
    ],
  },
  {
    name: 'a cookie for the session becomes a lasting one, and back',
    steps: [set('/', 'a=1'), set('/', 'a=2; Max-Age=60'), read('/'), set('/', 'a=3'), read('/')],
  },
  {
    name: 'Clear-Site-Data with cookies, with everything, with others',
    steps: ['"cookies"', '"*"', '"cache", "cookies"'].flatMap((value): Step[] => [
      set('/', 'a=1', 'b=2; HttpOnly', 'c=3; Path=/foo; Max-Age=60'),
      { calls: [{ path: '/logout', fields: { 'clear-site-data': value } }] },
      read('/foo'),
      set('/', 'd=4'),
      read('/foo'),
    ]),
  },
  {
    name: 'Clear-Site-Data without cookies',
    steps: [set('/', 'a=1'), { calls: [{ path: '/logout', fields: { 'clear-site-data': '"cache"' } }] }, read('/')],
  },
  {
    name: 'Clear-Site-Data beside Set-Cookie',
    steps: [
      set('/', 'a=1', 'b=2; HttpOnly'),
      { calls: [{ path: '/logout', set: ['c=3; HttpOnly'], fields: { 'clear-site-data': '"cookies"' } }] },
      read('/'),
    ],
  },
];

/** A request carries as many of them as this. */
const LONG_THAT_FIT = 6;
const LONG = Array.from({ length: 10 }, (_, i) => `long${i}=${'x'.repeat(4_000)}`);

const NUMBER: readonly CookieCase[] = [
  { name: '60 cookies', steps: [set('/', ...numbered(60)), read('/')] },
  {
    name: '200 cookies',
    steps: [set('/', ...numbered(200).map((line) => `${line}; HttpOnly`)), read('/')],
    differs: NEWEST_180,
  },
  {
    name: 'ten cookies of 4000 bytes',
    steps: [...LONG.map((line) => set('/', `${line}; HttpOnly`)), { calls: [{ path: '/' }], unordered: true }],
    differs: {
      source: 'SPEC §9.4: it keeps at most what a request may carry, 32,768 characters of records',
      steps: Object.fromEntries(
        LONG.map((_, i) => [i + 1, { cookies: [LONG.slice(Math.max(0, i + 1 - LONG_THAT_FIT), i + 1)] }]).slice(
          LONG_THAT_FIT,
        ),
      ),
    },
  },
];

export const LIVES: readonly CookieCase[] = [...EXPIRY, ...DELETION, ...NUMBER];
