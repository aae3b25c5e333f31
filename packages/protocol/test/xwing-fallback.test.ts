// A browser whose WebCrypto lacks X25519, ML-KEM or both pairs all the same: noble's is loaded for the half that is
// missing, and for that half alone.
import { afterEach, expect, test, vi } from 'vitest';
import { xwingKeyPairFromSeed as nodeKeyPair } from '../src/crypto/node.ts';
import { patternBytes, toHex } from './support/bytes.ts';

afterEach(() => {
  vi.restoreAllMocks();
  vi.resetModules();
});

/** Makes this runtime's WebCrypto refuse what an older one does not know. */
function without(names: readonly string[]): void {
  const { subtle } = globalThis.crypto;
  const importKey = subtle.importKey.bind(subtle) as (...args: unknown[]) => Promise<never>;
  vi.spyOn(subtle, 'importKey').mockImplementation(((...args: unknown[]) => {
    if (!names.includes(args[2] as string)) return importKey(...args);
    return Promise.reject(new DOMException('Unrecognized name', 'NotSupportedError'));
  }) as typeof subtle.importKey);
}

test.each([[[]], [['X25519']], [['ML-KEM-768']], [['X25519', 'ML-KEM-768']]])('without %j', async (names) => {
  without(names);
  const { bestXWingParts, mlkemWebCrypto, x25519WebCrypto } = await import('../src/crypto/xwing-webcrypto.ts');
  const { webcryptoSuite, xwingKeyPairFromSeed } = await import('../src/crypto/webcrypto.ts');
  const { x25519, mlkem } = await bestXWingParts();
  expect(x25519 === x25519WebCrypto).toBe(!names.includes('X25519'));
  expect(mlkem === mlkemWebCrypto).toBe(!names.includes('ML-KEM-768'));
  const own = await xwingKeyPairFromSeed(patternBytes(32));
  const relay = nodeKeyPair(patternBytes(32));
  expect(toHex(own.publicKey)).toBe(toHex(relay.publicKey));
  const { ciphertext, sharedSecret } = await webcryptoSuite().kem.encapsulate(relay.publicKey);
  expect(toHex(await relay.decapsulate(ciphertext))).toBe(toHex(sharedSecret));
});
