// The table of test/vectors/README.md, held to the files: what is published, where, under which licence, how many cases.
import { existsSync, globSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { VECTOR_FOLDER, vectorJson, vectorText, type Wycheproof } from './support/vectors.ts';

interface Row {
  readonly file: string;
  readonly source: string;
  readonly licence: string;
  readonly cases: string;
}

const rows: Row[] = vectorText('README.md')
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .map((line) => {
    const [file = '', source = '', licence = '', cases = ''] = line.split(' | ');
    return { file: file.slice('| `'.length, -1), source, licence, cases };
  });

/** A list, an object with a list `vectors`, a file of Wycheproof, or a text that is one case. */
function casesIn(file: string): number {
  if (file.endsWith('.txt')) return 1;
  const data = vectorJson<unknown[] | { readonly vectors: unknown[] } | Wycheproof<object>>(file);
  if (Array.isArray(data)) return data.length;
  return 'vectors' in data ? data.vectors.length : data.testGroups.flatMap(({ tests }) => tests).length;
}

test('every file has its row, and every row its file', () => {
  const files = globSync('*/*', { cwd: VECTOR_FOLDER }).filter((file) => !file.endsWith('/LICENSE'));
  expect(rows.map(({ file }) => file).sort()).toEqual(files.sort());
});

test.each(rows)('$file has a source with its commit, a licence with its text, and $cases cases', (row) => {
  expect(row.source).toMatch(/^[\w-]+\/[\w-]+, `[\w./-]+`, [0-9a-f]{7}\b/);
  expect(row.licence).toMatch(/^(?:Apache-2\.0|MIT|BSD-3-Clause)$/);
  expect(existsSync(resolve(VECTOR_FOLDER, dirname(row.file), 'LICENSE'))).toBe(true);
  const [kept, published] = row.cases.split(' of ').map(Number);
  expect(casesIn(row.file)).toBe(kept);
  expect(published).toBeGreaterThanOrEqual(kept as number);
});
