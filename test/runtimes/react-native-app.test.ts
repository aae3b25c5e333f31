// The example app of React Native is type-checked and bundled as its own build does; no phone runs it here.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { outputOf, ROOT } from './support/conformance.ts';

const APP = 'examples/react-native';
const BUILD_TIMEOUT_MS = 300_000;

describe('the example app of React Native', () => {
  test('type-checks', { timeout: BUILD_TIMEOUT_MS }, async () => {
    const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
    expect(await outputOf(process.execPath, [compiler, '-p', APP])).toBe('');
  });

  test('bundles, with noble and without Node or the DOM', { timeout: BUILD_TIMEOUT_MS }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mte-relay-metro-'));
    try {
      const outfile = join(folder, 'app.js');
      await outputOf(process.execPath, ['scripts/build/metro-bundle.ts', APP, `${APP}/index.js`, 'android', outfile]);
      const code = readFileSync(outfile, 'utf8');
      expect(code).toContain('MteRelayExample');
      expect(code).toContain('react-native-get-random-values');
      expect(code).not.toContain('node:crypto');
      expect(code).not.toContain('indexedDB');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
