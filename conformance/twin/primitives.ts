// SPEC §2: the suite's hash, HMAC, HKDF and AEAD.
import { gcm } from '@noble/ciphers/aes.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { type Bytes, join, uint } from './bytes.ts';
import { Refused } from './refused.ts';

/** SHA-256. */
export function hash(data: Bytes): Bytes {
  return sha256(data);
}

/** HMAC-SHA256. */
export function mac(key: Bytes, data: Bytes): Bytes {
  return hmac(sha256, key, data);
}

/** HKDF-Extract with an empty salt: the HMAC key is 32 zero bytes. */
export function extract(ikm: Bytes): Bytes {
  return mac(new Uint8Array(32), ikm);
}

/** HKDF-Expand(key, info, 32): one block. */
export function expand(key: Bytes, info: Bytes): Bytes {
  return mac(key, join(info, Uint8Array.of(1)));
}

/** The AEAD nonce: the counter in 12 bytes, big-endian. */
function nonce(counter: number): Bytes {
  return uint(12, counter);
}

/** AES-256-GCM: ciphertext ‖ tag. */
export function seal(key: Bytes, counter: number, aad: Bytes, plaintext: Bytes): Bytes {
  return gcm(key, nonce(counter), aad).encrypt(plaintext);
}

/** The plaintext, or unopenable. */
export function open(key: Bytes, counter: number, aad: Bytes, ciphertext: Bytes): Bytes {
  try {
    return gcm(key, nonce(counter), aad).decrypt(ciphertext);
  } catch {
    throw new Refused('unopenable');
  }
}
