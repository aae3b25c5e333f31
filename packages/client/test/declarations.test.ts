// The declarations compile in projects that check them too (`skipLibCheck: false`), whatever their `lib`.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { temporaryFiles } from '@mte-relay/testing/temporary-files';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '../../..');
const client = join(root, 'packages/client');
const manifest = JSON.parse(readFileSync(join(client, 'package.json'), 'utf8')) as {
  exports: Record<string, { types: string }>;
};

test.each([
  ['Node, without a DOM', { lib: ['ES2023'], types: ['node'] }],
  ['a browser, with old libraries', { lib: ['ES2020', 'DOM', 'DOM.Iterable'], types: [] }],
  ['a web worker', { lib: ['ES2020', 'WebWorker'], types: [] }],
])('of a project for %s', async (_name, { lib, types }) => {
  const compilerOptions = {
    lib,
    types,
    typeRoots: [join(root, 'node_modules/@types')],
    target: 'ES2022',
    module: 'NodeNext',
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    noEmit: true,
  };
  const files = Object.values(manifest.exports).map((entry) => join(client, entry.types));
  const folder = temporaryFiles({ 'tsconfig.json': JSON.stringify({ compilerOptions, files }) });
  const tsc = join(root, 'node_modules/.bin/tsc');
  const said = await promisify(execFile)(tsc, ['-p', folder]).then(
    () => '',
    (error: { stdout: string }) => error.stdout,
  );
  expect(said).toBe('');
});
