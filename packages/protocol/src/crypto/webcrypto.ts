// The provider for browsers and other web runtimes: AES-GCM, HMAC, SHA-256 and X25519 by WebCrypto, and ML-KEM where it is
// available.
import { ProtocolError } from '../errors.ts';
import type { Aead, ExpandKey, Suite } from '../suite.ts';
import { type Bytes, concatBytes } from '../wire.ts';
import { counterNonce } from './aead-nonce.ts';
import { type ComposedXWing, composeXWing } from './xwing-composed.ts';
import { bestXWingParts } from './xwing-webcrypto.ts';

type WebCryptoKey = Awaited<ReturnType<typeof crypto.subtle.importKey>>;

const BYTE_1: Bytes = Uint8Array.of(1);

const xwing: ComposedXWing = /* @__PURE__ */ composeXWing(bestXWingParts);

/** An X-Wing key pair. @param seed 32 bytes, the X-Wing decapsulation key. */
export const xwingKeyPairFromSeed: ComposedXWing['keyPairFromSeed'] = xwing.keyPairFromSeed;

/**
 * The WebCrypto provider.
 * @throws ProtocolError `misuse` when `crypto.subtle` is missing (an insecure context, or React Native: use `/noble`).
 */
export function webcryptoSuite(): Suite {
  const subtle = globalThis.crypto?.subtle;
  if (!subtle) {
    throw new ProtocolError('misuse', 'crypto.subtle is missing: the page needs a secure context (https or localhost)');
  }
  const hmacKey = (key: Bytes): Promise<WebCryptoKey> =>
    subtle.importKey('raw', key, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  const importAead = async (key: Bytes): Promise<Aead> =>
    new WebCryptoAead(await subtle.importKey('raw', key, 'AES-GCM', false, ['encrypt', 'decrypt']));
  return {
    name: 'webcrypto',
    kem: xwing,
    hashBytes: 32,
    randomBytes: (length) => globalThis.crypto.getRandomValues(new Uint8Array(length)),
    hash: async (data) => new Uint8Array(await subtle.digest('SHA-256', data)),
    hmac: async (key, data) => new Uint8Array(await subtle.sign('HMAC', await hmacKey(key), data)),
    aeadNonce: counterNonce,
    importAead,
    async importExpandKey(key): Promise<ExpandKey> {
      const prk = await hmacKey(key);
      return {
        // HKDF-Expand with L = HashLen is one block: T(1) = HMAC(PRK, info ‖ 0x01) (RFC 5869 §2.3).
        async expandAead(info) {
          const block = new Uint8Array(await subtle.sign('HMAC', prk, concatBytes([info, BYTE_1])));
          const aead = await importAead(block);
          block.fill(0);
          return aead;
        },
      };
    },
  };
}

class WebCryptoAead implements Aead {
  readonly #key: WebCryptoKey;

  constructor(key: WebCryptoKey) {
    this.#key = key;
  }

  async seal(iv: Bytes, additionalData: Bytes, plaintext: Bytes): Promise<Bytes> {
    return new Uint8Array(
      await globalThis.crypto.subtle.encrypt({ name: 'AES-GCM', iv, additionalData }, this.#key, plaintext),
    );
  }

  async open(iv: Bytes, additionalData: Bytes, ciphertext: Bytes): Promise<Bytes> {
    try {
      return new Uint8Array(
        await globalThis.crypto.subtle.decrypt({ name: 'AES-GCM', iv, additionalData }, this.#key, ciphertext),
      );
    } catch {
      throw new ProtocolError('unopenable', 'authentication tag did not verify');
    }
  }
}
