// docs/architecture.md: its walks lead from file to file as the imports do, and its table has every folder of the client.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';

const PACKAGES = join(import.meta.dirname, '../../packages');
const WALKS = ['One POST', 'One pairing', 'One failure'];
const DOCUMENT = readFileSync(join(PACKAGES, '../docs/architecture.md'), 'utf8');

/** `client/call/fetch.ts` is packages/client/src/call/fetch.ts. */
const pathOf = (file: string): string => file.replace('/', '/src/');

function section(title: string): string {
  const [, rest = ''] = DOCUMENT.split(`\n## ${title}\n`);
  return rest.split('\n## ')[0] as string;
}

/** The files of a walk's numbered steps, in their order. */
function stepsOf(walk: string): string[] {
  const steps = section(walk)
    .split('\n')
    .filter((line) => /^\d+\. /.test(line));
  return steps.map((step) => /^\d+\. \*\*`(\w+\/[\w/.-]+\.ts)`\*\* /.exec(step)?.[1] ?? `no file: ${step}`);
}

function importsOf(file: string): string[] {
  const source = readFileSync(join(PACKAGES, pathOf(file)), 'utf8');
  return [...source.matchAll(/ from '(\.[^']+)'/g)].map(([, path = '']) => join(dirname(file), path));
}

const isLinked = (one: string, other: string): boolean =>
  importsOf(one).includes(other) || importsOf(other).includes(one);

describe.each(WALKS)('%s', (walk) => {
  const steps = stepsOf(walk);

  test('names a file in each step', () => {
    expect(steps.length).toBeGreaterThan(7);
    expect(steps.filter((file) => !existsSync(join(PACKAGES, pathOf(file))))).toEqual([]);
  });

  test('leads to a file from an earlier one of its package, by an import of either', () => {
    const lost = steps.filter((file, at) => {
      const earlier = steps.slice(0, at).filter((other) => other.split('/')[0] === file.split('/')[0]);
      return earlier.length > 0 && !earlier.some((other) => other === file || isLinked(other, file));
    });
    expect(lost).toEqual([]);
  });
});

test('names only sources that are there', () => {
  const named = [...DOCUMENT.matchAll(/`((?:protocol|client|cli|server)\/[\w/.-]+\.ts)`/g)].map(
    ([, file = '']) => file,
  );
  expect(named.length).toBeGreaterThan(40);
  expect(named.filter((file) => !existsSync(join(PACKAGES, pathOf(file))))).toEqual([]);
});

test('lists the folders of the client', () => {
  const [, table = ''] = section('The packages').split('| Folder |');
  const listed = [...table.matchAll(/^\| `([\w-]+)` \|/gm)].map(([, folder]) => folder);
  const entries = readdirSync(join(PACKAGES, 'client/src'), { withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  expect(listed.sort()).toEqual(folders.sort());
});
