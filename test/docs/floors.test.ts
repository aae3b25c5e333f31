// A package is a house with floors: an import goes down or stays in its room, so a room is read without those above it.
import { readdirSync, readFileSync } from 'node:fs';
import { join, normalize, relative } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const PACKAGES = join(ROOT, 'packages');

/** Files and folders of each package's src, top floor first. Rooms of one floor do not import each other. */
const HOUSES: Readonly<Record<string, readonly (readonly string[])[]>> = {
  server: [
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
  ],
  client: [
    ['script.ts'],
    ['index.ts', 'compat', 'service-worker'],
    ['clients'],
    ['call', 'realtime'],
    ['core.ts'],
    ['checked-options.ts'],
    ['send'],
    ['session'],
    ['platform'],
    ['outer'],
    ['api'],
    ['abort.ts'],
  ],
};

/** An import of a file of the same package: by its path, or by a name of the package's `imports` map. */
const IMPORT = /(?:\bfrom |\bimport |\bimport\()'([.#][^']+)'/g;
/** The same without types. */
const LOADED = /^(?:import|export) (?!type )(?:[^;]* from )?'([.#][^']+)';/gm;

for (const [name, floors] of Object.entries(HOUSES)) {
  test(`every import of the ${name} goes to a lower floor or stays in its room`, () => {
    const sources = join(PACKAGES, name, 'src');
    const { imports = {} } = JSON.parse(readFileSync(join(PACKAGES, name, 'package.json'), 'utf8')) as Manifest;
    const roomOf = (file: string): string => (floors.flat().includes(file) ? file : (file.split('/')[0] as string));
    const floorOf = (file: string): number => floors.findIndex((floor) => floor.includes(roomOf(file)));
    const files = readdirSync(sources, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
    const upward: string[] = [];
    for (const file of files) {
      expect(floorOf(file), `${file} is on a floor`).toBeGreaterThanOrEqual(0);
      for (const [, path = ''] of readFileSync(join(sources, file), 'utf8').matchAll(IMPORT)) {
        const targets = path.startsWith('#')
          ? Object.values(imports[path] as Conditions).map((built) => relative('dist', built))
          : [relative(sources, normalize(join(sources, file, '..', path)))];
        for (const target of targets) {
          const isUpward = roomOf(file) !== roomOf(target) && floorOf(target) <= floorOf(file);
          if (isUpward) upward.push(`${file} -> ${target}`);
        }
      }
    }
    expect(upward.sort()).toEqual([]);
  });
}

test('the installer of the service worker loads no client', () => {
  const sources = join(PACKAGES, 'client/src');
  const loaded = new Set(['service-worker/entry.ts', 'service-worker/install-script.ts']);
  for (const file of loaded) {
    if (file.startsWith('#')) continue;
    for (const [, path = ''] of readFileSync(join(sources, file), 'utf8').matchAll(LOADED))
      loaded.add(path.startsWith('#') ? path : normalize(join(file, '..', path)));
  }
  const rooms = new Set([...loaded].map((file) => file.split('/')[0]));
  expect([...rooms].sort()).toEqual(['#url', 'abort.ts', 'api', 'checked-options.ts', 'service-worker']);
  expect(loaded).not.toContain('service-worker/worker.ts');
});

test('CONTRIBUTING lists the floors of the server in this order', () => {
  const [, section = ''] = readFileSync(join(ROOT, 'CONTRIBUTING.md'), 'utf8').split('### The floors of the server\n');
  const [table = ''] = section.split(/^## /m);
  const rows = table.split('\n').filter((line) => line.startsWith('| `'));
  const listed = rows.map((row) => [...(row.split('|')[1] as string).matchAll(/`([^`]+)`/g)].map(([, name]) => name));
  expect(listed).toEqual(HOUSES['server']);
});

/** Path of the built file by condition. */
type Conditions = Readonly<Record<string, string>>;

interface Manifest {
  readonly imports?: Readonly<Record<string, Conditions>>;
}
