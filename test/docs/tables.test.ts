// The tables of promises and of known attacks name tests that are there, and every variable of the reference.
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const PROMISES = readFileSync(join(ROOT, 'docs/promises.md'), 'utf8');
const { scripts: SCRIPTS } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: object };
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

/** The statements of that document about the server beside its variables, by how the row begins. */
const REFERENCE_PROMISES = [
  'protects all requests between an app and its API', // introduction
  'customisable by adapters', // introduction
  'configured by environment variables', // server configuration
  'the minimal example and the full example', // server configuration
  'its logs can be watched', // health checks
  '`/api/mte-echo?msg=test` responds', // health checks
  'requests processed, request time, upstream proxy time, decode time, encode time', // dashboard metrics
  'throughput and latency beside the API alone', // performance metrics
  'several relays behind a load balancer', // performance metrics
  'wrong configuration is found in the log', // troubleshooting
  'relay unreachable', // troubleshooting
  'Redis unreachable, or its credentials refused', // troubleshooting
  'no sensitive data is stored in the container', // security
  'no root privileges are needed', // security
  'a restarted relay: clients pair again', // fault recovery
];

/** Cells of the tables' last columns, without the rows that state that something does not exist. */
function lastCells(document: string): string[] {
  const rows = readFileSync(join(ROOT, 'docs', document), 'utf8').split('\n');
  return rows
    .filter((row) => row.startsWith('|') && !/^[ |:-]*$/.test(row))
    .map((row) => row.split('|').at(-2)?.trim() ?? '')
    .filter((cell) => !['Test', 'State'].includes(cell));
}

/** A script that npm knows, or a test file with a test in it, its own or one that every runtime shares. */
function isThere(name: string): boolean {
  if (name.startsWith('npm run ')) return name.slice('npm run '.length) in SCRIPTS;
  if (name.endsWith('*')) return globSync(`${name}.test.ts`, { cwd: SERVER_TESTS }).length > 0;
  const file = [SERVER_TESTS, ROOT].map((folder) => join(folder, `${name}.test.ts`)).find(existsSync);
  return (
    file !== undefined &&
    /^ *test\b|\b(?:realtimeTests|conformanceIn|testWorkerAttacks|testWays|testSideBySide)\(/m.test(
      readFileSync(file, 'utf8'),
    )
  );
}

/** Rows of one section of the table of promises, without the head of the table. */
function rowsOf(section: string): string[][] {
  const [, text = ''] = PROMISES.split(`\n## ${section}\n`);
  const [own = ''] = text.split('\n## ');
  const rows = own.split('\n').filter((line) => line.startsWith('|'));
  return rows.slice(2).map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
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

test('every variable of the reference has its row, and a test', () => {
  const rows = rowsOf('Variables');
  expect(rows.map(([variable]) => variable)).toEqual(REFERENCE_VARIABLES.map((variable) => `\`${variable}\``));
  for (const row of rows) expect(row.at(-1), row[0]).toMatch(/^`/);
});

test('every promise of the reference about the server has its row, and a test', () => {
  const rows = rowsOf('The server');
  for (const promise of REFERENCE_PROMISES) {
    expect(
      rows.filter(([promised]) => promised?.startsWith(promise)),
      promise,
    ).toHaveLength(1);
  }
  for (const row of rows) expect(row.at(-1), row[0]).toMatch(/^`/);
});
