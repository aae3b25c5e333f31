// X-Wing by @noble/post-quantum, for runtimes without OpenSSL. The relay's static key never comes here.
import { ml_kem768_x25519 as xwing } from '@noble/post-quantum/hybrid.js';
import { KEM_CIPHERTEXT_BYTES, KEM_PUBLIC_KEY_BYTES, KEM_SEED_BYTES } from '../constants.ts';
import { ProtocolError } from '../errors.ts';
import type { Kem, KemKeyPair } from '../suite.ts';
import type { Bytes } from '../wire.ts';

/** @param seed 32 bytes, which are the X-Wing decapsulation key (draft-connolly-cfrg-xwing-kem §5.2). */
export function xwingKeyPairFromSeed(seed: Bytes): KemKeyPair {
  if (seed.length !== KEM_SEED_BYTES) {
    throw new ProtocolError('malformed', `X-Wing seed expected ${KEM_SEED_BYTES} bytes, got ${seed.length}`);
  }
  const { publicKey, secretKey } = xwing.keygen(seed);
  return {
    publicKey,
    decapsulate: (ciphertext) => refusing('X-Wing ciphertext', () => xwing.decapsulate(ciphertext, secretKey)),
  };
}

/** X-Wing in JavaScript, synchronous. */
export const xwingNoble: Kem & { generateKeyPair(): KemKeyPair } = {
  publicKeyBytes: KEM_PUBLIC_KEY_BYTES,
  ciphertextBytes: KEM_CIPHERTEXT_BYTES,
  generateKeyPair: () => xwingKeyPairFromSeed(globalThis.crypto.getRandomValues(new Uint8Array(32))),
  encapsulate: (publicKey) =>
    refusing('X-Wing public key', () => {
      const { cipherText, sharedSecret } = xwing.encapsulate(publicKey);
      return { ciphertext: cipherText, sharedSecret };
    }),
};

/** The library's own messages may quote its input, so they are not passed on. */
function refusing<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch {
    throw new ProtocolError('malformed', `${what} is not valid`);
  }
}
