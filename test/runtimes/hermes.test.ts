// The conformance cases in Hermes, the engine of React Native, bare: the bundle is made by Metro and runs on React Native's
// own JavaScript, its native side is a relay in the engine. Refused cases that stand for many inputs try some of them.
import { describe, expect, test } from 'vitest';
import { patternOf } from '../../conformance/fetch/format.ts';
import { vectors } from '../../conformance/providers.ts';
import type { InnerSeen } from '../../conformance/run/case-responses.ts';
import { RUNTIMES } from '../../conformance/runtimes.ts';
import type { BodySeen } from './entry/hermes.ts';
import { conformanceIn, type RuntimeRun, reportsIn } from './support/conformance.ts';
import { runInHermes } from './support/hermes.ts';

const { hermes } = RUNTIMES;
const ENTRY = 'test/runtimes/entry/hermes.ts';
const RELAY_URL = 'http://relay.example';

const output = await runInHermes('react-native', ENTRY, { VECTORS: vectors, HAS: hermes.has });
await conformanceIn(hermes, async () => runOf(output));

describe('bodies that only React Native has', () => {
  const { bodies } = reportsIn(output).at(-1) as unknown as { bodies: readonly BodySeen[] };
  const [form, blob] = bodies.map(
    ({ type, content }) => new Response(Buffer.from(content, 'hex'), { headers: [['content-type', type]] }),
  );

  test('its FormData, with a file of the device, arrives as a form', async () => {
    const fields = await (form as Response).formData();
    expect([...fields.keys()]).toEqual(['note', 'photo']);
    expect(fields.get('note')).toBe('grüße');
    const photo = fields.get('photo') as File;
    expect([photo.name, photo.type]).toEqual(['photo.png', 'image/png']);
    expect(new Uint8Array(await photo.arrayBuffer())).toEqual(patternOf(1000));
  });

  test('its Blob arrives with its type', async () => {
    expect(bodies[1]?.type).toBe('text/x-note');
    expect(await (blob as Response).text()).toBe('a blob');
  });
});

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
