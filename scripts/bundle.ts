// Bundles the client for browsers, into packages/client/dist: the whole client and fetch alone, each one ES module.
import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const dist = fileURLToPath(new URL('../packages/client/dist/', import.meta.url));

/** Entry by the name of its bundle. */
const BUNDLES = {
  'mte-relay-client': 'index.js',
  'mte-relay-fetch': 'entry-fetch.js',
};

for (const [name, entry] of Object.entries(BUNDLES)) {
  const outfile = `${dist}${name}.js`;
  await build({
    entryPoints: [dist + entry],
    outfile,
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    conditions: ['browser'],
    sourcemap: true,
    legalComments: 'eof',
    logLevel: 'warning',
  });
  console.log(`packages/client/dist/${name}.js ${statSync(outfile).size} bytes`);
}
