// What both compositions of X-Wing share (draft-connolly-cfrg-xwing-kem): sizes, label, and how input is refused.
import { ProtocolError } from '../errors.ts';
import { asciiBytes, type Bytes } from '../wire.ts';

export const XWING_LABEL: Bytes = asciiBytes('\\.//^\\'); // §5.3
export const MLKEM_PUBLIC_KEY_BYTES = 1184;
export const MLKEM_CIPHERTEXT_BYTES = 1088;
export const MLKEM_SEED_BYTES = 64; // d ‖ z (FIPS 203 §7.1)

/** Throws `malformed` unless there are exactly as many bytes as expected. */
export function requireLength(what: string, bytes: Uint8Array, expected: number): void {
  if (bytes.length !== expected) {
    throw new ProtocolError('malformed', `${what} expected ${expected} bytes, got ${bytes.length}`);
  }
}

/** Runs a library's work on untrusted input. Its own messages may quote the input, so they are not passed on. */
export function refusing<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch {
    throw new ProtocolError('malformed', `${what} is not valid`);
  }
}
