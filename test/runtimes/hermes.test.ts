// The conformance cases in Hermes, the engine of React Native, bare: the bundle is made by Metro and runs on React Native's
// own JavaScript, its native side is a relay in the engine. Refused cases that stand for many inputs try some of them.
import { vectors } from '../../conformance/providers.ts';
import type { InnerSeen } from '../../conformance/run/case-answers.ts';
import { RUNTIMES } from '../../conformance/runtimes.ts';
import { conformanceIn, type RuntimeRun, reportsIn } from './support/conformance.ts';
import { runInHermes } from './support/hermes.ts';

const { hermes } = RUNTIMES;
const ENTRY = 'test/runtimes/entry/hermes.ts';
const RELAY_URL = 'http://relay.example';

await conformanceIn(hermes, async () =>
  runOf(await runInHermes('react-native', ENTRY, { VECTORS: vectors, HAS: hermes.has })),
);

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
