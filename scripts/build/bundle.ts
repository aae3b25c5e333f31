// Bundles the client for browsers into packages/client/dist, and copies what the relay serves under /public to
// packages/server/public, since the server may not import the client.
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BuildOptions, build, type Metafile, type Plugin } from 'esbuild';
import { minify } from 'terser';

const root = join(import.meta.dirname, '../..');
const dist = join(root, 'packages/client/dist');
const served = join(root, 'packages/server/public');
const cryptoFolder = join(root, 'packages/protocol/dist/crypto');
const NOBLE_AT_HAND = join(cryptoFolder, 'noble-at-hand.js');

interface Bundle extends BuildOptions {
  /** Paths of the modules whose exports are the bundle's, from `from`. */
  readonly modules: readonly string[];
  readonly from: string;
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

/** noble in the same file, and first: gzip looks back 32 kB, and our own code resembles itself. */
const atHand: Plugin = {
  name: 'at hand',
  setup({ onResolve }) {
    onResolve({ filter: /noble-(?:later|at-hand)\.js$/ }, () => ({ path: NOBLE_AT_HAND, sideEffects: true }));
  },
};
const whole = (module: string) => ({ modules: [module], from: dist, plugins: [atHand] });

const BUNDLES: Readonly<Record<string, Bundle>> = {
  // fetch alone, as an ES module in two files
  'mte-relay-fetch.mjs': {
    modules: ['clients/fetch-only.js'],
    from: dist,
    format: 'esm',
    plugins: [loadLater],
    isPublic: false,
  },
  [LATER_FILE]: {
    modules: LOADED_LATER.map((module) => `${module}.js`),
    from: cryptoFolder,
    format: 'esm',
    isPublic: false,
  },
  // the whole client, as an ES module
  'mte-relay-client.mjs': { ...whole('index.js'), format: 'esm', isPublic: true },
  // the same as a classic script for a script tag: one global
  'mte-relay-client.js': { ...whole('script.js'), format: 'iife', isPublic: true },
  // what installs the service worker, as a module and for a script tag: without client and cryptography
  'mte-relay-install.mjs': { modules: ['service-worker/entry.js'], from: dist, format: 'esm', isPublic: true },
  'mte-relay-install.js': { modules: ['service-worker/install-script.js'], from: dist, format: 'iife', isPublic: true },
  // the service worker, a classic script that is whole: a worker may not import() anything later
  'mte-relay-sw.js': { ...whole('service-worker/worker.js'), format: 'iife', isPublic: true },
};

/**
 * Members of our own inner interfaces, of no page, platform or library and never stored or sent between files: they get
 * short names. None may be in docs/api.md.
 */
const INNER_MEMBERS = [
  ...[
    'importExpandKey',
    'expandAead',
    'importAead',
    'aeadNonce',
    'handshakeHash',
    'mixHash',
    'mixKey',
    'mixKeyAndHash',
  ],
  ...['encryptAndHash', 'decryptAndHash', 'keyPairFromSeed', 'generateKeyPair', 'publicKeyBytes', 'ciphertextBytes'],
  ...[
    'requestSecret',
    'responseSecret',
    'sealFinal',
    'openFinal',
    'openResponse',
    'sealRequest',
    'requestBodyMaxBytes',
  ],
  ...[
    'messageAgeMaxMs',
    'relayTimeMs',
    'lineage',
    'vouches',
    'inPieces',
    'sentField',
    'abandoned',
    'mayResendStale',
    'requireTruth',
  ],
  ...['storeEpochMs', 'storeAgeMs', 'makeSuite', 'pairingFlags', 'defaultFields', 'postWithProgress'],
  ...['makeRequest', 'neverSent', 'fetchInit', 'onResponse', 'onResend', 'countUnsent', 'bufferedBytes', 'replayable'],
  ...[
    'baseUrl',
    'relayOrigin',
    'sameOrigin',
    'checkOpen',
    'onSent',
    'onHead',
    'onContent',
    'onInformational',
    'redirects',
  ],
  ...['headMaxBytes', 'fieldCountMax', 'padToMultipleBytes', 'pairedAt', 'monotonicMs', 'wallMs', 'prepareResend'],
  ...[
    'makeResponse',
    'throwIfFailed',
    'parameters',
    'sizeBytes',
    'authority',
    'closing',
    'varint',
    'contentType',
    'scheme',
    'flags',
    'payload',
    'attempt',
    'finish',
    'release',
    'hashBytes',
    'framing',
    'exporter',
    'keyId',
    'lease',
    'hasRoom',
    'provesLost',
    'adopt',
    'fieldsIn',
    'discard',
    'indeterminate',
    'opener',
    'onMessage',
    'control',
    'uploads',
    'renew',
    'settle',
    'takeBody',
    'gather',
    'sealer',
    'transport',
    'retryMs',
    'secrets',
    'taken',
    'onOpen',
    'onEnd',
  ],
  // cookies and identity; the members of stored rows keep their names
  ...['ownFields', 'hasCredentials', 'namesFromScript', 'cookiesFromScript', 'scriptCookies', 'changeRecords'],
  ...['keeper', 'dropped', 'deleted'],
  // the guard and the worker
  ...['scopeHref', 'scriptHref', 'isAsync', 'displaces', 'onUnregistered', 'verifying', 'pageOrigin'],
];
const innerMember = new RegExp(`^(?:${INNER_MEMBERS.join('|')})$`);
for (const [word] of readFileSync(join(root, 'docs/api.md'), 'utf8').matchAll(/\w+/g)) {
  if (innerMember.test(word)) throw new Error(`${word} is in docs/api.md, so a bundle may not rename it`);
}

/** Modules of these packages stand in a bundle in this order, each package's by their paths. */
const PACKAGES_IN_ORDER = ['packages/protocol/', 'packages/client/'];

/**
 * Imports that put a bundle's modules in an order which does not depend on how imports are sorted: the order alone changes
 * the gzipped size by some 100 bytes.
 * @param inputs paths of the modules that a build without an order puts in.
 */
function ordered(inputs: readonly string[], withNoble: boolean): { imports: string; plugin: Plugin } {
  const own = PACKAGES_IN_ORDER.flatMap((folder) => inputs.filter((path) => path.startsWith(folder)).sort());
  const paths = [...(withNoble ? [NOBLE_AT_HAND] : []), ...own.map((path) => join(root, path))];
  const plugin: Plugin = {
    name: 'ordered',
    setup({ onResolve }) {
      // Kept though the packages state that importing these modules has no effect.
      onResolve({ filter: /^\// }, ({ path }) => (paths.includes(path) ? { path, sideEffects: true } : undefined));
    },
  };
  return { imports: paths.map((path) => `import ${JSON.stringify(path)};`).join(''), plugin };
}

/** Paths of the modules of which the bundle has code: others that are imported have no effect. */
function inputsOf({ outputs }: Metafile): string[] {
  const found = Object.values(outputs).flatMap(({ inputs }) => Object.entries(inputs));
  return found.filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([path]) => path);
}

const isNoble = (path: string): boolean => path.includes('node_modules/@noble/');
const NOBLE = ['curves', 'hashes', 'post-quantum'];
/** Beside the scripts, which hold parts of noble: the notices that its licence asks for. */
const LICENSES_FILE = 'mte-relay-licenses.txt';
const NOTICE = `/*! holds parts of noble, (c) Paul Miller: ${LICENSES_FILE} */`;

mkdirSync(served, { recursive: true });
// Bundling takes seconds, and most builds change no bundle.
for (const [name, { modules, from, isPublic, ...options }] of areCurrent() ? [] : Object.entries(BUNDLES)) {
  const outfile = join(dist, name);
  const common = {
    ...options,
    outfile,
    absWorkingDir: root,
    bundle: true,
    minify: true,
    mangleProps: innerMember,
    target: 'es2022',
    conditions: ['browser'],
    sourcemap: 'external',
    legalComments: 'none', // see NOTICE
    logLevel: 'warning',
    write: false,
    metafile: true,
  } satisfies BuildOptions;
  const { plugins = [] } = options;
  const exported = modules.map((module) => `export * from './${module}';`).join('');
  const { metafile } = await build({ ...common, stdin: { contents: exported, resolveDir: from } });
  const inputs = inputsOf(metafile);
  const order = ordered(inputs, plugins.includes(atHand));
  const { outputFiles } = await build({
    ...common,
    stdin: { contents: order.imports + exported, resolveDir: from },
    plugins: [...plugins, order.plugin],
  });
  const [map, script] = outputFiles.map(({ text }) => text) as [string, string];
  // esbuild first, whose short names for private members are the same in each class; terser then finds 4 % more.
  const smaller = await minify(script, {
    ecma: 2020,
    module: options.format === 'esm',
    compress: { passes: 3 },
    format: { comments: false, ...(inputs.some(isNoble) && { preamble: NOTICE }) },
    sourceMap: { content: map, filename: name },
  });
  writeFileSync(outfile, smaller.code as string);
  // In a file of its own that the bundle does not name: the relay serves the bundle alone.
  writeFileSync(`${outfile}.map`, smaller.map as string);
  if (isPublic) copyFileSync(outfile, join(served, name));
  console.log(`packages/client/dist/${name} ${statSync(outfile).size} bytes`);
}

const licenses = NOBLE.map((name) => {
  const license = readFileSync(join(root, 'node_modules/@noble', name, 'LICENSE'), 'utf8');
  return `@noble/${name}\n\n${license.trim()}\n`;
});
for (const folder of [dist, served]) writeFileSync(join(folder, LICENSES_FILE), licenses.join('\n\n'));

/** True when every bundle is newer than all of its sources, this script and the locked packages. */
function areCurrent(): boolean {
  const bundles = Object.entries(BUNDLES).flatMap(([name, { isPublic }]) =>
    [dist, ...(isPublic ? [served] : [])].map((folder) => join(folder, name)),
  );
  if (!bundles.every(existsSync)) return false;
  const sources = [dist, join(root, 'packages/protocol/dist')]
    .flatMap((folder) => readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((path) => join(folder, path)))
    .filter((path) => path.endsWith('.js') && !bundles.includes(path));
  sources.push(import.meta.filename, join(root, 'docs/api.md'), join(root, 'package-lock.json'));
  const changedMs = (path: string): number => statSync(path).mtimeMs;
  return Math.max(...sources.map(changedMs)) < Math.min(...bundles.map(changedMs));
}
