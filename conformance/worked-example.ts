// The worked example of SPEC §11, as text, from the first pairing and the first message of the vectors.
import { EXAMPLE_REQUEST, EXAMPLE_RESPONSE } from './cases/messages.ts';
import type { MessageCase, MessageVectors, PairingCase } from './format.ts';
import { hex, unhex } from './twin/bytes.ts';
import { pin } from './twin/identity.ts';
import { hash } from './twin/primitives.ts';

const BEGIN = '<!-- worked example: made by conformance/generate.ts -->';
const END = '<!-- end of the worked example -->';

/** The text between the marks of §11. */
export function workedExample(pairings: PairingCase[], messages: MessageVectors): string {
  const pairing = pairings[0] as PairingCase;
  const message = messages.cases[0] as MessageCase;
  const request = unhex(pairing.request);
  const lines = [
    ['CLIENT_ID_SECRET', '"a secret of at least thirty-two characters"'],
    ['identity seed', pairing.relaySeed],
    ['SHA-256(public key)', hex(hash(unhex(pairing.relayPublicKey)))],
    ['key id', hex(request.subarray(3, 11))],
    ['pin', pin(unhex(pairing.relayPublicKey))],
    ['authority, flags', `"${pairing.authority}", ${pairing.flags}`],
    ['static randomness', pairing.staticRandomness],
    ['ephemeral seed', pairing.ephemeralSeed],
    ['ephemeral randomness', pairing.ephemeralRandomness],
    ['request: version ‖ head', hex(request.subarray(0, 29))],
    ['request: tag', hex(request.subarray(-16))],
    ['SHA-256(request)', hex(hash(request))],
    ['parameters', pairing.parameterBytes],
    ['reply: sealed parameters', hex(unhex(pairing.reply).subarray(1120))],
    ['SHA-256(reply)', hex(hash(unhex(pairing.reply)))],
    ...pairing.trace.flatMap(({ step, h, ck }, i) => {
      const ckBefore = pairing.trace[i - 1]?.ck;
      const first: [string, string] = [`h  ${step}`, h];
      return ck === ckBefore ? [first] : [first, [`ck ${step}`, ck] as [string, string]];
    }),
    ['k1', pairing.k1],
    ['k2', pairing.k2],
    ['request secret', pairing.requestSecret],
    ['response secret', pairing.responseSecret],
    ['exporter', pairing.exporter],
    ['message header, n = 0', message.header],
    ['request key', message.requestKey],
    ['Binary HTTP request', hex(EXAMPLE_REQUEST)],
    ['sealed request', message.request as string],
    ['response nonce', message.responseNonce],
    ['response key', message.responseKey],
    ['Binary HTTP response', hex(EXAMPLE_RESPONSE)],
    ['sealed response', message.response as string],
  ] as [string, string][];
  return lines.map(([name, value]) => `${name.padEnd(27)}${fold(value)}`).join('\n');
}

/** The text between the marks. */
export function exampleIn(spec: string): string {
  const [begin, end] = marks(spec);
  return spec
    .slice(begin, end)
    .replace(/^\n\n```text\n/, '')
    .replace(/\n```\n\n$/, '');
}

/** The specification with this example between the marks. */
export function replaceExample(spec: string, example: string): string {
  const [begin, end] = marks(spec);
  return `${spec.slice(0, begin)}\n\n\`\`\`text\n${example}\n\`\`\`\n\n${spec.slice(end)}`;
}

function marks(spec: string): [number, number] {
  const begin = spec.indexOf(BEGIN);
  const end = spec.indexOf(END);
  if (begin < 0 || end < begin) throw new Error('docs/SPEC.md has lost the marks of its worked example');
  return [begin + BEGIN.length, end];
}

/** Continues long values on lines of their own. */
function fold(value: string): string {
  const lines = value.match(/.{1,64}/g) ?? [''];
  return lines.join(`\n${' '.repeat(27)}`);
}
