// The provider for Node: OpenSSL through node:crypto, synchronous. It is the relay's only provider.
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  decapsulate,
  diffieHellman,
  encapsulate,
  hash,
  type KeyObject,
  randomBytes,
  randomFillSync,
} from 'node:crypto';
import { AEAD_TAG_BYTES, KEM_CIPHERTEXT_BYTES, KEM_PUBLIC_KEY_BYTES, KEM_SEED_BYTES } from '../constants.ts';
import { ProtocolError } from '../errors.ts';
import type { Kem, KemKeyPair, SyncAead, SyncSuite } from '../suite.ts';
import { type Bytes, copyBytes } from '../wire.ts';
import { counterNonce } from './aead-nonce.ts';
import {
  invalid,
  MLKEM_CIPHERTEXT_BYTES,
  MLKEM_PUBLIC_KEY_BYTES,
  MLKEM_SEED_BYTES,
  requireLength,
  X25519_PKCS8_PREFIX,
  XWING_LABEL,
} from './xwing.ts';

const BYTE_1: Bytes = Uint8Array.of(1);

/** The node:crypto provider. */
export function nodeSuite(): SyncSuite {
  return {
    name: 'node',
    kem: xwingNode,
    hashBytes: 32,
    randomBytes: pooledRandomBytes,
    hash: (data) => hash('sha256', data, 'buffer') as Bytes,
    hmac: (key, data) => createHmac('sha256', key).update(data).digest() as Bytes,
    aeadNonce: counterNonce,
    importAead: (key) => new NodeAead(copyBytes(key)),
    importExpandKey(key) {
      // A KeyObject: node:crypto's HMAC is slower with raw keys, its AES-GCM with KeyObjects.
      const prk = createSecretKey(key);
      return {
        // HKDF-Expand with L = HashLen is one block: T(1) = HMAC(PRK, info ‖ 0x01) (RFC 5869 §2.3).
        expandAead: (info) => new NodeAead(createHmac('sha256', prk).update(info).update(BYTE_1).digest() as Bytes),
      };
    },
  };
}

class NodeAead implements SyncAead {
  readonly #key: Bytes;

  constructor(key: Bytes) {
    this.#key = key;
  }

  seal(nonce: Bytes, associatedData: Bytes, plaintext: Bytes): Bytes {
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce);
    if (associatedData.length > 0) cipher.setAAD(associatedData);
    const body = cipher.update(plaintext);
    cipher.final(); // GCM is a stream mode: final() returns no bytes, but makes the tag
    return Buffer.concat([body, cipher.getAuthTag()]);
  }

  open(nonce: Bytes, associatedData: Bytes, ciphertext: Bytes): Bytes {
    const bodyBytes = ciphertext.length - AEAD_TAG_BYTES;
    if (bodyBytes < 0) throw new ProtocolError('unopenable', 'ciphertext is shorter than its tag');
    const decipher = createDecipheriv('aes-256-gcm', this.#key, nonce, { authTagLength: AEAD_TAG_BYTES });
    if (associatedData.length > 0) decipher.setAAD(associatedData);
    decipher.setAuthTag(ciphertext.subarray(bodyBytes));
    const plaintext = decipher.update(ciphertext.subarray(0, bodyBytes));
    try {
      decipher.final();
    } catch {
      plaintext.fill(0);
      throw new ProtocolError('unopenable', 'authentication tag did not verify');
    }
    return plaintext as Bytes;
  }
}

// A pool makes message nonces cheaper: one system call fills 256 of them.
const randomPool = new Uint8Array(4096);
let randomPoolAt = randomPool.length;

function pooledRandomBytes(length: number): Bytes {
  if (length > 64) return randomBytes(length) as Bytes;
  if (randomPoolAt + length > randomPool.length) {
    randomFillSync(randomPool);
    randomPoolAt = 0;
  }
  const taken = randomPool.slice(randomPoolAt, randomPoolAt + length);
  randomPool.fill(0, randomPoolAt, randomPoolAt + length); // used once, then erased
  randomPoolAt += length;
  return taken;
}

// X-Wing (draft-connolly-cfrg-xwing-kem §5) composed from OpenSSL's ML-KEM-768, X25519, SHAKE256 and SHA3-256.

// The fixed DER around a raw key (RFC 8410 for X25519, draft-ietf-lamps-kyber-certificates for ML-KEM-768):
// every version of Node with ML-KEM reads it.
const X25519_SPKI: Bytes = fromHex('302a300506032b656e032100');
const MLKEM_SPKI: Bytes = fromHex('308204b2300b0609608648016503040402038204a100');
const MLKEM_PKCS8_SEED: Bytes = fromHex('3054020100300b060960864801650304040204428040');

/**
 * An X-Wing key pair whose private operations all run in OpenSSL.
 * @param seed 32 bytes, the X-Wing decapsulation key.
 */
export function xwingKeyPairFromSeed(seed: Uint8Array): KemKeyPair {
  if (seed.length !== KEM_SEED_BYTES) {
    throw new ProtocolError('malformed', `X-Wing seed expected ${KEM_SEED_BYTES} bytes, got ${seed.length}`);
  }
  // §5.2: SHAKE256(seed, 96) is the ML-KEM seed d ‖ z, then the X25519 private key.
  const expanded = createHash('shake256', { outputLength: 96 }).update(seed).digest();
  const mlkem = privateKey(MLKEM_PKCS8_SEED, expanded.subarray(0, MLKEM_SEED_BYTES));
  const x25519 = privateKey(X25519_PKCS8_PREFIX, expanded.subarray(MLKEM_SEED_BYTES));
  expanded.fill(0);
  const x25519Public = rawPublicKey(createPublicKey(x25519), 32);
  const publicKey = Buffer.concat([rawPublicKey(createPublicKey(mlkem), MLKEM_PUBLIC_KEY_BYTES), x25519Public]);
  return {
    publicKey,
    decapsulate(ciphertext) {
      requireLength('X-Wing ciphertext', ciphertext, KEM_CIPHERTEXT_BYTES);
      const mlkemCiphertext = ciphertext.subarray(0, MLKEM_CIPHERTEXT_BYTES);
      const x25519Ciphertext = ciphertext.subarray(MLKEM_CIPHERTEXT_BYTES);
      return refusing('X-Wing ciphertext', () =>
        combine(
          decapsulate(mlkem, mlkemCiphertext),
          diffieHellman({ privateKey: x25519, publicKey: importPublicKey(X25519_SPKI, x25519Ciphertext) }),
          x25519Ciphertext,
          x25519Public,
        ),
      );
    },
  };
}

const xwingNode: Kem = {
  publicKeyBytes: KEM_PUBLIC_KEY_BYTES,
  ciphertextBytes: KEM_CIPHERTEXT_BYTES,
  generateKeyPair() {
    const seed = randomBytes(KEM_SEED_BYTES);
    const keyPair = xwingKeyPairFromSeed(seed);
    seed.fill(0);
    return keyPair;
  },
  encapsulate(publicKey) {
    requireLength('X-Wing public key', publicKey, KEM_PUBLIC_KEY_BYTES);
    return refusing('X-Wing public key', () => {
      const x25519Public = publicKey.subarray(MLKEM_PUBLIC_KEY_BYTES);
      const mlkem = encapsulate(importPublicKey(MLKEM_SPKI, publicKey.subarray(0, MLKEM_PUBLIC_KEY_BYTES)));
      const ephemeralSeed = randomBytes(32);
      const ephemeral = privateKey(X25519_PKCS8_PREFIX, ephemeralSeed);
      ephemeralSeed.fill(0);
      const x25519Ciphertext = rawPublicKey(createPublicKey(ephemeral), 32);
      const x25519Shared = diffieHellman({
        privateKey: ephemeral,
        publicKey: importPublicKey(X25519_SPKI, x25519Public),
      });
      return {
        ciphertext: Buffer.concat([mlkem.ciphertext, x25519Ciphertext]),
        sharedSecret: combine(mlkem.sharedKey, x25519Shared, x25519Ciphertext, x25519Public),
      };
    });
  },
};

function refusing<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch {
    throw invalid(what);
  }
}

/** §5.3 Combiner: SHA3-256(ss_M ‖ ss_X ‖ ct_X ‖ pk_X ‖ label). Erases the two shared secrets. */
function combine(mlkemShared: Buffer, x25519Shared: Buffer, x25519Ciphertext: Bytes, x25519Public: Bytes): Bytes {
  const shared = createHash('sha3-256')
    .update(mlkemShared)
    .update(x25519Shared)
    .update(x25519Ciphertext)
    .update(x25519Public)
    .update(XWING_LABEL)
    .digest();
  mlkemShared.fill(0);
  x25519Shared.fill(0);
  return shared as Bytes;
}

function privateKey(prefix: Bytes, raw: Uint8Array): KeyObject {
  const der = Buffer.concat([prefix, raw]);
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  der.fill(0);
  return key;
}

function importPublicKey(prefix: Bytes, raw: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([prefix, raw]), format: 'der', type: 'spki' });
}

function rawPublicKey(key: KeyObject, length: number): Bytes {
  return key.export({ format: 'der', type: 'spki' }).subarray(-length) as Bytes;
}

function fromHex(hex: string): Bytes {
  return Uint8Array.from(Buffer.from(hex, 'hex'));
}
