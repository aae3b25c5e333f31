// Rules of the source that the linter cannot hold.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const PACKAGES = join(import.meta.dirname, '../../packages');
const sources = readdirSync(PACKAGES).flatMap((name) => {
  const folder = join(PACKAGES, name, 'src');
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => join(folder, file));
});

test('no source of a package uses Math.random: nothing that is random here may be guessed', () => {
  expect(sources.length).toBeGreaterThan(40);
  const users = sources.filter((file) => /Math\.random/.test(readFileSync(file, 'utf8')));
  expect(users).toEqual([]);
});

test('every source begins with a comment that says what it is for', () => {
  const silent = sources.filter((file) => !/^(?:\/\/|\/\*\*)/.test(readFileSync(file, 'utf8')));
  expect(silent).toEqual([]);
});
