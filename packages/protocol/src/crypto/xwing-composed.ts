// X-Wing (draft-connolly-cfrg-xwing-kem §5) for runtimes without OpenSSL, composed from any ML-KEM-768 and X25519 and noble's
// SHA-3. noble's own X-Wing gives equal bytes, but its Edwards curves and signatures would double a browser's download. The
// relay does not use this file for its static key.
import { sha3_256, shake256 } from '@noble/hashes/sha3.js';
import { KEM_CIPHERTEXT_BYTES, KEM_PUBLIC_KEY_BYTES, KEM_SEED_BYTES } from '../constants.ts';
import type { Awaitable, Kem, KemKeyPair } from '../suite.ts';
import { type Bytes, concatBytes } from '../wire.ts';
import {
  invalid,
  MLKEM_CIPHERTEXT_BYTES,
  MLKEM_PUBLIC_KEY_BYTES,
  MLKEM_SEED_BYTES,
  requireLength,
  XWING_LABEL,
} from './xwing.ts';

/** X25519(scalar, point), RFC 7748 §5. It may throw for points of low order. The caller refuses their all-zero result. */
export type X25519 = (scalar: Bytes, point: Bytes) => Awaitable<Bytes>;

/** ML-KEM-768 (FIPS 203). Both operations throw for invalid keys and ciphertexts. */
export interface MlKem768 {
  /** @param seed 64 bytes, d ‖ z, which the caller erases. */
  keyPair(seed: Bytes): Awaitable<KemKeyPair>;
  encapsulate(publicKey: Bytes): Awaitable<{ ciphertext: Bytes; sharedSecret: Bytes }>;
}

/** The two halves. */
export interface XWingParts {
  readonly x25519: X25519;
  readonly mlkem: MlKem768;
}

/** X-Wing, with key pairs from a seed. */
export interface ComposedXWing extends Kem {
  generateKeyPair(): Promise<KemKeyPair>;
  /** @param seed 32 bytes, the X-Wing decapsulation key (§5.2). */
  keyPairFromSeed(seed: Bytes): Promise<KemKeyPair>;
}

const X25519_BYTES = 32;
/** u = 9 */
const BASE_POINT: Bytes = new Uint8Array(X25519_BYTES).fill(9, 0, 1);

/**
 * @param parts called at each use.
 * @param randomBytes another source, for test vectors.
 */
export function composeXWing(
  parts: () => Awaitable<XWingParts>,
  randomBytes: (length: number) => Bytes = systemRandomBytes,
): ComposedXWing {
  const keyPairFromSeed = async (seed: Bytes): Promise<KemKeyPair> => {
    requireLength('X-Wing seed', seed, KEM_SEED_BYTES);
    const { x25519, mlkem } = await parts();
    // SHAKE256(seed, 96) is the ML-KEM seed d ‖ z, then the X25519 private key.
    const expanded = shake256(seed, { dkLen: MLKEM_SEED_BYTES + X25519_BYTES });
    const x25519Private = expanded.slice(MLKEM_SEED_BYTES);
    const mlkemSeed = expanded.slice(0, MLKEM_SEED_BYTES);
    expanded.fill(0);
    const own = await mlkem.keyPair(mlkemSeed);
    mlkemSeed.fill(0);
    const x25519Public = await x25519(x25519Private, BASE_POINT);
    return {
      publicKey: concatBytes([own.publicKey, x25519Public]),
      async decapsulate(ciphertext) {
        requireLength('X-Wing ciphertext', ciphertext, KEM_CIPHERTEXT_BYTES);
        return refusing('X-Wing ciphertext', async () => {
          const x25519Ciphertext = ciphertext.subarray(MLKEM_CIPHERTEXT_BYTES);
          const mlkemShared = await own.decapsulate(ciphertext.subarray(0, MLKEM_CIPHERTEXT_BYTES));
          const x25519Shared = await x25519(x25519Private, x25519Ciphertext);
          return combine(mlkemShared, x25519Shared, x25519Ciphertext, x25519Public);
        });
      },
    };
  };
  return {
    publicKeyBytes: KEM_PUBLIC_KEY_BYTES,
    ciphertextBytes: KEM_CIPHERTEXT_BYTES,
    keyPairFromSeed,
    async generateKeyPair() {
      const seed = randomBytes(KEM_SEED_BYTES);
      const keyPair = await keyPairFromSeed(seed);
      seed.fill(0);
      return keyPair;
    },
    async encapsulate(publicKey) {
      requireLength('X-Wing public key', publicKey, KEM_PUBLIC_KEY_BYTES);
      const { x25519, mlkem } = await parts();
      return refusing('X-Wing public key', async () => {
        const x25519Public = publicKey.subarray(MLKEM_PUBLIC_KEY_BYTES);
        const sealed = await mlkem.encapsulate(publicKey.subarray(0, MLKEM_PUBLIC_KEY_BYTES));
        const ephemeral = randomBytes(X25519_BYTES);
        const x25519Ciphertext = await x25519(ephemeral, BASE_POINT);
        const x25519Shared = await x25519(ephemeral, x25519Public);
        ephemeral.fill(0);
        return {
          ciphertext: concatBytes([sealed.ciphertext, x25519Ciphertext]),
          sharedSecret: combine(sealed.sharedSecret, x25519Shared, x25519Ciphertext, x25519Public),
        };
      });
    },
  };
}

/** Throws {@link invalid} also for a point of low order. */
async function refusing<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch {
    throw invalid(what);
  }
}

/** §5.3 Combiner: SHA3-256(ss_M ‖ ss_X ‖ ct_X ‖ pk_X ‖ label). Erases the two shared secrets. */
function combine(mlkemShared: Bytes, x25519Shared: Bytes, x25519Ciphertext: Bytes, x25519Public: Bytes): Bytes {
  if (x25519Shared.every((byte) => byte === 0)) throw invalid('X25519 point');
  const shared = sha3_256(concatBytes([mlkemShared, x25519Shared, x25519Ciphertext, x25519Public, XWING_LABEL]));
  mlkemShared.fill(0);
  x25519Shared.fill(0);
  return shared;
}

function systemRandomBytes(length: number): Bytes {
  return globalThis.crypto.getRandomValues(new Uint8Array(length));
}
