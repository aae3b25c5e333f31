// X-Wing with its randomness as an input (draft-connolly-cfrg-xwing-kem §5; SPEC §2), from its two halves.
import { x25519 } from '@noble/curves/ed25519.js';
import { sha3_256, shake256 } from '@noble/hashes/sha3.js';
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js';
import { type Bytes, join, text } from './bytes.ts';
import { Refused } from './refused.ts';

/** §5.2: the seed is the decapsulation key. */
function expandSeed(seed: Bytes) {
  const expanded = shake256(seed, { dkLen: 96 });
  const mlkem = ml_kem768.keygen(expanded.subarray(0, 64));
  const x25519Secret = expanded.subarray(64, 96);
  return { mlkem, x25519Secret, x25519Public: x25519.getPublicKey(x25519Secret) };
}

export function publicKeyOf(seed: Bytes): Bytes {
  const { mlkem, x25519Public } = expandSeed(seed);
  return join(mlkem.publicKey, x25519Public);
}

/** §5.4: `randomness` is 32 bytes for ML-KEM, then the 32-byte ephemeral X25519 secret. */
export function encapsulate(publicKey: Bytes, randomness: Bytes): { ciphertext: Bytes; shared: Bytes } {
  const x25519Public = publicKey.subarray(1184);
  const ephemeral = randomness.subarray(32);
  try {
    const x25519Ciphertext = x25519.getPublicKey(ephemeral);
    const x25519Shared = x25519.getSharedSecret(ephemeral, x25519Public);
    const mlkem = ml_kem768.encapsulate(publicKey.subarray(0, 1184), randomness.subarray(0, 32));
    return {
      ciphertext: join(mlkem.cipherText, x25519Ciphertext),
      shared: combine(mlkem.sharedSecret, x25519Shared, x25519Ciphertext, x25519Public),
    };
  } catch {
    throw new Refused('malformed');
  }
}

/** §5.5. An ML-KEM ciphertext of the right length always gives some secret; an all-zero X25519 result is refused. */
export function decapsulate(seed: Bytes, ciphertext: Bytes): Bytes {
  const { mlkem, x25519Secret, x25519Public } = expandSeed(seed);
  const x25519Ciphertext = ciphertext.subarray(1088);
  try {
    const mlkemShared = ml_kem768.decapsulate(ciphertext.subarray(0, 1088), mlkem.secretKey);
    const x25519Shared = x25519.getSharedSecret(x25519Secret, x25519Ciphertext);
    return combine(mlkemShared, x25519Shared, x25519Ciphertext, x25519Public);
  } catch {
    throw new Refused('malformed');
  }
}

/** §5.3 */
function combine(mlkemShared: Bytes, x25519Shared: Bytes, x25519Ciphertext: Bytes, x25519Public: Bytes): Bytes {
  return sha3_256(join(mlkemShared, x25519Shared, x25519Ciphertext, x25519Public, text('\\.//^\\')));
}
