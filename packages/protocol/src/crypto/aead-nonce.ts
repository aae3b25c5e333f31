// Noise's AESGCM nonce: 32 zero bits, then the 64-bit counter big-endian (Noise rev 34 §12.3). It is also the
// 12-byte big-endian chunk counter of SPEC §5.3, for every counter below 2^64.
import { AEAD_NONCE_BYTES } from '../constants.ts';
import { type Bytes, writeUint } from '../wire.ts';

/** @param counter integer from 0 to 2^53 − 1. */
export function counterNonce(counter: number): Bytes {
  const nonce = new Uint8Array(AEAD_NONCE_BYTES);
  writeUint(nonce, 4, 8, counter);
  return nonce;
}
