// A rejected setting is reported with the wrong item, and with an expected form that the rejected value does not have.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFiles } from '@mte-relay/testing/temporary-files';
import { describe, expect, test } from 'vitest';
import { DOMAIN_SETTINGS } from '../src/config/domain-settings.ts';
import { PROCESS_SETTINGS } from '../src/config/process-settings.ts';
import { ConfigError, type ConfigProblem, loadSettings, readEnvironment } from '../src/index.ts';
import { selfSigned } from './support/certificate.ts';

const SECRET = '2DkV4DDabehO8cifDktdF9elKJL0CKrk';
const GOOD = { UPSTREAM: 'https://api.example', CLIENT_ID_SECRET: SECRET, CORS_ORIGINS: 'https://a.example' };
const SETTINGS = { ...DOMAIN_SETTINGS, ...PROCESS_SETTINGS };
type Name = keyof typeof SETTINGS;
const NAMES = Object.keys(SETTINGS) as Name[];

interface PropertySchema {
  readonly enum?: readonly unknown[];
  readonly type?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
}
const FILE = join(import.meta.dirname, '../settings.schema.json');
const { properties } = JSON.parse(readFileSync(FILE, 'utf8')) as { properties: Record<string, PropertySchema> };
const schemaOf = (name: string): PropertySchema => properties[name] as PropertySchema;

function thrownBy(environment: Record<string, string>): readonly ConfigProblem[] {
  try {
    loadSettings(environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

/** The problems when one setting has this value and the others are right. */
const problemsOf = (name: string, value: string): readonly ConfigProblem[] => thrownBy({ ...GOOD, [name]: value });

const mapProblemsOf = (map: string): readonly ConfigProblem[] => {
  const { UPSTREAM: _, ...shared } = GOOD;
  return thrownBy({ ...shared, DOMAIN_MAP: map });
};

/** The only problem of a value, for settings that are refused once. */
function refusalOf(name: string, value: string): ConfigProblem {
  const problems = problemsOf(name, value);
  expect(problems, `${name}=${value}`).toHaveLength(1);
  return problems[0] as ConfigProblem;
}

const { key, cert } = selfSigned();
const garbage = cert.replace(/\n[\s\S]+\n-/, '\nbm8gY2VydGlmaWNhdGU=\n-');
/** Accept any text. */
const FREE: readonly Name[] = ['LOG_MODULE', 'SESSIONS_MODULE', 'STARTUP_MODULE', 'OTEL_SERVICE_NAME'];
/** Have a minimum and a maximum. */
const RANGED = NAMES.filter((name) => schemaOf(name).minimum !== undefined);
/** Have a list of words. */
const CHOICES = NAMES.filter((name) => schemaOf(name).enum !== undefined);

const LONG = 'x'.repeat(32);
const URL_WANTED = 'an absolute URL of scheme http or https';
const ORIGIN_WANTED = 'an http or https origin such as';
const CANONICAL = (origin: string): string => `${origin}, the form that browsers send`;
const CERTIFICATE_WANTED = 'a certificate in PEM that can be parsed';

/** By setting: a value, what of it is named, and what is expected in its place. */
const OTHERS: { readonly [N in Name]?: readonly (readonly [value: string, seen: string, expected: string])[] } = {
  UPSTREAM: [
    ['api.example', 'got "api.example"', URL_WANTED],
    ['ftp://api.example', 'got "ftp://api.example"', URL_WANTED],
    ['http://api.example:65536', 'got "http://api.example:65536"', URL_WANTED],
    ['https://u:hunter2@api.example', 'got "https://…@api.example"', 'without user or password'],
    ['https://api.example/?q=1', 'got "https://api.example/?q=1"', 'without query or fragment'],
    ['https://api.example/#f', 'got "https://api.example/#f"', 'without query or fragment'],
  ],
  UPSTREAM_CA: [
    ['x', 'got "x"', 'one or more certificates in PEM'],
    [cert + garbage, `got ${garbage.trimEnd().length} characters (not shown) as item 2`, CERTIFICATE_WANTED],
  ],
  UPSTREAM_CERT: [
    ['x', 'got "x"', 'one or more certificates in PEM'],
    [key, `got ${key.length} characters (not shown)`, 'one or more certificates in PEM'],
  ],
  UPSTREAM_KEY: [
    ['hunter2', 'got 7 characters (not shown)', 'a private key in PEM without passphrase'],
    [cert, `got ${cert.length} characters (not shown)`, 'a private key in PEM without passphrase'],
  ],
  CORS_ORIGINS: [
    ['*', 'got "*" as item 1', ORIGIN_WANTED],
    ['null', 'got "null" as item 1', ORIGIN_WANTED],
    ['https://a.example,b.example', 'got "b.example" as item 2', ORIGIN_WANTED],
    ['https://a.example, app://b', 'got "app://b" as item 2', ORIGIN_WANTED],
    ['https://a.example:65536', 'got "https://a.example:65536" as item 1', 'its port at most 65535'],
    ['https://a.example,https://B.example', 'got "https://B.example" as item 2', CANONICAL('https://b.example')],
    ['https://a.example:443', 'got "https://a.example:443" as item 1', CANONICAL('https://a.example')],
    ['http://a.example:80', 'got "http://a.example:80" as item 1', CANONICAL('http://a.example')],
    ['https://bücher.example', 'got "https://bücher.example" as item 1', CANONICAL('https://xn--bcher-kva.example')],
    ['https://a.example/', 'got "https://a.example/" as item 1', CANONICAL('https://a.example')],
    ['HTTPS://a.example/x?y', 'got "HTTPS://a.example/x?y" as item 1', CANONICAL('https://a.example')],
    ['https://u:hunter2@a.example', 'got "https://…@a.example" as item 1', CANONICAL('https://a.example')],
    [' , ', 'got " , "', 'at least 1 item'],
  ],
  CORS_METHODS: [
    ['GET,*', 'got "*" as item 2', 'a method name without "*"'],
    ['GET POST,PUT', 'got "GET POST" as item 1', 'a method name'],
    [',', 'got ","', 'at least 1 item'],
  ],
  CLIENT_ID_SECRET: [
    ['hunter2', 'got 7 characters (not shown) as item 1', 'at least 32 characters'],
    [`${LONG},hunter2`, 'got 7 characters (not shown) as item 2', 'at least 32 characters'],
    [`${LONG},${LONG},${LONG}`, 'got 98 characters (not shown)', '1 to 2 items'],
  ],
  RELAY_IDENTITY_SEED: [
    ['c2hvcnQ=', 'got 8 characters (not shown) as item 1', '32 bytes in base64'],
    [`${'A'.repeat(43)}=,c2hvcnQ=`, 'got 8 characters (not shown) as item 2', '32 bytes in base64'],
    [',', 'got 1 character (not shown)', '1 to 2 items'],
  ],
  PASS_THROUGH_ROUTES: [
    ['/ok,health', 'got "health" as item 2', 'a path that starts with one "/"'],
    ['//a', 'got "//a" as item 1', 'a path that starts with one "/"'],
    ['/a b', 'got "/a b" as item 1', 'a path in visible ASCII'],
    ['/ok,/café', 'got "/café" as item 2', 'a path in visible ASCII'],
    ['/a?x=1', 'got "/a?x=1" as item 1', 'a path without "?" and "#"'],
    ['/a/*/b', 'got "/a/*/b" as item 1', 'a path without "*" except at its end'],
    ['/a/../b', 'got "/a/../b" as item 1', 'a path without dot segments'],
    ['/a%2Fb', 'got "/a%2Fb" as item 1', 'escaped "/"'],
    ['/a%zz', 'got "/a%zz" as item 1', 'incomplete escapes'],
  ],
  MTE_ROUTES: [
    ['/**', 'got "/**" as item 1', 'a path without "*" except at its end'],
    [',', 'got ","', 'at least 1 item'],
  ],
  WORKER_ROUTES: [
    ['/**', 'got "/**" as item 1', 'a path without "*" except at its end'],
    ['api', 'got "api" as item 1', 'a path that starts with one "/"'],
  ],
  HEADERS: [
    ['hunter2', 'got 7 characters (not shown)', 'a JSON object'],
    ['["hunter2"]', 'got 11 characters (not shown)', 'a JSON object'],
    ['{"x-a":"1","x-b":["hunter2"]}', 'got an array as "x-b"', 'a string'],
    ['{"x-a":"ünter2"}', 'got 6 characters (not shown) as "x-a"', 'ASCII'],
    ['{"x-a":"1","hunter2 ":"1"}', 'got 8 characters (not shown) as item 2', 'a header name'],
    ['{"x-a":"1","Host":"hunter2"}', 'got 7 characters (not shown) as "Host"', 'a header that'],
    ['{"x_forwarded_for":"hunter2"}', 'got 7 characters (not shown) as "x_forwarded_for"', 'a header that'],
    ['{"Authorization":"hunter2"}', 'got 7 characters (not shown) as "Authorization"', 'REQUEST_HEADERS'],
  ],
  REQUEST_HEADERS: [
    ['hunter2', 'got 7 characters (not shown)', 'a JSON object'],
    ['{"Via":"hunter2"}', 'got 7 characters (not shown) as "Via"', 'a header that'],
    ['{"x-a":7}', 'got a number as "x-a"', 'a string'],
  ],
  RESPONSE_HEADERS: [
    ['hunter2', 'got 7 characters (not shown)', 'a JSON object'],
    ['{"x_api_key":"hunter2"}', 'got 7 characters (not shown) as "x_api_key"', 'REQUEST_HEADERS'],
  ],
  REQUEST_FIELDS_TRUSTED: [
    ['x-forwarded-user,x forwarded', 'got "x forwarded" as item 2', 'a header name in characters of a token'],
    ['X_Forwarded_For', 'got "X_Forwarded_For" as item 1', 'no other setting, the relay itself or the connection'],
    ['x-original-url', 'got "x-original-url" as item 1', 'no other setting'],
  ],
  OUTER_FIELDS_PASSED: [
    ['Cookie', 'got "Cookie" as item 1', 'no other setting'],
    ['x-tenant,Transfer-Encoding', 'got "Transfer-Encoding" as item 2', 'no other setting'],
    ['mte-relay-client-id', 'got "mte-relay-client-id" as item 1', 'no other setting'],
  ],
  COOKIES_OUTER: [
    ['sso,a b', 'got "a b" as item 2', 'of 1 to 128 characters of a token'],
    ['sid=1', 'got "sid=1" as item 1', "a cookie's name"],
    ['__Host-Http-mte-relay-jar', 'got "__Host-Http-mte-relay-jar" as item 1', 'not one of the relay’s jar keys'],
  ],
  COOKIES_FROM_SCRIPT: [
    [Array.from({ length: 33 }, (_, at) => `c${at}`).join(), 'got "c0,c1', '0 to 32 items'],
    ['thème', 'got "thème" as item 1', "a cookie's name"],
  ],
  ADMIN_HOST: [
    ['relay.example', 'got "relay.example"', 'an IP address'],
    ['[::1]', 'got "[::1]"', 'an IP address such as 127.0.0.1 or ::1'],
  ],
  TRUSTED_PROXIES: [
    ['10.0.0.0/8,proxy.example', 'got "proxy.example" as item 2', 'an IP address or CIDR range'],
    ['10.0.0.0/33', 'got "10.0.0.0/33" as item 1', 'an IP address or CIDR range'],
  ],
  REDIS_URL: [['http://u:hunter2@cache', 'got 22 characters (not shown)', 'redis://']],
  REDIS_CA: [
    ['x', 'got "x"', 'one or more certificates in PEM'],
    [garbage, `got ${garbage.trimEnd().length} characters (not shown) as item 1`, CERTIFICATE_WANTED],
  ],
  REDIS_KEY_PREFIX: [
    ['a{b}:', 'got "a{b}:"', 'without braces'],
    ['a b', 'got "a b"', 'visible ASCII'],
    ['x'.repeat(65), 'got "xxx', '1 to 64 '],
  ],
  OTEL_EXPORTER_OTLP_ENDPOINT: [
    ['otel.example:4318', 'got "otel.example:4318"', URL_WANTED],
    ['ftp://u:hunter2@otel.example', 'got "ftp://…@otel.example"', URL_WANTED],
  ],
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: [['grpc://otel.example', 'got "grpc://otel.example"', URL_WANTED]],
  OTEL_EXPORTER_OTLP_HEADERS: [
    ['a=1,hunter2', 'got 7 characters (not shown) as item 2', 'name=value'],
    ['a=hunter2%', 'got 10 characters (not shown) as item 1', 'without "%" except before two hexadecimal digits'],
  ],
  OTEL_RESOURCE_ATTRIBUTES: [
    ['a=1,b', 'got "b" as item 2', 'name=value'],
    ['a b=1', 'got "a b=1" as item 1', 'without spaces in the name'],
  ],
};

test('every setting is fed wrong values here, except those that accept any text', () => {
  const covered = new Set<string>([...FREE, ...RANGED, ...CHOICES, ...Object.keys(OTHERS)]);
  expect([...covered].sort()).toEqual([...NAMES].sort());
  for (const name of FREE) expect(problemsOf(name, 'any text'), name).toEqual([]);
});

describe.each(RANGED)('%s', (name) => {
  const { minimum, maximum } = schemaOf(name) as { minimum: number; maximum: number };
  const isInteger = schemaOf(name).type?.includes('integer') === true;
  const wrong: readonly (readonly [kind: string, value: string])[] = [
    ['below', String(minimum - 1)],
    ['above', String(BigInt(maximum) + 1n)],
    ['of another kind', 'many'],
    ['with a fraction above', `${maximum}.5`],
    ...(isInteger ? ([['with a fraction', `${minimum}.5`]] as const) : []),
  ];

  test('accepts both ends of the range that its message and the schema name', () => {
    expect(SETTINGS[name].expected).toContain(`from ${minimum} to ${maximum}`);
    for (const end of [minimum, maximum]) expect(problemsOf(name, String(end)), `${name}=${end}`).toEqual([]);
  });

  test.each(wrong)('rejects a value %s: %s', (_, value) => {
    expect(refusalOf(name, value)).toEqual({ name, seen: `got "${value}"`, expected: SETTINGS[name].expected });
  });
});

describe.each(CHOICES)('%s', (name) => {
  test('names every word that it accepts, and rejects others', () => {
    const words = (schemaOf(name).enum ?? []).filter((word): word is string => typeof word === 'string' && word !== '');
    for (const word of words) expect(problemsOf(name, word), `${name}=${word}`).toEqual([]);
    const { seen, expected } = refusalOf(name, 'neither');
    expect(seen).toBe('got "neither"');
    expect(expected).toBe(words.length === 1 ? words[0] : `one of ${words.join(', ')}`);
  });
});

const ROWS = Object.entries(OTHERS).flatMap(([name, rows]) => rows.map((row) => [name as Name, ...row] as const));
test.each(ROWS)('%s=%j is rejected with what is wrong and what is expected', (name, value, seen, expected) => {
  const refusal = refusalOf(name, value);
  expect(refusal.name).toBe(name);
  expect(refusal.seen.startsWith(seen), `${refusal.seen} for ${seen}`).toBe(true);
  expect(refusal.expected).toContain(expected);
  expect(JSON.stringify(refusal)).not.toContain('hunter2');
});

test('the origin that a message names is the form that is accepted', () => {
  const named = (OTHERS.CORS_ORIGINS ?? []).flatMap(([value]) => {
    const [, origin] = /^(\S+), the form that browsers send$/.exec(refusalOf('CORS_ORIGINS', value).expected) ?? [];
    return origin === undefined ? [] : [origin];
  });
  expect(named.length).toBeGreaterThan(5);
  for (const origin of named) expect(problemsOf('CORS_ORIGINS', origin), origin).toEqual([]);
});

test('every wrong item of a list is reported', () => {
  expect(problemsOf('CORS_ORIGINS', 'https://A.example,https://b.example,c').map(({ seen }) => seen)).toEqual([
    'got "https://A.example" as item 1',
    'got "c" as item 3',
  ]);
});

const SPELLINGS = ['https://u:hunter2@h', 'https:u:hunter2@h', 'u:hunter2@h', 'x://hunter2@h/?q#f', 'x\n//hunter2@h'];
test.each(NAMES)('%s shows neither a password in a URL nor a key in PEM', (name) => {
  const body = key.split('\n')[1] as string;
  for (const value of [...SPELLINGS, ...SPELLINGS.map((url) => `https://a.example,${url}`), key, `x\n${key}`]) {
    const shown = JSON.stringify(problemsOf(name, value));
    expect(shown).not.toContain('hunter2');
    expect(shown).not.toContain(body);
  }
});

describe('DOMAIN_MAP', () => {
  const HOST_WANTED = 'a host of letters, digits, "." and "-", or an IPv6 address in brackets';
  const ENTRY_WANTED = 'an object of settings such as {"upstream": "http://api:3000"}';
  const MAP_WANTED = 'a JSON object of at least one host, such as {"api.example.com": {"upstream": "http://api:3000"}}';
  const entry = { upstream: 'http://api' };

  test.each([
    ['{', 'got text that is not JSON'],
    ['"hunter2"', 'got a string'],
    ['["hunter2"]', 'got an array'],
    ['null', 'got null'],
    ['7', 'got a number'],
    ['{}', 'got an object without a host'],
  ])('%s is rejected as a whole', (map, seen) => {
    expect(mapProblemsOf(map)).toEqual([{ name: 'DOMAIN_MAP', seen, expected: MAP_WANTED }]);
  });

  test.each([
    ['*.x', HOST_WANTED],
    ['a b', HOST_WANTED],
    ['a_b', HOST_WANTED],
    ['', HOST_WANTED],
    ['api.example:65536', 'a port up to 65535'],
    ['[::x]', HOST_WANTED],
    ['bücher.example:8443', 'xn--bcher-kva.example:8443, the form that clients send'],
    ['https://api.example', 'api.example, the form that clients send'],
    ['https://API.example:8443/x', 'api.example:8443, the form that clients send'],
    ['api.example/', 'api.example, the form that clients send'],
  ])('the key %j is named with the form wanted', (host, expected) => {
    const [problem, ...more] = mapProblemsOf(JSON.stringify({ 'ok.example': entry, [host]: entry }));
    expect(more).toEqual([]);
    expect(problem).toEqual({
      name: `DOMAIN_MAP[${JSON.stringify(host)}]`,
      seen: 'got a key that is not a host',
      expected: expect.stringContaining(expected),
    });
    const [wanted] = /^(\S+), the form/.exec(problem?.expected ?? '')?.slice(1) ?? [];
    if (wanted !== undefined) expect(mapProblemsOf(JSON.stringify({ [wanted]: entry }))).toEqual([]);
  });

  test.each([
    ['"hunter2"', 'got a string'],
    ['["hunter2"]', 'got an array'],
    ['null', 'got null'],
    ['true', 'got a boolean'],
  ])('the value %s is named by its host and its kind', (value, seen) => {
    expect(mapProblemsOf(`{"ok.example":{"upstream":"http://api"},"a.example":${value}}`)).toEqual([
      { name: 'DOMAIN_MAP["a.example"]', seen, expected: ENTRY_WANTED },
    ]);
  });

  test('a password in a key is not shown', () => {
    const [problem] = mapProblemsOf(JSON.stringify({ 'https://u:hunter2@api.example': entry }));
    expect(problem?.name).toBe('DOMAIN_MAP["https://…@api.example"]');
  });

  test('a wrong item is named by host, setting and place', () => {
    const own = {
      ...entry,
      cors_origins: ['https://a.example', 'https://b.example:443'],
      client_id_secret: [SECRET, 1],
    };
    expect(mapProblemsOf(JSON.stringify({ 'a.example': own }))).toEqual([
      {
        name: 'DOMAIN_MAP["a.example"].client_id_secret',
        seen: 'got a number as item 2',
        expected: 'the same value in quotes',
      },
      {
        name: 'DOMAIN_MAP["a.example"].cors_origins',
        seen: 'got "https://b.example:443" as item 2',
        expected: CANONICAL('https://b.example'),
      },
    ]);
  });
});

test('a natural value of the wrong kind is named by its kind, its item and its source', async () => {
  const folder = temporaryFiles({
    'relay.yaml': 'PORT: { value: 1 }\nCORS_ORIGINS: [https://a.example, [b]]\nREDIS_URL: 7\nHEADERS: { x-a: 1 }\n',
  });
  const file = join(folder, 'relay.yaml');
  const error = await readEnvironment({ ...GOOD, CONFIG_FILE: file }).catch((thrown: unknown) => thrown);
  expect((error as ConfigError).problems).toEqual([
    { name: 'PORT', seen: `got an object, in ${file}`, expected: 'text' },
    { name: 'CORS_ORIGINS', seen: `got an array as item 2, in ${file}`, expected: 'text' },
    { name: 'REDIS_URL', seen: `got a number, in ${file}`, expected: 'the same value in quotes' },
    { name: 'HEADERS', seen: 'got a number as "x-a"', expected: expect.stringContaining('a string') },
  ]);
});
