// The tables of promises and of known attacks name tests that are there, and every variable of the reference.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const SERVER_TESTS = join(ROOT, 'packages/server/test');
/** Of the document that the project was created from. */
const REFERENCE_VARIABLES = [
  'UPSTREAM',
  'CORS_ORIGINS',
  'CLIENT_ID_SECRET',
  'REDIS_URL',
  'PORT',
  'LOG_LEVEL',
  'PASS_THROUGH_ROUTES',
  'MTE_ROUTES',
  'CORS_METHODS',
  'HEADERS',
];

/** Cells of the tables' last columns, without the rows that say that something is not there. */
function lastCells(document: string): string[] {
  const rows = readFileSync(join(ROOT, 'docs', document), 'utf8').split('\n');
  return rows
    .filter((row) => row.startsWith('|') && !/^[ |:-]*$/.test(row))
    .map((row) => row.split('|').at(-2)?.trim() ?? '')
    .filter((cell) => !['Test', 'State'].includes(cell));
}

function isThere(name: string): boolean {
  if (name.startsWith('npm run')) return true;
  if (name.endsWith('*')) return readdirSync(SERVER_TESTS).some((file) => file.startsWith(name.slice(0, -1)));
  return existsSync(join(SERVER_TESTS, `${name}.test.ts`)) || existsSync(join(ROOT, `${name}.test.ts`));
}

test.each(['known-attacks.md', 'promises.md'])('every row of %s names a test that is there', (document) => {
  const cells = lastCells(document);
  expect(cells.length).toBeGreaterThan(15);
  for (const cell of cells) {
    const names = [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name as string);
    if (names.length === 0) expect(cell).toMatch(/not (?:there|shown)/);
    for (const name of names) expect(isThere(name), `${name} in ${document}`).toBe(true);
  }
});

test('every variable of the reference has its row', () => {
  const text = readFileSync(join(ROOT, 'docs/promises.md'), 'utf8');
  for (const variable of REFERENCE_VARIABLES) expect(text).toMatch(new RegExp(`^\\| \`${variable}\` +\\|`, 'm'));
});
