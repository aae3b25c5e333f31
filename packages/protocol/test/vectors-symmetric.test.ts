// AES-GCM, HMAC, HKDF and ChaCha20-Poly1305 against Wycheproof, through the providers' own primitives.
import { describe, expect, test } from 'vitest';
import type { Aead, Suite } from '../src/suite.ts';
import { type Bytes, concatBytes } from '../src/wire.ts';
import { flipBit, fromHex, toHex } from './support/bytes.ts';
import { importCipher } from './support/noise-primitives.ts';
import { expectRefusal } from './support/refusal.ts';
import { suites } from './support/suites.ts';
import { vectorJson, type Wycheproof } from './support/vectors.ts';

interface AeadTest {
  readonly key: string;
  readonly iv: string;
  readonly aad: string;
  readonly msg: string;
  readonly ct: string;
  readonly tag: string;
}

/** Seals and opens every vector of a file; how many of each verdict there were. */
async function checkAead(
  file: string,
  importKey: (key: Bytes) => Aead | Promise<Aead>,
): Promise<{ valid: number; invalid: number }> {
  const checked = { valid: 0, invalid: 0 };
  for (const group of vectorJson<Wycheproof<AeadTest>>(file).testGroups) {
    for (const { tcId, result, ...vector } of group.tests) {
      const aead = await importKey(fromHex(vector.key));
      const [iv, aad, message] = [fromHex(vector.iv), fromHex(vector.aad), fromHex(vector.msg)];
      const sealed = vector.ct + vector.tag;
      if (result === 'valid') {
        expect(toHex(await aead.seal(iv, aad, message)), `${tcId}`).toBe(sealed);
        expect(toHex(await aead.open(iv, aad, fromHex(sealed))), `${tcId}`).toBe(vector.msg);
        checked.valid += 1;
      } else {
        await expectRefusal('unopenable', () => aead.open(iv, aad, fromHex(sealed)), `${tcId}`);
        checked.invalid += 1;
      }
    }
  }
  return checked;
}

describe('AES-256-GCM', () => {
  for (const suite of suites) {
    test(`${suite.name}: 66 vectors of 256-bit keys and 96-bit nonces`, async () => {
      const checked = await checkAead('wycheproof/aes_gcm_test.json.br', (key) => suite.importAead(key));
      expect(checked).toEqual({ valid: 39, invalid: 27 });
    });
  }
});

describe('ChaCha20-Poly1305 as the Noise vectors use it', () => {
  test('316 vectors with a 96-bit nonce', async () => {
    const file = 'wycheproof/chacha20_poly1305_test.json.br';
    expect(await checkAead(file, (key) => importCipher('ChaChaPoly', key))).toEqual({ valid: 256, invalid: 60 });
  });
});

describe('HMAC-SHA-256', () => {
  interface MacTest {
    readonly key: string;
    readonly msg: string;
    readonly tag: string;
  }

  for (const suite of suites) {
    test(`${suite.name}: 174 vectors, whole tags and halves`, async () => {
      const checked = { valid: 0, invalid: 0 };
      for (const group of vectorJson<Wycheproof<MacTest>>('wycheproof/hmac_sha256_test.json.br').testGroups) {
        for (const { tcId, key, msg, tag, result } of group.tests) {
          const mac = await suite.hmac(fromHex(key), fromHex(msg));
          expect(toHex(mac).slice(0, tag.length) === tag, `${tcId}`).toBe(result === 'valid');
          checked[result as 'valid' | 'invalid'] += 1;
        }
      }
      expect(checked).toEqual({ valid: 66, invalid: 108 });
    });
  }
});

/** RFC 5869 over the provider's HMAC. */
async function hkdf(suite: Suite, ikm: Bytes, salt: Bytes, info: Bytes, length: number): Promise<Bytes> {
  const prk = await suite.hmac(salt.length > 0 ? salt : new Uint8Array(32), ikm);
  const blocks: Bytes[] = [];
  for (let i = 1; i <= Math.ceil(length / 32); i += 1) {
    blocks.push(await suite.hmac(prk, concatBytes([blocks.at(-1) ?? new Uint8Array(0), info, Uint8Array.of(i)])));
  }
  return concatBytes([new Uint8Array(0), ...blocks]).subarray(0, length);
}

describe('HKDF-SHA-256', () => {
  interface HkdfTest {
    readonly ikm: string;
    readonly salt: string;
    readonly info: string;
    readonly size: number;
    readonly okm: string;
  }

  for (const suite of suites) {
    test(`${suite.name}: 83 vectors by its HMAC; the 3 beyond 255 blocks have no output`, async () => {
      const checked = { valid: 0, tooLong: 0 };
      for (const group of vectorJson<Wycheproof<HkdfTest>>('wycheproof/hkdf_sha256_test.json.br').testGroups) {
        for (const { tcId, ikm, salt, info, size, okm, result } of group.tests) {
          if (result === 'invalid') {
            expect(size, `${tcId}`).toBeGreaterThan(255 * 32);
            checked.tooLong += 1;
            continue;
          }
          expect(toHex(await hkdf(suite, fromHex(ikm), fromHex(salt), fromHex(info), size)), `${tcId}`).toBe(okm);
          checked.valid += 1;
        }
      }
      expect(checked).toEqual({ valid: 83, tooLong: 3 });
    });

    test(`${suite.name}: its expand key seals under the first block of the published output`, async () => {
      let checked = 0;
      const nonce = suite.aeadNonce(7);
      for (const group of vectorJson<Wycheproof<HkdfTest>>('wycheproof/hkdf_sha256_test.json.br').testGroups) {
        for (const { tcId, ikm, salt, info, size, okm, result } of group.tests) {
          if (result !== 'valid' || size < 32) continue;
          const prk = await suite.hmac(salt === '' ? new Uint8Array(32) : fromHex(salt), fromHex(ikm));
          const expanded = await (await suite.importExpandKey(prk)).expandAead(fromHex(info));
          const published = await suite.importAead(fromHex(okm.slice(0, 64)));
          const sealed = await published.seal(nonce, fromHex(info), fromHex(ikm));
          expect(toHex(await expanded.open(nonce, fromHex(info), sealed)), `${tcId}`).toBe(ikm);
          await expectRefusal(
            'unopenable',
            () => expanded.open(nonce, fromHex(info), flipBit(sealed, 0, 0)),
            `${tcId}`,
          );
          checked += 1;
        }
      }
      expect(checked).toBeGreaterThan(50);
    });
  }
});
