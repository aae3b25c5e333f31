// Rules of the source that the linter cannot hold.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
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

test('no sources import each other in a circle, for types neither: each can be read by itself', () => {
  const importsOf = (file: string): string[] =>
    [...readFileSync(file, 'utf8').matchAll(/ from '(\.[^']+)'/g)].map(([, path]) =>
      join(dirname(file), path as string),
    );
  const imports = new Map(sources.map((file) => [file, importsOf(file)]));
  // What imports nothing that is left goes, until nothing goes any more.
  for (let before = 0; before !== imports.size; ) {
    before = imports.size;
    for (const [file, others] of imports) if (!others.some((other) => imports.has(other))) imports.delete(file);
  }
  expect([...imports.keys()].map((file) => relative(PACKAGES, file))).toEqual([]);
});
