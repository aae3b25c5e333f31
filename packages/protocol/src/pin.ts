// The form of a pin, which names the public key of a relay that a client trusts (SPEC §3.1).

/** The form of a pin: `sha256-` and 32 bytes in base64. */
export const PIN: RegExp = /^sha256-[A-Za-z0-9+/]{43}=$/;

/** The pin of a public key. @param digest SHA-256 of the key. */
export function pinOfDigest(digest: Uint8Array): string {
  return `sha256-${btoa(String.fromCharCode(...digest))}`;
}
