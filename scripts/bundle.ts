// Bundles the client for browsers: one ES module with createRelayClient, packages/client/dist/mte-relay-client.js.
import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const client = new URL('../packages/client/', import.meta.url);
const outfile = fileURLToPath(new URL('dist/mte-relay-client.js', client));

await build({
  entryPoints: [fileURLToPath(new URL('dist/index.js', client))],
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
console.log(`packages/client/dist/mte-relay-client.js ${statSync(outfile).size} bytes`);
