// docs/configuration.md and the schema of the YAML file follow the tables of settings, and the schema judges files
// as the relay does.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { generatedFiles } from '../../../../scripts/docs/generate.ts';

const root = join(import.meta.dirname, '../../../..');
const documented = readFileSync(join(root, 'docs/configuration.md'), 'utf8');
const schema = JSON.parse(readFileSync(join(root, 'packages/server/settings.schema.json'), 'utf8')) as object;
const validate = new Ajv({ allowUnionTypes: true, strictTypes: false, allErrors: true }).compile(schema);

test.each([...generatedFiles().keys()])('%s is as `npm run docs` writes it', (path) => {
  expect(readFileSync(join(root, path), 'utf8')).toBe(generatedFiles().get(path));
});

test('every variable of the reference document is there, with its default', () => {
  const row = (name: string): string => documented.split('\n').find((line) => line.startsWith(`| \`${name}\``)) ?? '';
  expect(row('UPSTREAM')).toMatch(/\| required \|$/);
  expect(row('CORS_ORIGINS')).toMatch(/\| required \|$/);
  expect(row('CLIENT_ID_SECRET')).toMatch(/at least 32 characters.*\| required \|$/);
  expect(row('PORT')).toMatch(/\| `8080` \|$/);
  expect(row('LOG_LEVEL')).toMatch(/trace, debug, info, warning, error, panic, off \| `info` \|$/);
  expect(row('PASS_THROUGH_ROUTES')).toMatch(/\| none \|$/);
  expect(row('MTE_ROUTES')).toMatch(/404.*\| none \|$/);
  expect(row('CORS_METHODS')).toMatch(/\| `GET, POST, PUT, DELETE` \|$/);
  expect(row('HEADERS')).toMatch(/\| none \|$/);
});

describe('the schema', () => {
  const example = /settings\.schema\.json\n([\s\S]*?)\n\n/.exec(documented)?.[1] ?? '';

  test('accepts the example of the documentation, natural values and the variables’ own text', () => {
    expect(parse(example)).toMatchObject({ UPSTREAM: 'https://api.my-company.com' });
    const accepted = [
      parse(example),
      { PORT: 3000, SOLE_INSTANCE: true, CORS_METHODS: ['GET'], HEADERS: { 'x-a': '1' }, MTE_ROUTES: null },
      { PORT: '3000', SOLE_INSTANCE: 'true', CORS_METHODS: 'GET,POST', HEADERS: '{"x-a":"1"}' },
      {
        DOMAIN_MAP: { 'a.example': { upstream: 'http://a', cors_origins: ['https://b'], client_id_secret_file: '/a' } },
      },
    ];
    for (const settings of accepted) {
      validate(settings);
      expect(validate.errors, JSON.stringify(settings)).toBeNull();
    }
  });

  test.each([
    { UPSTEAM: 'https://api' },
    { PORT: 70_000 },
    { PORT: 'high' },
    { LOG_LEVEL: 'loud' },
    { CLIENT_ID_SECRET: 12_345 },
    { HEADERS: { a: 1 } },
    { CORS_ORIGINS: [1] },
    { UPSTREAM: 'http://a', DOMAIN_MAP: { a: {} } },
    { DOMAIN_MAP: { a: { UPSTREAM: 'http://a' } } },
    { DOMAIN_MAP: { a: { port: 1 } } },
    { DOMAIN_MAP: {} },
  ])('refuses %o', (settings) => {
    expect(validate(settings)).toBe(false);
  });

  test('is in the package', () => {
    const output = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
      cwd: join(root, 'packages/server'),
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [packed] = JSON.parse(output) as [{ files: { path: string }[] }];
    expect(packed.files.map(({ path }) => path)).toContain('settings.schema.json');
  });
});
