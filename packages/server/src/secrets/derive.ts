// Key derivation from a secret, and the hash (SPEC §3).
import { createHash, hkdfSync } from 'node:crypto';
import type { Bytes } from '@mte-relay/protocol';

/** HKDF-SHA256(secret, salt empty, info, length), for every key that is derived from CLIENT_ID_SECRET. */
export function deriveFromSecret(secret: string, info: string, lengthBytes = 32): Bytes {
  return new Uint8Array(hkdfSync('sha256', secret, '', info, lengthBytes));
}

/** SHA-256 (FIPS 180-4). */
export function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}
