// Hermes, the engine of React Native, bare: runs a bundle that the Metro of an example app made, and quick starts in it.
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { xwingKeyPairFromSeed as keyPair, nobleSuite } from '@mte-relay/protocol/noble';
import { MiniRelay } from '@mte-relay/testing/mini-relay';
import { type Guide, writtenFor } from '../../docs/support/guides.ts';
import { outputOf, ROOT } from './conformance.ts';
import { INSTALLED } from './installed.ts';
import { notesApi } from './notes-api.ts';

const ENGINE = join(INSTALLED, 'hermes-engine-cli/linux64-bin/hermes');
const ENGINE_OPTIONS = ['-O', '-w', '-Xes6-promise=1', '-Xmicrotask-queue=1'];
/** The engine has no source of its own. Running out of them is an error there. */
const RANDOM_BYTES = 200_000;

/**
 * The output of a bundle.
 * @param app whose Metro bundles: a folder of examples.
 * @param entry from the root.
 * @param globals set before, by name.
 */
export async function runInHermes(
  app: string,
  entry: string,
  globals: Readonly<Record<string, unknown>>,
): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'mte-relay-hermes-'));
  try {
    const bundle = join(folder, 'bundle.js');
    await outputOf(process.execPath, [
      'scripts/build/metro-bundle.ts',
      `examples/${app}`,
      entry,
      'android',
      bundle,
      'bare',
    ]);
    const given = { ...globals, RANDOM_HEX: randomBytes(RANDOM_BYTES).toString('hex') };
    const script = join(folder, 'script.js');
    const lines = Object.entries(given).map(([name, value]) => `globalThis.${name} = ${JSON.stringify(value)};`);
    const before = readFileSync(join(ROOT, 'test/runtimes/entry/hermes-globals.js'), 'utf8');
    writeFileSync(script, [...lines, before, readFileSync(bundle, 'utf8')].join('\n'));
    chmodSync(ENGINE, 0o755); // the package leaves that out
    return await outputOf(ENGINE, [...ENGINE_OPTIONS, script]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The output of a quick start by lines, bundled by its app. Randomness comes from native code, as there. */
export async function quickStartInHermes(guide: Guide): Promise<string[]> {
  const seed = randomBytes(32);
  const { pin } = await MiniRelay.start({ suite: nobleSuite(), keyPair }, notesApi, new Uint8Array(seed));
  const name = `test/runtimes/quick-start-${guide.where}-${process.pid}`;
  const snippet = join(ROOT, `${name}.js`);
  const entry = join(ROOT, `${name}-entry.js`);
  writeFileSync(snippet, writtenFor(guide, pin));
  writeFileSync(
    entry,
    `import './entry/notes-in-engine.ts';\nimport './${snippet.slice(snippet.lastIndexOf('/') + 1)}';\n`,
  );
  try {
    const globals = { RELAY_SEED: [...seed], RANDOM_IS_NATIVE: true };
    return (await runInHermes(guide.where, `${name}-entry.js`, globals)).trim().split('\n');
  } finally {
    for (const file of [snippet, entry]) rmSync(file, { force: true });
  }
}
