// The sources of settings (environment, NAME_FILE, YAML, adapter): their precedence, and the problems that they report.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  ConfigError,
  type ConfigProblem,
  createRelay,
  loadSettings,
  readEnvironment,
  type Settings,
} from '@mte-relay/server';
import { runRelayCommand } from '@mte-relay/testing/relay-process';
import { TEST_SECRET } from '@mte-relay/testing/settings';
import { temporaryFiles } from '@mte-relay/testing/temporary-files';
import { describe, expect, test } from 'vitest';
import { DOMAIN_SETTINGS } from '../../src/config/domain-settings.ts';
import { loadModules } from '../../src/config/modules.ts';
import { readAllSources } from '../../src/config/sources.ts';

const GOOD = {
  UPSTREAM: 'https://api.my-company.com',
  CLIENT_ID_SECRET: TEST_SECRET,
  CORS_ORIGINS: 'https://a.example',
};

async function settingsOf(environment: Record<string, string>): Promise<Settings> {
  return loadSettings(await readEnvironment(environment));
}

async function problemsOf(environment: Record<string, string>): Promise<string[]> {
  const error = await readEnvironment(environment).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ConfigError)) throw new Error(`no ConfigError: ${String(error)}`);
  return error.problems.map(({ name, seen, expected }) => `${name}: ${seen}; expected ${expected}`);
}

describe('NAME_FILE', () => {
  test('is the content of the file without one newline at its end', async () => {
    const folder = temporaryFiles({ secret: `${TEST_SECRET}\n`, crlf: 'https://b.example\r\n' });
    const { CLIENT_ID_SECRET: _, CORS_ORIGINS: __, ...rest } = GOOD;
    const { domains } = await settingsOf({
      ...rest,
      CLIENT_ID_SECRET_FILE: join(folder, 'secret'),
      CORS_ORIGINS_FILE: join(folder, 'crlf'),
    });
    expect(domains.get('*')).toMatchObject({ CLIENT_ID_SECRET: [TEST_SECRET], CORS_ORIGINS: ['https://b.example'] });
  });

  test('together with NAME is rejected', async () => {
    const folder = temporaryFiles({ secret: TEST_SECRET });
    expect(await problemsOf({ ...GOOD, CLIENT_ID_SECRET_FILE: join(folder, 'secret') })).toEqual([
      'CLIENT_ID_SECRET_FILE: set together with CLIENT_ID_SECRET; expected only one of the two',
    ]);
  });

  test('that is unreadable or empty is reported once, by its path', async () => {
    const folder = temporaryFiles({ empty: '\n' });
    const { CLIENT_ID_SECRET: _, CORS_ORIGINS: __, ...rest } = GOOD;
    expect(
      await problemsOf({
        ...rest,
        CLIENT_ID_SECRET_FILE: join(folder, 'missing'),
        CORS_ORIGINS_FILE: join(folder, 'empty'),
        LOG_LEVEL_FILE: folder,
      }),
    ).toEqual([
      `CORS_ORIGINS_FILE: ${join(folder, 'empty')} is empty; expected a file that contains the value`,
      `CLIENT_ID_SECRET_FILE: cannot read ${join(folder, 'missing')} (ENOENT); expected a readable file`,
      `LOG_LEVEL_FILE: cannot read ${folder} (EISDIR); expected a readable file`,
    ]);
  });

  test('with a wrong secret in it does not show the secret', async () => {
    const folder = temporaryFiles({ secret: 'hunter2\n' });
    const { CLIENT_ID_SECRET: _, ...rest } = GOOD;
    const { code, stderr } = await runRelayCommand(['check'], {
      ...rest,
      CLIENT_ID_SECRET_FILE: join(folder, 'secret'),
    });
    expect(code).toBe(78);
    expect(stderr).toContain('CLIENT_ID_SECRET: got 7 characters (not shown) as item 1');
    expect(stderr).not.toContain('hunter2');
  });
});

describe('the YAML file', () => {
  test('takes natural values, lists and mappings, and NAME_FILE too', async () => {
    const folder = temporaryFiles({ secret: TEST_SECRET });
    const file = join(folder, 'relay.yaml');
    writeFileSync(
      file,
      `
UPSTREAM: https://api.my-company.com
CORS_ORIGINS:
  - https://a.example
  - https://b.example
CLIENT_ID_SECRET_FILE: ${join(folder, 'secret')}
PORT: 3000
SOLE_INSTANCE: true
HEADERS: { x-service-name: mte-relay, x-zone: "1" }
MTE_ROUTES: # not set
`,
    );
    const settings = await settingsOf({ CONFIG_FILE: file });
    expect(settings).toMatchObject({ PORT: 3000, SOLE_INSTANCE: 'true' });
    expect(settings.domains.get('*')).toMatchObject({
      CORS_ORIGINS: ['https://a.example', 'https://b.example'],
      CLIENT_ID_SECRET: [TEST_SECRET],
      HEADERS: [
        ['x-service-name', 'mte-relay'],
        ['x-zone', '1'],
      ],
      MTE_ROUTES: undefined,
    });
  });

  test('reports unknown names with a suggestion, and an unquoted secret without its value', async () => {
    const digits = '12345678901234567890123456789012';
    const folder = temporaryFiles({
      'relay.yaml': `UPSTEAM: https://api.example\nCOLOUR: red\nCLIENT_ID_SECRET: ${digits}\nCORS_ORIGINS: https://a.example\n`,
    });
    const file = join(folder, 'relay.yaml');
    const problems = await problemsOf({ CONFIG_FILE: file });
    expect(problems).toEqual([
      `UPSTEAM: not a setting, in ${file}; expected a setting; did you mean UPSTREAM?`,
      `COLOUR: not a setting, in ${file}; expected a setting of docs/configuration.md`,
      `CLIENT_ID_SECRET: got a number, in ${file}; expected the same value in quotes`,
      `UPSTREAM: not set; expected ${DOMAIN_SETTINGS.UPSTREAM.expected}`,
      expect.stringContaining('CLIENT_ID_SECRET: not set'),
    ]);
    expect(problems.join()).not.toContain('123456789');
  });

  test('that is not YAML is reported by line and column, and no setting is reported as missing', async () => {
    const folder = temporaryFiles({ 'relay.yaml': `PORT: 1\nPORT: 2\nCLIENT_ID_SECRET: "${TEST_SECRET}\n` });
    const file = join(folder, 'relay.yaml');
    const problems = await problemsOf({ CONFIG_FILE: file, LOG_LEVEL: 'loud' });
    expect(problems).toEqual(
      expect.arrayContaining([
        `CONFIG_FILE: ${file}:2:1 DUPLICATE_KEY; expected YAML 1.2`,
        expect.stringMatching(/^LOG_LEVEL: got "loud"/),
      ]),
    );
    expect(problems.join()).not.toContain('not set');
    expect(problems.join()).not.toContain(TEST_SECRET);
    expect(await problemsOf({ ...GOOD, CONFIG_FILE: join(folder, 'none') })).toEqual([
      `CONFIG_FILE: cannot read ${join(folder, 'none')} (ENOENT); expected a readable file`,
    ]);
  });

  test('passes an empty list on: a value for some settings, a problem for others', async () => {
    const lists = 'CORS_METHODS: []\nMTE_ROUTES: []\nPASS_THROUGH_ROUTES: []\n';
    const folder = temporaryFiles({ 'relay.yaml': lists });
    expect(await problemsOf({ ...GOOD, CONFIG_FILE: join(folder, 'relay.yaml') })).toEqual([
      expect.stringMatching(/^CORS_METHODS: /),
      expect.stringMatching(/^MTE_ROUTES: /),
    ]);
    const { UPSTREAM: _, ...shared } = { ...GOOD, PASS_THROUGH_ROUTES: '/health', MTE_ROUTES: '/api/*' };
    const map = (own: object): string => JSON.stringify({ 'a.example': { upstream: 'http://a', ...own } });
    const settings = await settingsOf({ ...shared, DOMAIN_MAP: map({ pass_through_routes: [] }) });
    expect(settings.domains.get('a.example')).toMatchObject({ PASS_THROUGH_ROUTES: [], MTE_ROUTES: ['/api/*'] });
    expect(await problemsOf({ ...shared, DOMAIN_MAP: map({ mte_routes: [] }) })).toEqual([
      expect.stringMatching(/^DOMAIN_MAP\["a.example"\].mte_routes: /),
    ]);
  });

  test('is read by createRelay() too', async () => {
    const folder = temporaryFiles({ 'relay.yaml': 'LOG_LEVEL: "off"\nREQUEST_BODY_MAX_BYTES: 7\n' });
    const relay = createRelay({ environment: { ...GOOD, CONFIG_FILE: join(folder, 'relay.yaml') } });
    expect(relay.settings.REQUEST_BODY_MAX_BYTES).toBe(7);
    await relay.close();
  });
});

describe('the settings adapter', () => {
  const ADAPTER = `export default async (environment) => ({
    CLIENT_ID_SECRET: ['${'n'.repeat(31)}1', '${'o'.repeat(31)}2'],
    PORT: 4000,
    HEADERS: { 'x-seen': environment.CORS_ORIGINS },
  });`;

  test('overrides the environment, which overrides the file', async () => {
    const folder = temporaryFiles({
      'vault.js': ADAPTER,
      'relay.yaml': 'PORT: 1\nLOG_LEVEL: debug\nSESSIONS_MAX: 11\nEXCHANGES_MAX: 12\n',
    });
    const settings = await settingsOf({
      ...GOOD,
      PORT: '2',
      SESSIONS_MAX: '22',
      CONFIG_FILE: join(folder, 'relay.yaml'),
      SETTINGS_MODULE: join(folder, 'vault.js'),
    });
    expect(settings).toMatchObject({ PORT: 4000, SESSIONS_MAX: 22, EXCHANGES_MAX: 12, LOG_LEVEL: 'debug' });
    expect(settings.domains.get('*')).toMatchObject({
      CLIENT_ID_SECRET: [`${'n'.repeat(31)}1`, `${'o'.repeat(31)}2`],
      HEADERS: [['x-seen', 'https://a.example']],
    });
  });

  test('is loaded by check --settings, which reports its failure among the other problems', async () => {
    const folder = temporaryFiles({
      'throws.js': 'export default () => { throw new Error("the vault\\nis sealed"); };',
      'nothing.js': 'export const settings = 1;',
      'unknown.js': 'export default () => ({ UPSTEAM: "x" });',
    });
    const seen = async (name: string): Promise<string> => {
      const args = ['check', '--settings', join(folder, name)];
      const { code, stderr } = await runRelayCommand(args, { ...GOOD, LOG_LEVEL: 'loud' });
      expect(code, name).toBe(78);
      expect(stderr).toContain('invalid configuration, 2 problems');
      expect(stderr).toMatch(/^ {2}LOG_LEVEL: got "loud"/m);
      return stderr;
    };
    expect(await seen('throws.js')).toMatch(/^ {2}SETTINGS_MODULE: \S+ failed: the vault is sealed; expected/m);
    expect(await seen('nothing.js')).toContain('its default export is not a function');
    expect(await seen('missing.js')).toMatch(/SETTINGS_MODULE: \S+missing.js failed: Cannot find module/);
    expect(await seen('unknown.js')).toContain('did you mean UPSTREAM?');
  });

  test('that returns an object in place of a text or of settings is reported', async () => {
    const folder = temporaryFiles({
      'object.js': `export default () => ({ CLIENT_ID_SECRET: { value: '${TEST_SECRET}' }, PORT: { value: 1 } });`,
      'bytes.js': `export default () => ({ CLIENT_ID_SECRET: Buffer.from('${TEST_SECRET}') });`,
      'map.js': "export default () => new Map([['PORT', '1']]);",
    });
    const seen = (name: string): Promise<string[]> => problemsOf({ ...GOOD, SETTINGS_MODULE: join(folder, name) });
    const source = 'got an object, in SETTINGS_MODULE; expected text';
    expect(await seen('object.js')).toEqual([`CLIENT_ID_SECRET: ${source}`, `PORT: ${source}`]);
    expect(await seen('bytes.js')).toEqual([`CLIENT_ID_SECRET: ${source}`]);
    expect(await seen('map.js')).toEqual([expect.stringContaining('it did not return an object of settings')]);
    const map = { 'a.example': { upstream: 'http://a', client_id_secret: { value: TEST_SECRET } } };
    const { UPSTREAM: _, ...shared } = GOOD;
    expect(await problemsOf({ ...shared, DOMAIN_MAP: JSON.stringify(map) })).toEqual([
      'DOMAIN_MAP["a.example"].client_id_secret: got an object; expected text',
    ]);
  });

  test('that never resolves times out, and so does a module that never loads', async () => {
    const never = 'await new Promise(() => {});';
    const folder = temporaryFiles({
      'silent.js': `export default async () => { ${never} };`,
      'unloaded.js': `${never} export default () => ({});`,
    });
    for (const name of ['silent.js', 'unloaded.js']) {
      const sources = await readAllSources({ ...GOOD, SETTINGS_MODULE: join(folder, name) }, 50);
      expect(sources.problems.map(({ seen }) => seen)).toEqual([expect.stringContaining('no result within 0.05 s')]);
    }
    const problems: ConfigProblem[] = [];
    await loadModules({ STARTUP_MODULE: join(folder, 'unloaded.js') }, problems, 50);
    expect(problems).toMatchObject([{ name: 'STARTUP_MODULE' }]);
  });

  test('is rejected by createRelay()', () => {
    expect(() => createRelay({ environment: { ...GOOD, SETTINGS_MODULE: './vault.js' } })).toThrow(
      /SETTINGS_MODULE: set where modules are not loaded/,
    );
    expect(() => createRelay({ environment: { ...GOOD, SESSIONS_MODULE: './store.js' } })).toThrow(/SESSIONS_MODULE/);
  });
});

test('problems of all sources and modules are reported at once', async () => {
  const folder = temporaryFiles({ 'relay.yaml': 'COLOUR: red\nPORT: 99999\n' });
  const { code, stderr } = await runRelayCommand(
    [
      'start',
      '--config',
      join(folder, 'relay.yaml'),
      '--startup',
      join(folder, 'none.js'),
      '--log',
      './none-either.js',
    ],
    { UPSTREAM: 'ftp://x', CORS_ORIGINS_FILE: '/nowhere', CLIENT_ID_SECRET: 'short', SESSIONS_MODULE: './nor-this.js' },
  );
  expect(code).toBe(78);
  const names = [...stderr.matchAll(/^ {2}([A-Z_]+): /gm)].map(([, name]) => name);
  expect(names.sort()).toEqual(
    [
      ...['CLIENT_ID_SECRET', 'COLOUR', 'CORS_ORIGINS_FILE', 'LOG_MODULE', 'PORT'],
      ...['SESSIONS_MODULE', 'STARTUP_MODULE', 'UPSTREAM'],
    ].sort(),
  );
});

test('SESSIONS_MODULE excludes REDIS_URL', () => {
  const both = { ...GOOD, SESSIONS_MODULE: './store.js', REDIS_URL: 'redis://127.0.0.1:6379' };
  expect(() => loadSettings(both)).toThrow(
    'SESSIONS_MODULE: set together with REDIS_URL; expected only one of the two',
  );
});

test('check --print shows the settings in force with every secret masked', async () => {
  const folder = temporaryFiles({ 'relay.yaml': 'PORT: 3000\n' });
  const { code, stdout } = await runRelayCommand(['check', '--print', '--config', join(folder, 'relay.yaml')], {
    ...GOOD,
    HEADERS: '{"x-key":"hunter2"}',
    REQUEST_HEADERS: '{"x-api-key":"hunter2"}',
    RESPONSE_HEADERS: '{"x-key":"hunter2"}',
    LOG_LEVEL: 'debug',
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:hunter2@otel.example:4318',
  });
  expect(code).toBe(0);
  expect(stdout.split('\n')).toEqual(
    expect.arrayContaining([
      ...['PORT=3000', 'LOG_LEVEL=debug', 'CORS_ORIGINS=https://a.example', 'UPSTREAM=https://api.my-company.com/'],
      ...[
        'CLIENT_ID_SECRET=(secret)',
        'HEADERS=(secret)',
        'REQUEST_HEADERS=(secret)',
        'RESPONSE_HEADERS=(secret)',
        'RELAY_IDENTITY_SEED=',
        'configuration is valid',
      ],
    ]),
  );
  expect(stdout).not.toContain('hunter2');
  expect(stdout).not.toContain(TEST_SECRET);
});

describe('an unknown variable', () => {
  test.each([
    ['UPSTEAM', 'UPSTREAM'],
    ['CORS_ORIGIN', 'CORS_ORIGINS'],
    ['MTE_ROUTE', 'MTE_ROUTES'],
    ['LOGLEVEL', 'LOG_LEVEL'],
    ['mte_routes', 'MTE_ROUTES'],
    ['PASSTHROUGH_ROUTES', 'PASS_THROUGH_ROUTES'],
    ['MTE_RELAY_LOG_LEVEL', 'LOG_LEVEL'],
    ['CLIENT_ID_SECERT', 'CLIENT_ID_SECRET'],
    ['RELAY_IDENTITY_SEED_FLIE', 'RELAY_IDENTITY_SEED_FILE'],
  ])('%s causes a warning that suggests %s', async (name, meant) => {
    const { [meant as 'UPSTREAM']: required, ...rest } = GOOD;
    const { code, stderr } = await runRelayCommand(['check'], { ...rest, [name]: 'x' });
    expect(code).toBe(required ? 78 : 0); // the warning explains the missing setting
    expect(stderr).toContain(`warning: ${name} is not a setting of the relay and is ignored; did you mean ${meant}?`);
  });

  test('that resembles a setting which is set causes no warning', async () => {
    expect((await runRelayCommand(['check'], { ...GOOD, UPSTREAMS: 'a,b' })).stderr).toBe('');
  });

  test('that does not resemble a setting causes no warning', async () => {
    const others = {
      ...{ HOME: '/root', PATH: process.env['PATH'] ?? '', SORT: '1', HOSTNAME: 'pod-1', KUBERNETES_PORT: 'tcp://x' },
      ...{
        NODE_OPTIONS: '',
        npm_config_cache: '/tmp',
        API_SERVICE_HOST: '10.0.0.1',
        REDIS_PORT: '6379',
        UPSTREAM_PORT: 'tcp://x',
      },
    };
    const { code, stderr } = await runRelayCommand(['check'], { ...GOOD, ...others });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });
});
