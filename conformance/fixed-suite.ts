// Providers of packages/protocol whose randomness is given, so that their bytes can be compared with the vectors.
import type { Awaitable, Bytes, Kem, KemKeyPair, Suite, SyncSuite } from '@mte-relay/protocol';
import { xwingKeyPairFromSeed as nobleKeyPair, nobleSuite } from '@mte-relay/protocol/noble';
import { xwingKeyPairFromSeed as nodeKeyPair, nodeSuite } from '@mte-relay/protocol/node';
import { xwingKeyPairFromSeed as webcryptoKeyPair, webcryptoSuite } from '@mte-relay/protocol/webcrypto';
import { ml_kem768_x25519 as xwing } from '@noble/post-quantum/hybrid.js';

/** A provider, and its way from a seed to a key pair. */
export interface Provider<S extends Suite = Suite> {
  readonly suite: S;
  readonly keyPair: (seed: Bytes) => Awaitable<KemKeyPair>;
}

const node: Provider<SyncSuite> = { suite: nodeSuite(), keyPair: nodeKeyPair };
const noble: Provider<SyncSuite> = { suite: nobleSuite(), keyPair: nobleKeyPair };
const webcrypto: Provider = { suite: webcryptoSuite(), keyPair: webcryptoKeyPair };

/** Providers that answer at once, the only ones a relay may use. */
export const syncProviders: Provider<SyncSuite>[] = [node, noble];
export const providers: Provider[] = [node, noble, webcrypto];

/** Randomness in the order of its use; running out is an error. */
export interface Randomness {
  readonly bytes?: Bytes[];
  readonly encapsulations?: Bytes[];
  readonly seeds?: Bytes[];
}

/** The provider with this randomness. Encapsulation is noble's, because OpenSSL takes no randomness. */
export function withRandomness<S extends Suite>(provider: Provider<S>, randomness: Randomness): S {
  const bytes = [...(randomness.bytes ?? [])];
  const encapsulations = [...(randomness.encapsulations ?? [])];
  const seeds = [...(randomness.seeds ?? [])];
  const kem: Kem = {
    ...provider.suite.kem,
    generateKeyPair: () => provider.keyPair(next(seeds, 'seed')),
    encapsulate(publicKey) {
      const { cipherText, sharedSecret } = xwing.encapsulate(publicKey, next(encapsulations, 'encapsulation'));
      return { ciphertext: new Uint8Array(cipherText), sharedSecret: new Uint8Array(sharedSecret) };
    },
  };
  return { ...provider.suite, kem, randomBytes: () => next(bytes, 'nonce') };
}

function next(values: Bytes[], what: string): Bytes {
  const value = values.shift();
  if (!value) throw new Error(`no ${what} left`);
  return value;
}
