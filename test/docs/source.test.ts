// Rules of the source that the linter cannot hold.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const PACKAGES = join(ROOT, 'packages');
const sources = readdirSync(PACKAGES).flatMap((name) => sourcesIn(join(PACKAGES, name, 'src')));

function sourcesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.(?:ts|js|mjs)$/.test(file))
    .map((file) => join(folder, file));
}

/** Paths of the files that this one imports. */
function importsOf(file: string): string[] {
  const specifiers = readFileSync(file, 'utf8').matchAll(/\b(?:from|import) ?\(?'(\.[^']+)'/g);
  return [...specifiers].map(([, path]) => join(dirname(file), path as string));
}

test('no source of a package uses Math.random: nothing that is random here may be guessed', () => {
  expect(sources.length).toBeGreaterThan(40);
  const users = sources.filter((file) => /Math\.random/.test(readFileSync(file, 'utf8')));
  expect(users).toEqual([]);
});

test('every source begins with a comment that states its purpose', () => {
  const silent = sources.filter((file) => !/^(?:\/\/|\/\*\*)/.test(readFileSync(file, 'utf8')));
  expect(silent).toEqual([]);
});

test('half of the sources have fewer than 100 lines', () => {
  const small = sources.filter((file) => readFileSync(file, 'utf8').split('\n').length <= 100);
  expect(small.length).toBeGreaterThan(sources.length / 2);
});

/** A constant with a number whose name bounds something. */
const LIMIT = /^(?:export )?const \w*(?:_MAX|_MIN|_MS|_SECONDS|_TIMEOUTS)\w*(?:: number)? = [\d(A-Z]/;
/** A number in groups of three digits, which is written down for its size. */
const LARGE_NUMBER = /(?<![\w.])\d{1,3}(?:_\d{3})+\b/;
/** The tables of settings have defaults and ranges; a Redis URL has ports. */
const MAY_HAVE_NUMBERS = /^(?:limits\/|config\/(?:process|domain)-settings\.ts$|sessions\/redis-url\.ts$)/;

test('every limit of the server that is not a setting is in limits/', () => {
  const folder = join(PACKAGES, 'server/src');
  const files = sourcesIn(folder).map((file) => relative(folder, file));
  const strays = files
    .filter((file) => !MAY_HAVE_NUMBERS.test(file))
    .flatMap((file) => {
      const lines = readFileSync(join(folder, file), 'utf8').split('\n');
      return lines.filter((line) => LIMIT.test(line) || LARGE_NUMBER.test(line)).map((line) => `${file}: ${line}`);
    });
  expect(strays).toEqual([]);
  const fixed = readFileSync(join(folder, 'limits/fixed.ts'), 'utf8').split('\n');
  expect(fixed.filter((line) => LIMIT.test(line)).length).toBeGreaterThan(30);
});

test('no source imports a file outside of its own src: other packages come by name, test support and data never', () => {
  const outside = sources.filter((file) => {
    const ownSource = join(PACKAGES, relative(PACKAGES, file).split(sep)[0] as string, 'src', sep);
    return importsOf(file).some((imported) => !imported.startsWith(ownSource));
  });
  expect(outside).toEqual([]);
});

test('no sources import each other in a circle, for types neither: each can be read by itself', () => {
  const imports = new Map(sources.map((file) => [file, importsOf(file)]));
  // A file that imports nothing that is left is removed, until none is removed any more.
  for (let before = 0; before !== imports.size; ) {
    before = imports.size;
    for (const [file, others] of imports) if (!others.some((other) => imports.has(other))) imports.delete(file);
  }
  expect([...imports.keys()].map((file) => relative(PACKAGES, file))).toEqual([]);
});

/** Where a folder's files may import from by path, beside the folder itself; packages are imported by name. */
const MAY_IMPORT: readonly (readonly [folder: string, from: RegExp])[] = [
  ['scripts/build', /^scripts\//],
  ['scripts/check', /^scripts\//],
  ['scripts/test', /^scripts\//],
  // Documents are made from tables, wherever these stand.
  ['scripts/docs', /^(?:scripts|packages\/\w+\/src|conformance|deploy\/(?:grafana|prometheus))\//],
  ['deploy', /^(?:deploy|scripts)\//],
];

test('every script is in one of the folders', () => {
  const folders = MAY_IMPORT.map(([folder]) => folder);
  const files = sourcesIn(join(ROOT, 'scripts')).map((file) => relative(ROOT, file));
  expect(files.filter((file) => !folders.some((folder) => file.startsWith(`${folder}/`)))).toEqual([]);
});

test.each(MAY_IMPORT)('%s imports nothing of tests, bench or demo', (folder, from) => {
  const upward = sourcesIn(join(ROOT, folder)).flatMap((file) =>
    importsOf(file)
      .map((target) => relative(ROOT, target))
      .filter((target) => !from.test(target))
      .map((target) => `${relative(ROOT, file)} imports ${target}`),
  );
  expect(upward).toEqual([]);
});
