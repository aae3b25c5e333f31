// The relay's identity: its X-Wing key pair, key id and pin (SPEC §3.1).
import { KEM_SEED_BYTES, KEY_ID_BYTES, pinOfDigest, type RelayIdentity } from '@mte-relay/protocol';
import { xwingKeyPairFromSeed } from '@mte-relay/protocol/node';
import { deriveFromSecret, sha256 } from './derive.ts';

/** The settings that an identity is derived from, newest first. */
export interface IdentitySecrets {
  readonly CLIENT_ID_SECRET: readonly string[];
  readonly RELAY_IDENTITY_SEED?: readonly Uint8Array[] | undefined;
}

/** The identity of a seed, or by default that of CLIENT_ID_SECRET: relays with the same secret have the same key. */
export function relayIdentity(options: { seed?: Uint8Array | undefined; clientIdSecret: string }): RelayIdentity {
  const seed = options.seed ?? deriveFromSecret(options.clientIdSecret, 'mte-relay/1 identity', KEM_SEED_BYTES);
  const keyPair = xwingKeyPairFromSeed(seed);
  const keyId = new Uint8Array(sha256(keyPair.publicKey).subarray(0, KEY_ID_BYTES));
  return { keyPair, keyId };
}

/** Every identity that pairings may use, newest first; more than one during the rotation of a secret or seed. */
export function relayIdentities(settings: IdentitySecrets): readonly [RelayIdentity, ...RelayIdentity[]] {
  const { RELAY_IDENTITY_SEED: seeds, CLIENT_ID_SECRET: secrets } = settings;
  const identities = seeds
    ? seeds.map((seed) => relayIdentity({ seed, clientIdSecret: '' }))
    : secrets.map((clientIdSecret) => relayIdentity({ clientIdSecret }));
  return identities as [RelayIdentity, ...RelayIdentity[]];
}

/** The pin of an identity, which clients trust. */
export function pinOf(identity: RelayIdentity): string {
  return pinOfDigest(sha256(identity.keyPair.publicKey));
}
