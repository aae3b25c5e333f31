// `npm run test:expo`: the example app of Expo is type-checked and exported as its release build does, and the quick start
// for Expo runs in Hermes, bundled by the app's Metro; no phone runs it here.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Guide, guidesIn, promised } from '../docs/support/guides.ts';
import { outputOf, ROOT } from '../runtimes/support/conformance.ts';
import { quickStartInHermes } from '../runtimes/support/hermes.ts';

const APP = 'examples/expo';
const BUILD_TIMEOUT_MS = 300_000;
const PIN = `sha256-${Buffer.alloc(32, 7).toString('base64')}`;

describe('the example app of Expo', () => {
  test('type-checks', { timeout: BUILD_TIMEOUT_MS }, async () => {
    const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
    expect(await outputOf(process.execPath, [compiler, '-p', APP])).toBe('');
  });

  test('exports for Android and iOS, with noble and without Node or the DOM', {
    timeout: BUILD_TIMEOUT_MS,
  }, async () => {
    const bundles = await exported();
    expect(bundles).toHaveLength(2);
    for (const code of bundles) {
      expect(code).toContain('Notes, sealed');
      expect(code.includes(PIN)).toBe(true);
      expect(code).toContain('getRandomBase64');
      expect(code).not.toContain('node:crypto');
      expect(code).not.toContain('indexedDB');
    }
  });

  test('the quick start runs in it and prints what it states', { timeout: BUILD_TIMEOUT_MS }, async () => {
    const guide = guidesIn('quick-starts.md').find(({ where }) => where === 'expo') as Guide;
    expect(promised(guide).length).toBeGreaterThan(0);
    expect(await quickStartInHermes(guide)).toEqual(promised(guide));
  });
});

/** JavaScript as a release has it, before it is made bytecode of; one per platform. */
async function exported(): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'mte-relay-expo-'));
  const out = join(folder, 'out');
  const cache = join(folder, 'cache');
  mkdirSync(cache);
  try {
    const expo = join(ROOT, APP, 'node_modules/expo/bin/cli');
    const options = ['--platform', 'android', '--platform', 'ios', '--no-bytecode', '--no-minify', '--output-dir', out];
    await outputOf(process.execPath, [expo, 'export', ...options], {
      folder: APP,
      // A cache of its own: the usual one would keep the pin of an earlier export.
      environment: { CI: '1', EXPO_OFFLINE: '1', EXPO_NO_TELEMETRY: '1', EXPO_PUBLIC_PIN: PIN, TMPDIR: cache },
    });
    const names = readdirSync(out, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.js'));
    return names.map((name) => readFileSync(join(out, name), 'utf8'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
