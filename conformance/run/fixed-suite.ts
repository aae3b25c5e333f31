// A provider of packages/protocol whose randomness is given, so that its bytes can be compared with the vectors.
import type { Awaitable, Bytes, Kem, KemKeyPair, Suite, SyncSuite } from '@mte-relay/protocol';
import { ml_kem768_x25519 as xwing } from '@noble/post-quantum/hybrid.js';

/** A provider, and its way from a seed to a key pair. */
export interface Provider<S extends Suite = Suite> {
  readonly suite: S;
  readonly keyPair: (seed: Bytes) => Awaitable<KemKeyPair>;
}

/** The providers of a runtime. */
export interface Providers {
  /** The client's. */
  readonly client: Provider<Suite>;
  /** For the operations of a relay alone, which need a synchronous one. */
  readonly relay: Provider<SyncSuite>;
  /**
   * Most inputs that are tried of one refused case which stands for many: all unless the engine is slow. The first and
   * the last one are always among them.
   */
  readonly inputsMax?: number;
}

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
