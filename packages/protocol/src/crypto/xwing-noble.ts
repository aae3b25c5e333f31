// X-Wing (draft-connolly-cfrg-xwing-kem §5) in JavaScript, from noble's ML-KEM-768, Montgomery ladder and SHA-3, for
// runtimes without OpenSSL. noble's own X-Wing gives the same bytes, but brings Edwards curves and signatures along,
// which double a browser's download. The relay's static key never comes here.

import { pow } from '@noble/curves/abstract/modular.js';
import { montgomery } from '@noble/curves/abstract/montgomery.js';
import { sha3_256, shake256 } from '@noble/hashes/sha3.js';
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js';
import { KEM_CIPHERTEXT_BYTES, KEM_PUBLIC_KEY_BYTES, KEM_SEED_BYTES } from '../constants.ts';
import type { Kem, KemKeyPair } from '../suite.ts';
import { type Bytes, concatBytes } from '../wire.ts';
import {
  MLKEM_CIPHERTEXT_BYTES,
  MLKEM_PUBLIC_KEY_BYTES,
  MLKEM_SEED_BYTES,
  refusing,
  requireLength,
  XWING_LABEL,
} from './xwing.ts';

const FIELD_PRIME = 2n ** 255n - 19n;

/** X25519 (RFC 7748 §5); refuses points of low order, whose shared secret would be all zero. */
export const x25519: ReturnType<typeof montgomery> = montgomery({
  P: FIELD_PRIME,
  type: 'x25519',
  adjustScalarBytes(scalar: Uint8Array) {
    scalar[0] = (scalar[0] as number) & 248;
    scalar[31] = ((scalar[31] as number) & 127) | 64;
    return scalar;
  },
  powPminus2: (x) => pow(x, FIELD_PRIME - 2n, FIELD_PRIME), // 1/x, by Fermat
});

/** @param seed 32 bytes, which are the X-Wing decapsulation key (§5.2). */
export function xwingKeyPairFromSeed(seed: Bytes): KemKeyPair {
  requireLength('X-Wing seed', seed, KEM_SEED_BYTES);
  // SHAKE256(seed, 96) is the ML-KEM seed d ‖ z, then the X25519 private key.
  const expanded = shake256(seed, { dkLen: MLKEM_SEED_BYTES + 32 });
  const mlkem = ml_kem768.keygen(expanded.subarray(0, MLKEM_SEED_BYTES));
  const x25519Private = expanded.slice(MLKEM_SEED_BYTES);
  const x25519Public = x25519.getPublicKey(x25519Private);
  expanded.fill(0);
  return {
    publicKey: concatBytes([mlkem.publicKey, x25519Public]),
    decapsulate(ciphertext) {
      requireLength('X-Wing ciphertext', ciphertext, KEM_CIPHERTEXT_BYTES);
      return refusing('X-Wing ciphertext', () => {
        const x25519Ciphertext = ciphertext.subarray(MLKEM_CIPHERTEXT_BYTES);
        return combine(
          ml_kem768.decapsulate(ciphertext.subarray(0, MLKEM_CIPHERTEXT_BYTES), mlkem.secretKey),
          x25519.getSharedSecret(x25519Private, x25519Ciphertext),
          x25519Ciphertext,
          x25519Public,
        );
      });
    },
  };
}

/** X-Wing in JavaScript, synchronous. */
export const xwingNoble: Kem & { generateKeyPair(): KemKeyPair } = {
  publicKeyBytes: KEM_PUBLIC_KEY_BYTES,
  ciphertextBytes: KEM_CIPHERTEXT_BYTES,
  generateKeyPair: () => xwingKeyPairFromSeed(randomBytes(KEM_SEED_BYTES)),
  encapsulate: (publicKey) => xwingEncapsulate(publicKey, randomBytes(64)),
};

/** Encapsulation from given randomness, for test vectors. @param randomness 64 bytes: ML-KEM's m, then X25519's key. */
export function xwingEncapsulate(publicKey: Bytes, randomness: Bytes): { ciphertext: Bytes; sharedSecret: Bytes } {
  requireLength('X-Wing public key', publicKey, KEM_PUBLIC_KEY_BYTES);
  return refusing('X-Wing public key', () => {
    const x25519Public = publicKey.subarray(MLKEM_PUBLIC_KEY_BYTES);
    const mlkem = ml_kem768.encapsulate(publicKey.subarray(0, MLKEM_PUBLIC_KEY_BYTES), randomness.subarray(0, 32));
    const ephemeral = randomness.subarray(32);
    const x25519Ciphertext = x25519.getPublicKey(ephemeral);
    const x25519Shared = x25519.getSharedSecret(ephemeral, x25519Public);
    return {
      ciphertext: concatBytes([mlkem.cipherText, x25519Ciphertext]),
      sharedSecret: combine(mlkem.sharedSecret, x25519Shared, x25519Ciphertext, x25519Public),
    };
  });
}

/** §5.3 Combiner: SHA3-256(ss_M ‖ ss_X ‖ ct_X ‖ pk_X ‖ label). The two inputs are erased. */
function combine(mlkemShared: Bytes, x25519Shared: Bytes, x25519Ciphertext: Bytes, x25519Public: Bytes): Bytes {
  const shared = sha3_256(concatBytes([mlkemShared, x25519Shared, x25519Ciphertext, x25519Public, XWING_LABEL]));
  mlkemShared.fill(0);
  x25519Shared.fill(0);
  return shared;
}

function randomBytes(length: number): Bytes {
  return globalThis.crypto.getRandomValues(new Uint8Array(length));
}
