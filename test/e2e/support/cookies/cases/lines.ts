// Cases of the cookie table: what a Set-Cookie line may look like, and what its flags and prefixes lead to.
import { type CookieCase, type Difference, read, script, set } from '../case.ts';

const latin1 = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');
const sized = (name: string, bytes: number): string => `${name}=${'x'.repeat(bytes - name.length)}`;

const BY_SCRIPT = 'SPEC §9.4, cookies of script: they reach the API only if COOKIES_FROM_SCRIPT lists them';
const scriptStays = (steps: Difference['steps']): Difference => ({ source: BY_SCRIPT, steps });

/** Script may then use its name, to no effect. */
const outOfSight = (steps: Difference['steps']): Difference => ({
  source: 'SPEC §9.4: a cookie of the upstream never leaves the seal, so the browser does not know it',
  steps,
});

const VALUES: readonly CookieCase[] = [
  {
    name: 'empty values, values with =, quotes and commas',
    steps: [set('/', 'a=', 'b=1=2==', 'c="quoted"', 'd="half', 'e=1,2', 'f="a b"', "g=it's"), read('/')],
  },
  {
    name: 'spaces and tabs around names and values, and in them',
    steps: [set('/', '  a  =  1  ', '\tb\t=\t2\t', 'c d=3', 'e=4 5', 'f = 6 ; Path=/'), read('/')],
  },
  {
    name: 'without a name',
    steps: [set('/', '=a; HttpOnly', 'b; HttpOnly', 'c=3'), read('/'), set('/', '=; Max-Age=0; HttpOnly'), read('/')],
    differs: {
      source: 'RFC 6265bis §5.6: a line without = is a value without a name; Firefox takes it for a name',
      in: 'Firefox',
      steps: { 1: { cookies: [['b', 'c=3']] }, 2: { cookies: [['b', 'c=3']] }, 3: { cookies: [['b', 'c=3']] } },
    },
  },
  {
    name: 'without name and value',
    steps: [set('/', '', '=', ';', '; Path=/', 'a=1'), read('/')],
  },
  {
    name: 'nameless cookies that look like prefixed ones',
    steps: [set('/', '=__Host-a=1', '=__Secure-b=1', '__Host-c', '=d=1'), read('/')],
  },
  {
    name: 'names that differ by case, and names of attributes',
    steps: [set('/', 'a=1', 'A=2', 'Path=/x', 'Max-Age=0', 'HttpOnly=1', '$Version=1'), read('/')],
  },
  {
    name: 'bytes beyond ASCII',
    steps: [set('/', latin1('a=grüße'), latin1('ü=1')), read('/')],
  },
  {
    name: 'bytes that are not UTF-8',
    steps: [set('/', 'b=\xff\xfe; HttpOnly', 'c=1'), read('/')],
    differs: {
      source: 'SPEC §9.4: text is latin-1; Firefox puts U+FFFD in place of such bytes',
      in: 'Firefox',
      steps: { 1: { cookies: [['b=\xff\xfe', 'c=1']] } },
    },
  },
  {
    name: 'attributes that do not exist, flags with values, semicolons without end',
    steps: [
      set('/', 'a=1; Foo; Bar=baz', 'b=2; HttpOnly=false', 'c=3;;;; Path=/;', 'd=4;HttpOnly;Path=/', 'e=5 ; httponly'),
      read('/'),
    ],
  },
  {
    name: 'names that objects have',
    steps: [set('/', '__proto__=1', 'constructor=2', 'toString=3'), read('/')],
  },
];

const SIZES: readonly CookieCase[] = [
  {
    name: '4096 bytes of name and value, and one more',
    steps: [set('/', `${sized('a', 4096)}; HttpOnly`, `${sized('b', 4097)}; HttpOnly`, sized('c', 3000)), read('/')],
  },
  {
    name: 'a cookie that is too long does not replace one',
    steps: [set('/', 'a=1'), set('/', sized('a', 4097)), read('/')],
  },
  {
    name: 'an attribute of 1024 bytes, and one more',
    steps: [
      set('/', `a=1; Path=/${'p'.repeat(1023)}`, `b=2; Path=/${'p'.repeat(1024)}`, `c=3; Foo=${'x'.repeat(1025)}`),
      set('/', `d=4; Max-Age=${'0'.repeat(1025)}`, 'z=kept'),
      read(`/${'p'.repeat(1023)}/x`, '/'),
    ],
  },
];

export const FLAGS: readonly CookieCase[] = [
  {
    name: 'HttpOnly hides from script',
    steps: [set('/', 'a=1; HttpOnly', 'b=2'), read('/'), set('/', 'a=2', 'b=3; HttpOnly'), read('/')],
  },
  {
    name: 'Secure on this machine',
    steps: [set('/', 'a=1; Secure', 'b=2'), read('/'), set('/', 'a=; Max-Age=0; Secure'), read('/')],
  },
  {
    name: 'a cookie without Secure in place of a Secure one',
    steps: [set('/', 'a=1; Secure; HttpOnly'), set('/', 'a=2'), read('/'), set('/foo/x', 'a=3'), read('/foo/x')],
  },
  {
    name: '__Secure- with and without Secure',
    steps: [
      set('/', '__Secure-a=1; Secure', '__Secure-b=2', '__secure-c=3', '__Secure-d=4; Secure; Domain={site}'),
      read('/'),
    ],
  },
  {
    name: '__Host- as it should be and not',
    steps: [
      set('/foo/x', '__Host-a=1; Secure; Path=/', '__Host-b=2; Path=/', '__Host-c=3; Secure'),
      set('/', '__Host-d=4; Secure; Path=/; Domain={host}', '__Host-e=5; Secure; Path=/foo', '__HOST-f=6; Path=/'),
      set('/', '__Host-g=7; Secure; HttpOnly'),
      read('/foo/x'),
    ],
    differs: {
      source: 'RFC 6265bis §4.1.3.2: a __Host- cookie has an attribute Path, which Firefox does not require',
      in: 'Firefox',
      steps: { 3: { cookies: [['__Host-a=1']] } },
    },
  },
  {
    name: '__Http- and __Host-Http- as they should be and not',
    steps: [
      set('/', '__Http-a=1; Secure; HttpOnly; Path=/', '__Http-b=2; Secure', '__Http-c=3; HttpOnly'),
      set('/', '__Host-Http-d=4; Secure; HttpOnly; Path=/', '__Host-Http-e=5; Secure; Path=/', 'z=kept'),
      read('/'),
    ],
  },
  {
    name: 'Partitioned with and without Secure',
    steps: [
      set('/', 'a=1; Secure; Partitioned; SameSite=None', 'b=2; Partitioned', 'c=3; Secure; Partitioned; HttpOnly'),
      read('/'),
    ],
  },
  {
    name: 'Partitioned beside one of its name that is not',
    steps: [set('/', 'a=1', 'a=2; Secure; Partitioned; Path=/'), read('/')],
  },
];

const SCRIPT: readonly CookieCase[] = [
  {
    name: 'a cookie that script sets',
    steps: [script('a=1; Path=/'), read('/')],
    differs: scriptStays({ 1: { cookies: [[]] } }),
  },
  {
    name: 'script changes a cookie of the API',
    steps: [set('/', 'a=1'), script('a=2'), read('/'), set('/', 'a=3'), read('/')],
    differs: scriptStays({ 2: { cookies: [['a=1']] }, 3: { cookies: [['a=1']] } }),
  },
  {
    name: 'script deletes a cookie of the API',
    steps: [set('/', 'a=1', 'b=2; HttpOnly'), script('a=; Max-Age=0'), read('/')],
    differs: scriptStays({ 2: { cookies: [['a=1', 'b=2']] } }),
  },
  {
    name: 'script cannot touch an HttpOnly cookie',
    steps: [set('/', 'a=1; HttpOnly'), script('a=2'), read('/'), script('a=; Max-Age=0'), read('/')],
    differs: outOfSight({ 1: { document: ['a=2'] }, 2: { document: ['a=2'] } }),
  },
  {
    name: 'script cannot set an HttpOnly cookie',
    steps: [script('a=1; HttpOnly'), read('/')],
  },
  {
    name: 'a listed cookie of script',
    settings: { COOKIES_FROM_SCRIPT: 'prefs,theme' },
    steps: [
      set('/', 'a=1; HttpOnly'),
      script('prefs=dark; Path=/'),
      read('/'),
      script('prefs=light; Path=/'),
      read('/'),
      script('prefs=; Path=/; Max-Age=0'),
      read('/'),
    ],
  },
  {
    name: 'a listed cookie of script in place of one of the API',
    settings: { COOKIES_FROM_SCRIPT: 'prefs,theme' },
    steps: [set('/', 'prefs=dark'), read('/'), script('prefs=light'), read('/'), set('/', 'prefs=grey'), read('/')],
  },
  {
    name: 'a listed cookie of script cannot replace an HttpOnly one',
    settings: { COOKIES_FROM_SCRIPT: 'prefs,theme' },
    steps: [set('/', 'prefs=dark; HttpOnly'), script('prefs=light'), read('/')],
    differs: outOfSight({ 1: { document: ['prefs=light'] }, 2: { document: ['prefs=light'] } }),
  },
];

export const LINES: readonly CookieCase[] = [...VALUES, ...SIZES, ...FLAGS, ...SCRIPT];
