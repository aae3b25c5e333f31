// The hashes and ciphers of the Noise Protocol Framework (rev 34 §12) by noble, as the engine takes them.
import { gcm } from '@noble/ciphers/aes.js';
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { blake2b, blake2s } from '@noble/hashes/blake2.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256, sha512 } from '@noble/hashes/sha2.js';
import { ProtocolError } from '../../src/errors.ts';
import type { Aead, NoisePrimitives } from '../../src/suite.ts';
import type { Bytes } from '../../src/wire.ts';

const HASHES = { SHA256: sha256, SHA512: sha512, BLAKE2s: blake2s, BLAKE2b: blake2b } as const;
const CIPHERS = { AESGCM: gcm, ChaChaPoly: chacha20poly1305 } as const;

export type NoiseHash = keyof typeof HASHES;
export type NoiseCipher = keyof typeof CIPHERS;

export function noisePrimitives(hashName: NoiseHash, cipherName: NoiseCipher): NoisePrimitives {
  const hash = HASHES[hashName];
  return {
    hashBytes: hash.outputLen,
    hash: (data) => hash(data),
    hmac: (key, data) => hmac(hash, key, data),
    importAead: (key) => importCipher(cipherName, key),
    aeadNonce: (counter) => cipherNonce(cipherName, counter),
  };
}

export function importCipher(cipherName: NoiseCipher, rawKey: Bytes): Aead {
  const key = new Uint8Array(rawKey);
  const cipher = CIPHERS[cipherName];
  return {
    seal: (nonce, associatedData, plaintext) => cipher(key, nonce, associatedData).encrypt(plaintext),
    open(nonce, associatedData, ciphertext) {
      try {
        return cipher(key, nonce, associatedData).decrypt(ciphertext);
      } catch (cause) {
        throw new ProtocolError('unopenable', 'authentication tag did not verify', { cause });
      }
    },
  };
}

/** 32 zero bits, then the counter: big-endian for AESGCM, little-endian for ChaChaPoly (§12.3, §12.4). */
function cipherNonce(cipherName: NoiseCipher, counter: number): Bytes {
  const nonce = new Uint8Array(12);
  new DataView(nonce.buffer).setBigUint64(4, BigInt(counter), cipherName === 'ChaChaPoly');
  return nonce;
}
