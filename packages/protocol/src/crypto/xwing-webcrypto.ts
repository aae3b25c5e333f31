// The halves of X-Wing by WebCrypto: X25519 (Web Cryptography Level 2) and ML-KEM-768 (Modern Algorithms in the Web
// Cryptography API, WICG). noble replaces a half that the runtime lacks, in a separate download.
import { type Bytes, concatBytes } from '../wire.ts';
import { mlkemByNoble, x25519ByNoble } from './noble-later.ts';
import { MLKEM_SEED_BYTES, X25519_PKCS8_PREFIX } from './xwing.ts';
import type { MlKem768, X25519, XWingParts } from './xwing-composed.ts';

type Key = Awaited<ReturnType<typeof crypto.subtle.importKey>>;

/** Missing in the platform's types so far. */
interface ModernSubtle {
  importKey(
    format: 'raw-seed' | 'raw-public',
    data: Bytes,
    name: string,
    extractable: boolean,
    usages: string[],
  ): Promise<Key>;
  getPublicKey(key: Key, usages: string[]): Promise<Key>;
  exportKey(format: 'raw-public', key: Key): Promise<ArrayBuffer>;
  encapsulateBits(name: string, key: Key): Promise<{ ciphertext: ArrayBuffer; sharedKey: ArrayBuffer }>;
  decapsulateBits(name: string, key: Key, ciphertext: Bytes): Promise<ArrayBuffer>;
}

const MLKEM = 'ML-KEM-768';
const ENCAPSULATE = ['encapsulateBits'];

/** Rejects where WebCrypto lacks X25519, and for points of low order, as the standard requires. */
export const x25519WebCrypto: X25519 = async (scalar, point) => {
  const { subtle } = globalThis.crypto;
  const der = concatBytes([X25519_PKCS8_PREFIX, scalar]);
  try {
    const key = await subtle.importKey('pkcs8', der, 'X25519', false, ['deriveBits']);
    const publicKey = await subtle.importKey('raw', point, 'X25519', false, []);
    return new Uint8Array(await subtle.deriveBits({ name: 'X25519', public: publicKey }, key, 256));
  } finally {
    der.fill(0);
  }
};

/** Rejects where WebCrypto lacks ML-KEM-768. */
export const mlkemWebCrypto: MlKem768 = {
  async keyPair(seed) {
    const subtle = modernSubtle();
    const key = await subtle.importKey('raw-seed', seed, MLKEM, false, ['decapsulateBits']);
    const publicKey = await subtle.exportKey('raw-public', await subtle.getPublicKey(key, ENCAPSULATE));
    return {
      publicKey: new Uint8Array(publicKey),
      decapsulate: async (ciphertext) => new Uint8Array(await subtle.decapsulateBits(MLKEM, key, ciphertext)),
    };
  },
  async encapsulate(publicKey) {
    const subtle = modernSubtle();
    const key = await subtle.importKey('raw-public', publicKey, MLKEM, false, ENCAPSULATE);
    const { ciphertext, sharedKey } = await subtle.encapsulateBits(MLKEM, key);
    return { ciphertext: new Uint8Array(ciphertext), sharedSecret: new Uint8Array(sharedKey) };
  },
};

function modernSubtle(): ModernSubtle {
  return globalThis.crypto.subtle as unknown as ModernSubtle;
}

let chosen: Promise<XWingParts> | undefined;

/** The native form of each half if the runtime has it, detected at the first use. */
export function bestXWingParts(): Promise<XWingParts> {
  chosen ??= choose().catch((error) => {
    chosen = undefined; // a later download may succeed
    throw error;
  });
  return chosen;
}

async function choose(): Promise<XWingParts> {
  const probe: Bytes = new Uint8Array(32).fill(9);
  const [x25519, mlkem] = await Promise.all([
    works(() => x25519WebCrypto(probe, probe)).then((native) => (native ? x25519WebCrypto : x25519ByNoble())),
    works(async () => (await mlkemWebCrypto.keyPair(new Uint8Array(MLKEM_SEED_BYTES))).publicKey).then((native) =>
      native ? mlkemWebCrypto : mlkemByNoble(),
    ),
  ]);
  return { x25519, mlkem };
}

async function works(probe: () => unknown): Promise<boolean> {
  try {
    await probe();
    return true;
  } catch {
    return false;
  }
}
