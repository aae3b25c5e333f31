// The server is a house with floors: an import goes down or stays in its room, so a room is read without those above it.
import { readdirSync, readFileSync } from 'node:fs';
import { join, normalize, relative } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const SOURCES = join(ROOT, 'packages/server/src');

/** Files and folders of packages/server/src, top floor first. Rooms of one floor do not import each other. */
const FLOORS = [
  ['main.ts'],
  ['start.ts'],
  ['index.ts'],
  ['relay.ts'],
  ['listen'],
  ['sealed', 'pass-through'],
  ['context.ts'],
  ['hooks.ts'],
  ['domain.ts'],
  ['failure'],
  ['limits'],
  ['upstream'],
  ['observe'],
  ['config'],
  ['sessions'],
  ['secrets'],
  ['http'],
  ['timeout.ts'],
  ['limits/fixed.ts'], // numbers that every floor may use
];

const floorOf = (room: string): number => FLOORS.findIndex((floor) => floor.includes(room));
const roomOf = (file: string): string => (FLOORS.flat().includes(file) ? file : (file.split('/')[0] as string));

test('every import of the server goes to a lower floor or stays in its room', () => {
  const files = readdirSync(SOURCES, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
  const upward: string[] = [];
  for (const file of files) {
    expect(floorOf(roomOf(file)), `${file} is on a floor`).toBeGreaterThanOrEqual(0);
    for (const [, path] of readFileSync(join(SOURCES, file), 'utf8').matchAll(/(?: from |import\()'(\.[^']+)'/g)) {
      const target = relative(SOURCES, normalize(join(SOURCES, file, '..', path as string)));
      const [own, other] = [roomOf(file), roomOf(target)];
      if (own !== other && floorOf(other) <= floorOf(own)) upward.push(`${file} -> ${target}`);
    }
  }
  expect(upward.sort()).toEqual([]);
});

test('CONTRIBUTING lists the floors in this order', () => {
  const [, section = ''] = readFileSync(join(ROOT, 'CONTRIBUTING.md'), 'utf8').split('### The floors of the server\n');
  const [table = ''] = section.split(/^## /m);
  const rows = table.split('\n').filter((line) => line.startsWith('| `'));
  const listed = rows.map((row) => [...(row.split('|')[1] as string).matchAll(/`([^`]+)`/g)].map(([, name]) => name));
  expect(listed).toEqual(FLOORS);
});
