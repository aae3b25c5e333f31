// CONTRIBUTING.md: its first test runs as it stands, and its table names the modules of packages/testing.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runScript } from '@mte-relay/testing/processes';
import { expect, onTestFinished, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const contributing = readFileSync(join(ROOT, 'CONTRIBUTING.md'), 'utf8');

test('the first test passes', async () => {
  const [, code = ''] = /^```ts run first-test\n([\s\S]*?)^```$/m.exec(contributing) ?? [];
  const [, folder = ''] = /^Put this into `\S+\.test\.ts` in `(\S+)`:$/m.exec(contributing) ?? [];
  const file = join(folder, `first-test-${process.pid}.test.ts`);
  writeFileSync(join(ROOT, file), code);
  onTestFinished(() => rmSync(join(ROOT, file)));
  const { code: exitCode, stdout } = await runScript('node_modules/vitest/vitest.mjs', ['run', file], {
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
