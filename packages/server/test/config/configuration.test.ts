import { type ConfigError, loadSettings, settingsWarnings } from '@mte-relay/server';
import { runRelayCommand } from '@mte-relay/testing/relay-process';
import { describe, expect, test } from 'vitest';
import { selfSigned } from '../support/certificate.ts';

const GOOD = {
  UPSTREAM: 'https://api.my-company.com',
  CLIENT_ID_SECRET: '2DkV4DDabehO8cifDktdF9elKJL0CKrk',
  CORS_ORIGINS: 'https://www.my-company.com,https://dashboard.my-company.com',
};

function problemsOf(environment: Record<string, string>): string[] {
  try {
    loadSettings(environment);
  } catch (error) {
    return (error as ConfigError).problems.map(({ name }) => name);
  }
  return [];
}

test('the minimal configuration is enough, and has the documented defaults', () => {
  const { domains, ...rest } = loadSettings(GOOD);
  expect(rest).toMatchObject({ PORT: 8080, LOG_LEVEL: 'info' });
  expect([...domains.keys()]).toEqual(['*']);
  expect(domains.get('*')).toMatchObject({
    CORS_ORIGINS: ['https://www.my-company.com', 'https://dashboard.my-company.com'],
    CORS_METHODS: ['GET', 'POST', 'PUT', 'DELETE'],
    CLIENT_ID_SECRET: ['2DkV4DDabehO8cifDktdF9elKJL0CKrk'],
    PASS_THROUGH_ROUTES: [],
    MTE_ROUTES: undefined,
    HEADERS: [],
    REQUEST_HEADERS: [],
    RESPONSE_HEADERS: [],
    REQUEST_FIELDS_TRUSTED: [],
    OUTER_FIELDS_PASSED: [],
  });
});

test.each(['start', 'check'])(
  '%s reports every problem at once and exits with 78, secrets not shown',
  async (command) => {
    const { code, stderr } = await runRelayCommand([command], {
      UPSTREAM: 'ftp://api',
      CORS_ORIGINS: 'https://a.example/path',
      CLIENT_ID_SECRET: 'too-short-secret',
      PORT: '70000',
      LOG_LEVEL: 'loud',
    });
    expect(code).toBe(78);
    for (const name of ['UPSTREAM', 'CORS_ORIGINS', 'CLIENT_ID_SECRET', 'PORT', 'LOG_LEVEL']) {
      expect(stderr).toMatch(new RegExp(`^ {2}${name}: .*expected`, 'm'));
    }
    expect(stderr).not.toContain('too-short-secret');
    expect(stderr).toContain('16 characters');
  },
);

test('with nothing set, the three required variables are listed', async () => {
  const { code, stderr } = await runRelayCommand(['start'], {});
  expect(code).toBe(78);
  expect(stderr).toContain('3 problems');
  expect(stderr).toMatch(/UPSTREAM: not set[\s\S]*CORS_ORIGINS: not set[\s\S]*CLIENT_ID_SECRET: not set/);
});

test.each([
  ['UPSTREAM', 'api.example'],
  ['UPSTREAM', 'https://user:password@api.example'],
  ['UPSTREAM', 'https://api.example/?q=1'],
  ['CORS_ORIGINS', '*'],
  ['CORS_ORIGINS', 'https://a.example/'],
  ['CORS_ORIGINS', 'null'],
  ['CORS_ORIGINS', ' , '],
  ['CLIENT_ID_SECRET', 'x'.repeat(31)],
  ['CLIENT_ID_SECRET', `${'x'.repeat(32)},short`],
  ['CLIENT_ID_SECRET', `${'x'.repeat(32)},${'y'.repeat(32)},${'z'.repeat(32)}`],
  ['RELAY_IDENTITY_SEED', 'c2hvcnQ='],
  ['PORT', '8080x'],
  ['PORT', '-1'],
  ['LOG_LEVEL', 'WARN'],
  ['PASS_THROUGH_ROUTES', 'health'],
  ['PASS_THROUGH_ROUTES', '/a?x=1'],
  ['PASS_THROUGH_ROUTES', '/a/*/b'],
  ['PASS_THROUGH_ROUTES', '/a/../b'],
  ['PASS_THROUGH_ROUTES', '//a'],
  ['MTE_ROUTES', '/a%2Fb*'],
  ['MTE_ROUTES', '/**'],
  ['CORS_METHODS', '*'],
  ['SESSIONS_MAX', '0'],
])('%s=%s is rejected by name', (name, value) => {
  expect(problemsOf({ ...GOOD, [name]: value })).toEqual([name]);
});

test('routes and methods are converted to the form of requests', () => {
  const own = { PASS_THROUGH_ROUTES: '/%7Euser/*,/caf%c3%a9', MTE_ROUTES: '/*', CORS_METHODS: 'get, Patch' };
  expect(loadSettings({ ...GOOD, ...own }).domains.get('*')).toMatchObject({
    PASS_THROUGH_ROUTES: ['/~user/*', '/caf%C3%A9'],
    MTE_ROUTES: ['/*'],
    CORS_METHODS: ['GET', 'PATCH'],
  });
});

describe('certificates and keys', () => {
  const own = selfSigned();
  const other = selfSigned();
  const garbage = own.cert.replace(/\n[\s\S]+\n-/, '\nbm8gY2VydGlmaWNhdGU=\n-');
  const https = { ...GOOD, UPSTREAM: 'https://api.example' };

  test('that cannot be parsed are rejected at the start, before any connection', () => {
    expect(problemsOf({ ...https, UPSTREAM_CA: garbage })).toEqual(['UPSTREAM_CA']);
    expect(problemsOf({ ...https, UPSTREAM_CA: own.cert + garbage })).toEqual(['UPSTREAM_CA']);
    expect(problemsOf({ ...https, REDIS_CA: garbage })).toEqual(['REDIS_CA']);
    expect(problemsOf({ ...https, UPSTREAM_CERT: garbage, UPSTREAM_KEY: own.key })).toEqual(['UPSTREAM_CERT']);
    const broken = own.key.replace(/\n[\s\S]+\n-/, '\nbm8ga2V5\n-');
    expect(problemsOf({ ...https, UPSTREAM_CERT: own.cert, UPSTREAM_KEY: broken })).toEqual(['UPSTREAM_KEY']);
    expect(problemsOf({ ...https, UPSTREAM_CA: `api\n${own.cert}\nold\n${other.cert}` })).toEqual([]);
  });

  test('go together', () => {
    expect(problemsOf({ ...https, UPSTREAM_CERT: own.cert })).toEqual(['UPSTREAM_KEY']);
    expect(problemsOf({ ...https, UPSTREAM_KEY: own.key })).toEqual(['UPSTREAM_CERT']);
    expect(problemsOf({ ...https, UPSTREAM_CERT: own.cert, UPSTREAM_KEY: other.key })).toEqual(['UPSTREAM_KEY']);
    expect(problemsOf({ ...https, UPSTREAM_CERT: own.cert + other.cert, UPSTREAM_KEY: own.key })).toEqual([]);
  });
});

test.each([{ PORT: '9090' }, { PORT: '8000', ADMIN_PORT: '8000' }])(
  'one port for both, as of %j, is reported by check, before either port is opened',
  async (ports) => {
    const { code, stderr } = await runRelayCommand(['check'], { ...GOOD, ...ports });
    expect(code).toBe(78);
    expect(stderr).toMatch(/PORT: got \d+, which is ADMIN_PORT (?:by default|too); expected a port that differs/);
    expect((await runRelayCommand(['check'], { ...GOOD, ...ports, ADMIN_PORT: 'off' })).code).toBe(0);
  },
);

test.each(['http://user:hunter2@api', 'http://u:x/hunter2@api', 'http://u:x@hunter2@api'])(
  'no part of the password of %s is shown',
  (UPSTREAM) => {
    expect(() => loadSettings({ ...GOOD, UPSTREAM })).toThrow(/UPSTREAM: got "http:\/\/…@api"/);
  },
);

test('the password in UPSTREAM is not shown', async () => {
  const { stderr } = await runRelayCommand(['check'], { ...GOOD, UPSTREAM: 'https://user:hunter2@api.example' });
  expect(stderr).toContain('UPSTREAM');
  expect(stderr).not.toContain('hunter2');
});

test('a secret that looks made by a person causes a warning, and a random one does not', () => {
  const warned = (secret: string): number =>
    settingsWarnings(loadSettings({ ...GOOD, CLIENT_ID_SECRET: secret })).length;
  expect(warned('my-company-relay-secret-2026-prod')).toBe(1);
  expect(warned('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa')).toBe(1);
  expect(warned('2DkV4DDabehO8cifDktdF9elKJL0CKrk')).toBe(0);
  expect(warned('9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08')).toBe(0);
});

test('the relay warns of fields that it can take from no proxy', () => {
  const warnings = (environment: Record<string, string>): string[] =>
    settingsWarnings(loadSettings({ ...GOOD, OUTER_FIELDS_PASSED: 'x-tenant', ...environment }));
  expect(warnings({})).toEqual([expect.stringMatching(/^OUTER_FIELDS_PASSED has no effect: TRUSTED_PROXIES/)]);
  expect(warnings({ TRUSTED_PROXIES: '10.0.0.0/8' })).toEqual([]);
});

test('identity prints one pin for one secret, and --new a fresh seed with its pin', async () => {
  const first = await runRelayCommand(['identity'], GOOD);
  expect(first.stdout).toMatch(/^sha256-[A-Za-z0-9+/]{43}=\n$/);
  expect((await runRelayCommand(['identity'], { CLIENT_ID_SECRET: GOOD.CLIENT_ID_SECRET })).stdout).toBe(first.stdout);
  const fresh = await runRelayCommand(['identity', '--new'], {});
  const [, seed, pin] = /^RELAY_IDENTITY_SEED=(\S+)\npin (sha256-\S+)\n$/.exec(fresh.stdout) ?? [];
  expect((await runRelayCommand(['identity'], { ...GOOD, RELAY_IDENTITY_SEED: seed as string })).stdout).toBe(
    `${pin}\n`,
  );
});

test('an unknown command or option prints the usage and exits 64', async () => {
  for (const args of [[], ['stop'], ['start', '--fast'], ['start', 'twice']]) {
    const { code, stderr } = await runRelayCommand(args, GOOD);
    expect(code, args.join(' ')).toBe(64);
    expect(stderr).toContain('usage: mte-relay-server');
  }
});
