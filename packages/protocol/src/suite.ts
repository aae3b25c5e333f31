// The interface of a cryptography provider. Three give equal bytes: crypto/webcrypto (browsers and other web runtimes),
// crypto/noble (JavaScript alone) and crypto/node (OpenSSL, synchronous, for the relay).
import type { Bytes } from './wire.ts';

/** A value that a synchronous provider returns at once and WebCrypto as a promise. */
export type Awaitable<T> = T | Promise<T>;

/** AES-256-GCM under one key (NIST SP 800-38D), 12-byte nonce, ciphertext followed by its 16-byte tag. */
export interface Aead {
  /** @returns ciphertext ‖ tag, `plaintext.length + 16` bytes, never sharing memory with the input. */
  seal(nonce: Bytes, associatedData: Bytes, plaintext: Bytes): Awaitable<Bytes>;
  /** @returns the plaintext. Throws ProtocolError `unopenable` when the tag does not verify. */
  open(nonce: Bytes, associatedData: Bytes, ciphertext: Bytes): Awaitable<Bytes>;
}

/** A 32-byte HKDF pseudorandom key in the runtime's own form, for expanding only (RFC 5869 §2.3). */
export interface ExpandKey {
  /** HKDF-Expand(key, info, 32), imported as an AES-256-GCM key. */
  expandAead(info: Bytes): Awaitable<Aead>;
}

/** A key pair of a KEM; the decapsulation key stays inside. */
export interface KemKeyPair {
  readonly publicKey: Bytes;
  /** @returns the shared secret. Throws ProtocolError `malformed` for a ciphertext that cannot be decapsulated. */
  decapsulate(ciphertext: Bytes): Awaitable<Bytes>;
}

/** A key encapsulation mechanism; the protocol's is X-Wing (draft-connolly-cfrg-xwing-kem, HPKE KEM 0x647A). */
export interface Kem {
  readonly publicKeyBytes: number;
  readonly ciphertextBytes: number;
  generateKeyPair(): Awaitable<KemKeyPair>;
  /** Throws ProtocolError `malformed` for a public key that is not valid. */
  encapsulate(publicKey: Bytes): Awaitable<{ ciphertext: Bytes; sharedSecret: Bytes }>;
}

/** The primitives of the Noise engine. Other suites of the Noise Protocol Framework fit too, as in its test vectors. */
export interface NoisePrimitives {
  /** HASHLEN: 32 or 64. */
  readonly hashBytes: number;
  hash(data: Bytes): Awaitable<Bytes>;
  hmac(key: Bytes, data: Bytes): Awaitable<Bytes>;
  importAead(key: Bytes): Awaitable<Aead>;
  /** The 12-byte AEAD nonce of Noise's message counter (Noise rev 34 §12). */
  aeadNonce(counter: number): Bytes;
}

/** All primitives that the protocol needs. */
export interface Suite extends NoisePrimitives {
  readonly name: 'webcrypto' | 'noble' | 'node';
  readonly kem: Kem;
  randomBytes(length: number): Bytes;
  /** @param key 32 bytes; the caller may erase them afterwards. */
  importExpandKey(key: Bytes): Awaitable<ExpandKey>;
}

/** A synchronous {@link Aead}. */
export interface SyncAead extends Aead {
  seal(nonce: Bytes, associatedData: Bytes, plaintext: Bytes): Bytes;
  open(nonce: Bytes, associatedData: Bytes, ciphertext: Bytes): Bytes;
}

/** A synchronous {@link ExpandKey}. */
export interface SyncExpandKey extends ExpandKey {
  expandAead(info: Bytes): SyncAead;
}

/** A synchronous provider, so that a relay handles a small exchange without an asynchronous step. */
export interface SyncSuite extends Suite {
  importExpandKey(key: Bytes): SyncExpandKey;
  importAead(key: Bytes): SyncAead;
}
