// ML-KEM-768 (FIPS 203) in JavaScript, by noble: for the pure provider, and for browsers whose WebCrypto lacks it.
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js';
import type { Bytes } from '../wire.ts';
import type { MlKem768 } from './xwing-composed.ts';

/** @param message returns ML-KEM's m, 32 bytes, for test vectors. Default: the system's randomness. */
export function mlkemNoble(message?: () => Bytes): MlKem768 {
  return {
    keyPair(seed) {
      const { publicKey, secretKey } = ml_kem768.keygen(seed);
      return { publicKey, decapsulate: (ciphertext) => ml_kem768.decapsulate(ciphertext, secretKey) };
    },
    encapsulate(publicKey) {
      const { cipherText, sharedSecret } = ml_kem768.encapsulate(publicKey, message?.());
      return { ciphertext: cipherText, sharedSecret };
    },
  };
}
