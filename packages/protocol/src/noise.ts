// The SymmetricState of the Noise Protocol Framework (rev 34 §5.2) with the KEM tokens of PQNoise
// (ePrint 2022/539 §3). One per handshake. It is asynchronous because WebCrypto is.
import { ProtocolError } from './errors.ts';
import type { Aead, Kem, KemKeyPair, NoisePrimitives } from './suite.ts';
import { asciiBytes, type Bytes, concatBytes, copyBytes, emptyBytes } from './wire.ts';

const BYTE_1: Bytes = Uint8Array.of(1);

/** HKDF as Noise §4.3 defines it: two or three outputs of HASHLEN bytes. */
async function noiseHkdf(
  primitives: NoisePrimitives,
  chainingKey: Bytes,
  input: Bytes,
  outputs: 2 | 3,
): Promise<Bytes[]> {
  const tempKey = await primitives.hmac(chainingKey, input);
  const derived = [await primitives.hmac(tempKey, BYTE_1)];
  for (let i = 2; i <= outputs; i += 1) {
    derived.push(await primitives.hmac(tempKey, concatBytes([derived[i - 2] as Bytes, Uint8Array.of(i)])));
  }
  tempKey.fill(0);
  return derived;
}

/** The chaining key, handshake hash and current cipher of one handshake. */
export class SymmetricState {
  readonly #primitives: NoisePrimitives;
  #chainingKey: Bytes;
  #hash: Bytes;
  #aead: Aead | undefined;
  #counter = 0;

  private constructor(primitives: NoisePrimitives, hash: Bytes) {
    this.#primitives = primitives;
    this.#hash = hash;
    this.#chainingKey = copyBytes(hash);
  }

  /** InitializeSymmetric(protocol_name). */
  static async initialize(primitives: NoisePrimitives, protocolName: string): Promise<SymmetricState> {
    const name = asciiBytes(protocolName);
    if (name.length > primitives.hashBytes) return new SymmetricState(primitives, await primitives.hash(name));
    const padded = new Uint8Array(primitives.hashBytes);
    padded.set(name);
    return new SymmetricState(primitives, padded);
  }

  /** The handshake hash h so far. */
  get handshakeHash(): Bytes {
    return this.#hash;
  }

  /** MixHash(data). */
  async mixHash(data: Bytes): Promise<void> {
    this.#hash = await this.#primitives.hash(concatBytes([this.#hash, data]));
  }

  /** MixKey(input): sets the cipher key. */
  async mixKey(input: Bytes): Promise<void> {
    const [chainingKey, tempKey] = await this.#advance(input, 2);
    await this.#setKey(chainingKey, tempKey);
  }

  /** MixKeyAndHash(input): sets the cipher key and binds the input to the handshake hash. */
  async mixKeyAndHash(input: Bytes): Promise<void> {
    const [chainingKey, tempHash, tempKey] = await this.#advance(input, 3);
    await this.mixHash(tempHash as Bytes);
    await this.#setKey(chainingKey, tempKey);
  }

  /** EncryptAndHash(plaintext): encrypts once a key is set, returns the plaintext before. */
  async encryptAndHash(plaintext: Bytes): Promise<Bytes> {
    const ciphertext = this.#aead
      ? await this.#aead.seal(this.#nextNonce(), this.#hash, plaintext)
      : copyBytes(plaintext);
    await this.mixHash(ciphertext);
    return ciphertext;
  }

  /** DecryptAndHash(ciphertext). Throws `unopenable` when the tag does not verify. */
  async decryptAndHash(ciphertext: Bytes): Promise<Bytes> {
    const plaintext = this.#aead
      ? await this.#aead.open(this.#nextNonce(), this.#hash, ciphertext)
      : copyBytes(ciphertext);
    await this.mixHash(ciphertext);
    return plaintext;
  }

  /** Split(): the two transport secrets, initiator's first. It erases the state, which must not be used afterwards. */
  async split(): Promise<[Bytes, Bytes]> {
    const derived = await noiseHkdf(this.#primitives, this.#chainingKey, emptyBytes(), 2);
    this.#chainingKey.fill(0);
    this.#aead = undefined;
    const [first, second] = derived.map((output) => copyBytes(output.subarray(0, 32)));
    for (const output of derived) output.fill(0);
    return [first as Bytes, second as Bytes];
  }

  async #advance(input: Bytes, outputs: 2 | 3): Promise<Bytes[]> {
    const derived = await noiseHkdf(this.#primitives, this.#chainingKey, input, outputs);
    this.#chainingKey.fill(0);
    return derived;
  }

  async #setKey(chainingKey: Bytes | undefined, tempKey: Bytes | undefined): Promise<void> {
    if (!chainingKey || !tempKey) throw new ProtocolError('misuse', 'HKDF gave too few outputs');
    this.#chainingKey = chainingKey;
    // Noise §5.2: with a 64-byte hash the cipher key is truncated to 32 bytes.
    this.#aead = await this.#primitives.importAead(tempKey.subarray(0, 32));
    this.#counter = 0;
    tempKey.fill(0);
  }

  #nextNonce(): Bytes {
    const nonce = this.#primitives.aeadNonce(this.#counter);
    this.#counter += 1;
    return nonce;
  }
}

// The KEM tokens (PQNoise §3). Each side of a pairing needs two of them, so they are functions.

/** Writes token `ekem`: encapsulates to the other side's ephemeral key. MixHash(ct), MixKey(ss). */
export async function writeEkem(state: SymmetricState, kem: Kem, remoteEphemeral: Bytes): Promise<Bytes> {
  const { ciphertext, sharedSecret } = await kem.encapsulate(remoteEphemeral);
  await state.mixHash(ciphertext);
  await state.mixKey(sharedSecret);
  sharedSecret.fill(0);
  return ciphertext;
}

/** Reads token `ekem` with the own ephemeral key. */
export async function readEkem(state: SymmetricState, ephemeral: KemKeyPair, ciphertext: Bytes): Promise<void> {
  await state.mixHash(ciphertext);
  const sharedSecret = await ephemeral.decapsulate(ciphertext);
  await state.mixKey(sharedSecret);
  sharedSecret.fill(0);
}

/** Writes token `skem`: encapsulates to the other side's static key. EncryptAndHash(ct), MixKeyAndHash(ss). */
export async function writeSkem(state: SymmetricState, kem: Kem, remoteStatic: Bytes): Promise<Bytes> {
  const { ciphertext, sharedSecret } = await kem.encapsulate(remoteStatic);
  const sealed = await state.encryptAndHash(ciphertext);
  await state.mixKeyAndHash(sharedSecret);
  sharedSecret.fill(0);
  return sealed;
}

/** Reads token `skem` with the own static key. */
export async function readSkem(state: SymmetricState, staticKey: KemKeyPair, sealed: Bytes): Promise<void> {
  const ciphertext = await state.decryptAndHash(sealed);
  const sharedSecret = await staticKey.decapsulate(ciphertext);
  await state.mixKeyAndHash(sharedSecret);
  sharedSecret.fill(0);
}
