// Cases of SPEC §3: whole pairings on both sides, and what each side refuses.
import {
  acceptPairing,
  type Bytes,
  type KemKeyPair,
  keyIdOf,
  parsePairingRequest,
  startPairing,
} from '@mte-relay/protocol';
import { type PairingCase, type RefusedCase, refusedInputs } from '../format.ts';
import { hex } from '../twin/bytes.ts';
import { type Case, expectSame, outcome, unhex } from './case.ts';
import { type Providers, withRandomness } from './fixed-suite.ts';

export function pairingCases(
  cases: readonly PairingCase[],
  refused: readonly RefusedCase[],
  { client, inputsMax }: Providers,
): Case[] {
  const keyPairs = new Map<string, KemKeyPair>();
  const keyPairOf = async ({ relaySeed }: PairingCase) => {
    const known = keyPairs.get(relaySeed) ?? (await client.keyPair(unhex(relaySeed)));
    keyPairs.set(relaySeed, known);
    return known;
  };

  return [
    ...cases.map((one) => ({ name: `pairing of a client: ${one.name}`, run: () => pairAsClient(one) })),
    ...cases.map((one) => ({
      name: `pairing of a relay: ${one.name}`,
      async run() {
        const { reply, secrets } = await accept(one, unhex(one.request));
        expectSame(hex(reply), one.reply);
        expectSecrets(secrets, one);
      },
    })),
    ...refused.map((one) => ({ name: `pairing refused by the ${one.side}: ${one.name}`, run: () => refuse(one) })),
  ];

  async function pairAsClient(one: PairingCase): Promise<void> {
    for (const reply of [one.reply, one.replyWithUnknownFields]) {
      const attempt = await start(one);
      expectSame(hex(attempt.message), one.request);
      const { parameters, secrets } = await attempt.finish(unhex(reply));
      const { sid, lineage, clientId } = parameters;
      expectSame({ ...parameters, sid: hex(sid), lineage: hex(lineage), clientId: hex(clientId) }, one.parameters);
      if (reply === one.reply) expectSecrets(secrets, one);
    }
  }

  async function refuse(one: RefusedCase): Promise<void> {
    const base = cases.find(({ name }) => name === one.base) as PairingCase;
    const bytes = unhex(one.side === 'relay' ? base.request : base.reply);
    for (const input of refusedInputs(one, bytes, inputsMax)) {
      const given = new Uint8Array(input);
      const seen = await outcome(() =>
        one.side === 'relay' ? accept(base, given, false) : start(base).then((attempt) => attempt.finish(given)),
      );
      expectSame(seen, one.expect);
    }
  }

  function start(one: PairingCase) {
    const suite = withRandomness(client, {
      encapsulations: [unhex(one.staticRandomness)],
      seeds: [unhex(one.ephemeralSeed)],
    });
    return startPairing(suite, unhex(one.relayPublicKey), { authority: one.authority, flags: one.flags });
  }

  /** Failing inputs meet the provider's own encapsulation, since it is what refuses a bad key. */
  async function accept(one: PairingCase, request: Bytes, fixed = true) {
    const suite = fixed ? withRandomness(client, { encapsulations: [unhex(one.ephemeralRandomness)] }) : client.suite;
    const parsed = parsePairingRequest(request);
    const keyPair = await keyPairOf(one);
    const relay = { keyPair, keyId: await keyIdOf(suite, keyPair.publicKey) };
    const { sid, lineage, clientId, ...numbers } = one.parameters;
    const bytes = { sid: unhex(sid), lineage: unhex(lineage), clientId: unhex(clientId) };
    return acceptPairing(suite, relay, parsed, () => ({ ...numbers, ...bytes }));
  }
}

function expectSecrets(secrets: { request: Bytes; response: Bytes; exporter: Bytes }, one: PairingCase): void {
  expectSame(hex(secrets.request), one.requestSecret);
  expectSame(hex(secrets.response), one.responseSecret);
  expectSame(hex(secrets.exporter), one.exporter);
}
