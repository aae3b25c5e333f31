// CONTRIBUTING.md: its first test runs as it stands, and its table names the modules of packages/testing.
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runScript } from '@mte-relay/testing/processes';
import { temporaryFiles } from '@mte-relay/testing/temporary-files';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const contributing = readFileSync(join(ROOT, 'CONTRIBUTING.md'), 'utf8');

test('the first test passes', async () => {
  const [, code = ''] = /^```ts run first-test\n([\s\S]*?)^```$/m.exec(contributing) ?? [];
  const [, name = '', folder = ''] = /^Put this into `(\S+)` in `(\S+)`:$/m.exec(contributing) ?? [];
  const [, filter = ''] = /^`npm test -- (\S+)` builds/m.exec(contributing) ?? [];
  expect(existsSync(join(ROOT, folder))).toBe(true);
  // In a root of its own: other tests look at all files of tests.
  const root = temporaryFiles();
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'));
  mkdirSync(join(root, folder), { recursive: true });
  writeFileSync(join(root, folder, name), code);
  const config = ['--project=unit', `--root=${root}`, `--config=${join(ROOT, 'vitest.config.ts')}`];
  const { code: exitCode, stdout } = await runScript('node_modules/vitest/vitest.mjs', ['run', ...config, filter], {
    NO_COLOR: '1',
  });
  expect(stdout).toMatch(/^ +Tests +1 passed \(1\)$/m);
  expect(exitCode).toBe(0);
});

test('every module of packages/testing is in the table, and no other', () => {
  const [, table = ''] = /^\| Modules \|.*\n\|[-|]+\n((?:\|.*\n)+)/m.exec(contributing) ?? [];
  const named = table.split('\n').flatMap((row) => [...(row.split('|')[1] ?? '').matchAll(/`([^`]+)`/g)]);
  const modules = readdirSync(join(ROOT, 'packages/testing/src')).map((name) => name.replace(/\.ts$/, ''));
  expect(named.map(([, name]) => name).sort()).toEqual(modules.sort());
});
