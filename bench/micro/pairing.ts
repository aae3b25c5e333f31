// The pairing by halves: what a relay pays per new session, and what each kind of client pays.
import {
  acceptPairing,
  keyIdOf,
  parsePairingRequest,
  type SessionParameters,
  type Suite,
  startPairing,
} from '@mte-relay/protocol';
import { xwingKeyPairFromSeed } from '@mte-relay/protocol/node';
import { bench, group } from 'mitata';
import { node, random, suites } from './fixtures.ts';

const keyPair = xwingKeyPairFromSeed(random(32));
const identity = { keyPair, keyId: await keyIdOf(node, keyPair.publicKey) };
const authority = 'relay.example';

const parameters: SessionParameters = {
  sid: random(16),
  lifetimeMs: 3_600_000,
  idleMs: 900_000,
  messageLimit: 2 ** 20,
  window: 1024,
  requestBodyMaxBytes: 2 ** 30,
  storeEpochMs: 1,
  storeAgeMs: 1,
  lineage: new Uint8Array(16),
  relayTimeMs: 1,
  messageAgeMaxMs: 120_000,
  padToBytes: 0,
  clientId: random(64),
  cookiesFromScript: [],
};

function accept(message: Uint8Array<ArrayBuffer>): ReturnType<typeof acceptPairing> {
  return acceptPairing(node, identity, parsePairingRequest(message), () => parameters);
}

/** A client's whole share. The relay's response must fit the client's own start, so its half is in the figure too. */
async function pairWhole(suite: Suite): Promise<void> {
  const attempt = await startPairing(suite, keyPair.publicKey, { authority });
  const { reply } = await accept(attempt.message);
  await attempt.finish(reply);
}

const { message } = await startPairing(node, keyPair.publicKey, { authority });
group(() => {
  bench('pairing accept, relay (node)', () => accept(message));
  for (const suite of suites)
    bench(`pairing start, client (${suite.name})`, () => startPairing(suite, keyPair.publicKey, { authority }));
  for (const suite of suites) bench(`pairing whole, client (${suite.name}) and relay`, () => pairWhole(suite));
});
