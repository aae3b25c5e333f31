// The conformance cases in Hermes, the engine of React Native, bare: the bundle is made by Metro and runs on React Native's
// own JavaScript, its native side is a relay in the engine. Refused cases that stand for many inputs try some of them.
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vectors } from '../../conformance/providers.ts';
import type { InnerSeen } from '../../conformance/run/relay.ts';
import { RUNTIMES } from '../../conformance/runtimes.ts';
import { conformanceIn, INSTALLED, outputOf, ROOT, type RuntimeRun, reportsIn } from './support/conformance.ts';

const { hermes } = RUNTIMES;
const ENGINE = join(INSTALLED, 'hermes-engine-cli/linux64-bin/hermes');
const ENGINE_OPTIONS = ['-O', '-w', '-Xes6-promise=1', '-Xmicrotask-queue=1'];
/** The engine has no source of its own. Running out of them is an error there. */
const RANDOM_BYTES = 200_000;
const ENTRY = 'test/runtimes/entry/hermes.ts';
const RELAY_URL = 'http://relay.example';

await conformanceIn(hermes, inHermes);

async function inHermes(): Promise<RuntimeRun> {
  const folder = mkdtempSync(join(tmpdir(), 'mte-relay-hermes-'));
  try {
    const bundle = join(folder, 'bundle.js');
    await outputOf(process.execPath, ['scripts/metro-bundle.ts', 'examples/react-native', ENTRY, 'android', bundle]);
    const given = [
      `globalThis.RANDOM_HEX = "${randomBytes(RANDOM_BYTES).toString('hex')}";`,
      `globalThis.VECTORS = ${JSON.stringify(vectors)};`,
      `globalThis.HAS = ${JSON.stringify(hermes.has)};`,
      readFileSync(join(ROOT, 'test/runtimes/entry/hermes-globals.js'), 'utf8'),
    ];
    const script = join(folder, 'script.js');
    writeFileSync(script, given.join('\n') + readFileSync(bundle, 'utf8'));
    chmodSync(ENGINE, 0o755); // the package leaves that out
    return runOf(await outputOf(ENGINE, [...ENGINE_OPTIONS, script]));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function runOf(output: string): RuntimeRun {
  const lines = reportsIn(output) as (ReturnType<typeof reportsIn>[number] & { seen?: [number, InnerSeen[]][] })[];
  const seen = new Map(lines.at(-1)?.seen ?? []);
  return {
    relayUrl: RELAY_URL,
    reports: lines.slice(0, -1),
    seen: (index) =>
      (seen.get(index) ?? []).map((one) => ({ ...one, content: new Uint8Array(Buffer.from(one.content, 'hex')) })),
  };
}
