// Pairings (SPEC §3): requests, replies and the parameters in them. Key encapsulation makes these cases slow.
import {
  acceptPairing,
  type Bytes,
  concatBytes,
  keyIdOf,
  type PairingRequest,
  parsePairingRequest,
  type RelayIdentity,
  startPairing,
} from '@mte-relay/protocol';
import { nodeSuite, xwingKeyPairFromSeed } from '@mte-relay/protocol/node';
import type { Randomness } from '../../../conformance/run/fixed-suite.ts';
import { withRandomness } from '../../../conformance/run/fixed-suite.ts';
import * as twin from '../../../conformance/twin/pairing.ts';
import { fromHex, holds, outcomeOf, parsed, parsedLater, same, type Target, texts } from '../engine/target.ts';
import { vectors } from './vectors.ts';

const suite = nodeSuite();
const provider = { suite, keyPair: xwingKeyPairFromSeed };
const { cases } = vectors('pairing');
const first = cases[0] as (typeof cases)[number];
const keyPair = xwingKeyPairFromSeed(fromHex(first.relaySeed));
const identity: RelayIdentity = { keyPair, keyId: await keyIdOf(suite, keyPair.publicKey) };
const requests = cases.map((one) => fromHex(one.request));
const parameters = {
  ...first.parameters,
  sid: fromHex(first.parameters.sid),
  clientId: fromHex(first.parameters.clientId),
  lineage: fromHex(first.parameters.lineage),
};

const request: Target = {
  name: 'pairing request',
  corpus: requests,
  dictionary: texts('\x01\0\x01', '\x02', '\0\x02', '\0', '\xff', 'relay.example', identityText()),
  maxBytes: 3000,
  check(input, choices) {
    const read = parsed(() => parsePairingRequest(input));
    if (read.code === undefined) {
      const { head, staticCiphertext, ephemeralPublicKey, tag, authority } = read.value;
      const again = concatBytes([new Uint8Array([1]), head, staticCiphertext, ephemeralPublicKey, tag]);
      same(again, input, 'the parts of a request are the whole of it');
      holds(/^[!-~]{1,255}$/.test(authority), 'an authority is visible ASCII');
      if (choices.below(16) === 0) return accepted(input, read.value);
    }
    return outcomeOf(read);
  },
};

function identityText(): string {
  return Buffer.from(identity.keyId).toString('latin1');
}

async function accepted(input: Bytes, read: PairingRequest): Promise<string> {
  const result = await parsedLater(() => acceptPairing(suite, identity, read, () => parameters));
  const valid = requests.some((one) => Buffer.compare(one, input) === 0);
  holds(result.code !== undefined || valid, 'only an unchanged request is accepted');
  return outcomeOf(result);
}

const reply: Target = {
  name: 'pairing reply',
  corpus: [fromHex(first.reply), fromHex(first.replyWithUnknownFields)],
  maxBytes: 1600,
  async check(input) {
    const randomness: Randomness = {
      encapsulations: [fromHex(first.staticRandomness)],
      seeds: [fromHex(first.ephemeralSeed)],
    };
    const started = await startPairing(withRandomness(provider, randomness), keyPair.publicKey, first);
    const result = await parsedLater(() => started.finish(input));
    const valid = [first.reply, first.replyWithUnknownFields].some((hex) => fromHex(hex).length === input.length);
    holds(result.code !== undefined || valid, 'only an unchanged reply is accepted');
    return outcomeOf(result);
  },
};

/** A reply of the relay's own with these parameters, made by the twin: a peer that holds the key sends anything. */
const parameterBytes: Target = {
  name: 'pairing parameters',
  corpus: cases.map((one) => fromHex(one.parameterBytes)),
  dictionary: texts('\0\0', '\xff\xff', ',', '\0\x20\0\0\0\0\0\0'),
  maxBytes: 700,
  memoryMaxBytes: 67_108_864,
  async check(input) {
    const given = twin.clientRequest({
      relayPublicKey: keyPair.publicKey,
      authority: first.authority,
      flags: first.flags,
      staticRandomness: fromHex(first.staticRandomness),
      ephemeralSeed: fromHex(first.ephemeralSeed),
    });
    const made = twin.relayReply(fromHex(first.relaySeed), given.request, fromHex(first.ephemeralRandomness), input);
    const randomness: Randomness = {
      encapsulations: [fromHex(first.staticRandomness)],
      seeds: [fromHex(first.ephemeralSeed)],
    };
    const started = await startPairing(withRandomness(provider, randomness), keyPair.publicKey, first);
    const mine = await parsedLater(() => started.finish(new Uint8Array(made.reply)));
    const expected = parsed(() => twin.clientFinish(given.handshake, fromHex(first.ephemeralSeed), made.reply));
    same(mine.code, expected.code, 'client and twin agree on the parameters');
    if (mine.code === undefined && expected.code === undefined) {
      const { parameters: read } = mine.value;
      const { cookiesFromScript, ...others } = expected.value.parameters;
      same({ ...others, cookiesFromScript: read.cookiesFromScript }, read, 'client and twin read the same parameters');
      same(
        read.cookiesFromScript.filter((name) => name !== ''),
        cookiesFromScript,
        'and the same names',
      );
    }
    return outcomeOf(mine);
  },
};

export const PAIRING_TARGETS: readonly Target[] = [request, reply, parameterBytes];
