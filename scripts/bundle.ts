// Bundles the client for browsers into packages/client/dist, and copies what the relay serves under /public to
// packages/server/public, since the server may not import the client.
import { copyFileSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type BuildOptions, build, type Plugin, type StdinOptions } from 'esbuild';

const root = join(import.meta.dirname, '..');
const dist = join(root, 'packages/client/dist');
const served = join(root, 'packages/server/public');

interface Bundle extends BuildOptions {
  /** Path in dist, or the module itself. */
  readonly entry: string | StdinOptions;
  /** True when the relay serves it. */
  readonly isPublic: boolean;
}

/** Modules of packages/protocol that are loaded where WebCrypto lacks X25519 or ML-KEM. */
const LOADED_LATER = ['x25519-noble', 'mlkem-noble'];
/** One file for all of them: chunks that share modules would each be asked for. */
const LATER_FILE = 'mte-relay-crypto.mjs';

const loadLater: Plugin = {
  name: 'load later',
  setup({ onResolve }) {
    onResolve({ filter: new RegExp(`/(?:${LOADED_LATER.join('|')})\\.js$`) }, ({ kind }) =>
      kind === 'dynamic-import' ? { path: `./${LATER_FILE}`, external: true } : undefined,
    );
  },
};

const BUNDLES: Readonly<Record<string, Bundle>> = {
  // fetch alone, as an ES module in two files
  'mte-relay-fetch.mjs': { entry: 'entry-fetch.js', format: 'esm', plugins: [loadLater], isPublic: false },
  [LATER_FILE]: {
    entry: {
      contents: LOADED_LATER.map((module) => `export * from './${module}.js';`).join('\n'),
      resolveDir: join(root, 'packages/protocol/dist/crypto'),
    },
    format: 'esm',
    isPublic: false,
  },
  // the whole client, as an ES module
  'mte-relay-client.mjs': { entry: 'index.js', format: 'esm', isPublic: true },
  // the same as a classic script for a script tag: its exports are in one global
  'mte-relay-client.js': { entry: 'index.js', format: 'iife', globalName: 'mteRelay', isPublic: true },
  // the service worker, a classic script that is whole: a worker may not import() anything later
  'mte-relay-sw.js': { entry: 'service-worker/worker.js', format: 'iife', isPublic: true },
};

mkdirSync(served, { recursive: true });
for (const [name, { entry, isPublic, ...options }] of Object.entries(BUNDLES)) {
  const outfile = join(dist, name);
  await build({
    ...options,
    ...(typeof entry === 'string' ? { entryPoints: [join(dist, entry)] } : { stdin: entry }),
    outfile,
    bundle: true,
    minify: true,
    target: 'es2022',
    conditions: ['browser'],
    // In a file of its own that the bundle does not name: the relay serves the bundle alone.
    sourcemap: 'external',
    legalComments: 'eof',
    logLevel: 'warning',
  });
  if (isPublic) copyFileSync(outfile, join(served, name));
  console.log(`packages/client/dist/${name} ${statSync(outfile).size} bytes`);
}
