// Shared by the compositions of X-Wing (draft-connolly-cfrg-xwing-kem): sizes, label, encodings, and errors for invalid
// input.
import { ProtocolError } from '../errors.ts';
import { asciiBytes, type Bytes } from '../wire.ts';

export const XWING_LABEL: Bytes = asciiBytes('\\.//^\\'); // §5.3
export const MLKEM_PUBLIC_KEY_BYTES = 1184;
export const MLKEM_CIPHERTEXT_BYTES = 1088;
export const MLKEM_SEED_BYTES = 64; // d ‖ z (FIPS 203 §7.1)

/** The fixed DER before a raw X25519 private key (RFC 8410 §7). */
export const X25519_PKCS8_PREFIX: Bytes = Uint8Array.of(
  ...[0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x6e, 0x04, 0x22, 0x04, 0x20],
);

/** Throws `malformed` unless the length is as expected. */
export function requireLength(what: string, bytes: Uint8Array, expected: number): void {
  if (bytes.length !== expected) {
    throw new ProtocolError('malformed', `${what} expected ${expected} bytes, got ${bytes.length}`);
  }
}

/** The error for untrusted input. It does not include a library's message, which may quote the input. */
export function invalid(what: string): ProtocolError {
  return new ProtocolError('malformed', `${what} is not valid`);
}
