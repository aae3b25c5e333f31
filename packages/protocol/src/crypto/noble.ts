// The provider in pure JavaScript, for engines without crypto.subtle (React Native).
import { gcm } from '@noble/ciphers/aes.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { ProtocolError } from '../errors.ts';
import type { SyncAead, SyncSuite } from '../suite.ts';
import { type Bytes, concatBytes, copyBytes } from '../wire.ts';
import { counterNonce } from './aead-nonce.ts';
import { mlkemNoble } from './mlkem-noble.ts';
import { x25519Noble } from './x25519-noble.ts';
import { type ComposedXWing, composeXWing, type XWingParts } from './xwing-composed.ts';

const PARTS: XWingParts = { x25519: x25519Noble, mlkem: mlkemNoble() };
const xwing: ComposedXWing = composeXWing(() => PARTS);

/** An X-Wing key pair. @param seed 32 bytes, the X-Wing decapsulation key. */
export const xwingKeyPairFromSeed: ComposedXWing['keyPairFromSeed'] = xwing.keyPairFromSeed;

const BYTE_1: Bytes = Uint8Array.of(1);

/** The noble provider. All except its KEM is synchronous. Needs `crypto.getRandomValues`. */
export function nobleSuite(): SyncSuite {
  return {
    name: 'noble',
    kem: xwing,
    hashBytes: 32,
    randomBytes: (length) => globalThis.crypto.getRandomValues(new Uint8Array(length)),
    hash: (data) => sha256(data),
    hmac: (key, data) => hmac(sha256, key, data),
    aeadNonce: counterNonce,
    importAead,
    importExpandKey(key) {
      const prk = copyBytes(key);
      return {
        // HKDF-Expand with L = HashLen is one block: T(1) = HMAC(PRK, info ‖ 0x01) (RFC 5869 §2.3).
        expandAead: (info) => importAead(hmac(sha256, prk, concatBytes([info, BYTE_1]))),
      };
    },
  };
}

function importAead(rawKey: Bytes): SyncAead {
  const key = copyBytes(rawKey);
  return {
    seal: (nonce, associatedData, plaintext) => gcm(key, nonce, associatedData).encrypt(plaintext),
    open(nonce, associatedData, ciphertext) {
      try {
        return gcm(key, nonce, associatedData).decrypt(ciphertext);
      } catch {
        throw new ProtocolError('unopenable', 'authentication tag did not verify');
      }
    },
  };
}
