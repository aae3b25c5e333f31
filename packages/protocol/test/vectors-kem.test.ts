// X-Wing, ML-KEM-768 and X25519 against published vectors: noble and WebCrypto as the browser's provider uses them, and
// node:crypto with the DER encodings of crypto/node.ts.
import {
  createPrivateKey,
  createPublicKey,
  decapsulate,
  diffieHellman,
  encapsulate,
  type KeyObject,
} from 'node:crypto';

import { ml_kem768 } from '@noble/post-quantum/ml-kem.js';
import { describe, expect, test } from 'vitest';
import { mlkemNoble } from '../src/crypto/mlkem-noble.ts';
import { xwingKeyPairFromSeed as nobleKeyPair } from '../src/crypto/noble.ts';
import { xwingKeyPairFromSeed as nodeKeyPair } from '../src/crypto/node.ts';
import { xwingKeyPairFromSeed as webcryptoKeyPair } from '../src/crypto/webcrypto.ts';
import { x25519Noble } from '../src/crypto/x25519-noble.ts';
import { type ComposedXWing, composeXWing, type X25519 } from '../src/crypto/xwing-composed.ts';
import { mlkemWebCrypto, x25519WebCrypto } from '../src/crypto/xwing-webcrypto.ts';
import type { Bytes } from '../src/wire.ts';
import { fromHex, toHex } from './support/bytes.ts';
import { expectRefusal } from './support/refusal.ts';
import { node, suites } from './support/suites.ts';
import { vectorJson, type Wycheproof } from './support/vectors.ts';

const KEY_PAIRS = { webcrypto: webcryptoKeyPair, noble: nobleKeyPair, node: nodeKeyPair } as const;
/** What has X25519 outside of OpenSSL. */
const X25519S = { noble: x25519Noble, webcrypto: x25519WebCrypto } as const;

/** X-Wing whose encapsulation takes this randomness, 64 bytes: ML-KEM's m, which only noble's takes, then X25519's key. */
function xwingFrom(x25519: X25519, randomness: Bytes): ComposedXWing {
  const parts = { x25519, mlkem: mlkemNoble(() => randomness.subarray(0, 32)) };
  return composeXWing(
    () => parts,
    () => randomness.slice(32),
  );
}

describe('X-Wing', () => {
  interface XWingVector {
    readonly seed: string;
    readonly eseed: string;
    readonly ss: string;
    readonly sk: string;
    readonly pk: string;
    readonly ct: string;
  }

  test('a seed gives the published public key in every provider', async () => {
    const vectors = vectorJson<XWingVector[]>('ietf/xwing.json');
    expect(vectors).toHaveLength(3);
    for (const vector of vectors) {
      expect(vector.sk).toBe(vector.seed);
      for (const keyPair of Object.values(KEY_PAIRS)) {
        expect(toHex((await keyPair(fromHex(vector.seed))).publicKey)).toBe(vector.pk);
      }
    }
  });

  test('encapsulation with the published randomness gives the published ciphertext and secret', async () => {
    for (const vector of vectorJson<XWingVector[]>('ietf/xwing.json')) {
      for (const x25519 of Object.values(X25519S)) {
        const xwing = xwingFrom(x25519, fromHex(vector.eseed));
        const { ciphertext, sharedSecret } = await xwing.encapsulate(fromHex(vector.pk));
        expect(toHex(ciphertext)).toBe(vector.ct);
        expect(toHex(sharedSecret)).toBe(vector.ss);
      }
    }
  });

  test('every provider decapsulates to the published secret', async () => {
    for (const vector of vectorJson<XWingVector[]>('ietf/xwing.json')) {
      for (const keyPair of Object.values(KEY_PAIRS)) {
        const secret = await (await keyPair(fromHex(vector.seed))).decapsulate(fromHex(vector.ct));
        expect(toHex(secret)).toBe(vector.ss);
      }
    }
  });

  test('it is HPKE KEM 0x647A: every provider takes the two HPKE entries', async () => {
    interface HpkeVector {
      readonly kem_id: number;
      readonly skRm: string;
      readonly pkRm: string;
      readonly enc: string;
      readonly ikmE: string;
      readonly shared_secret: string;
    }
    const vectors = vectorJson<HpkeVector[]>('ietf/hpke-pq.json.br').filter((vector) => vector.kem_id === 0x647a);
    expect(vectors).toHaveLength(2);
    for (const vector of vectors) {
      for (const x25519 of Object.values(X25519S)) {
        const xwing = xwingFrom(x25519, fromHex(vector.ikmE));
        const { ciphertext, sharedSecret } = await xwing.encapsulate(fromHex(vector.pkRm));
        expect(toHex(ciphertext)).toBe(vector.enc);
        expect(toHex(sharedSecret)).toBe(vector.shared_secret);
      }
      for (const keyPair of Object.values(KEY_PAIRS)) {
        const { publicKey, decapsulate: open } = await keyPair(fromHex(vector.skRm));
        expect(toHex(publicKey)).toBe(vector.pkRm);
        expect(toHex(await open(fromHex(vector.enc)))).toBe(vector.shared_secret);
      }
    }
  });
});

// The DER of crypto/node.ts, written out again: a change there that OpenSSL happens to accept shows here.
const MLKEM_PKCS8_SEED = '3054020100300b060960864801650304040204428040';
const MLKEM_SPKI = '308204b2300b0609608648016503040402038204a100';
const X25519_PKCS8 = '302e020100300506032b656e04220420';
const X25519_SPKI = '302a300506032b656e032100';

function privateKey(prefix: string, raw: string): KeyObject {
  return createPrivateKey({ key: Buffer.from(prefix + raw, 'hex'), format: 'der', type: 'pkcs8' });
}

function publicKey(prefix: string, raw: string): KeyObject {
  return createPublicKey({ key: Buffer.from(prefix + raw, 'hex'), format: 'der', type: 'spki' });
}

function rawOf(key: KeyObject, length: number): string {
  return toHex(key.export({ format: 'der', type: 'spki' }).subarray(-length));
}

describe('ML-KEM-768', () => {
  test('100 seeds give the published keys', async () => {
    interface KeygenTest {
      readonly seed: string;
      readonly ek: string;
      readonly dk: string;
    }
    let checked = 0;
    for (const { tests } of vectorJson<Wycheproof<KeygenTest>>('wycheproof/mlkem_768_keygen_seed_test.json.br')
      .testGroups) {
      for (const { seed, ek, dk } of tests) {
        const keys = ml_kem768.keygen(fromHex(seed));
        expect(toHex(keys.publicKey)).toBe(ek);
        expect(toHex(keys.secretKey)).toBe(dk);
        expect(rawOf(createPublicKey(privateKey(MLKEM_PKCS8_SEED, seed)), 1184)).toBe(ek);
        expect(toHex((await mlkemWebCrypto.keyPair(fromHex(seed))).publicKey)).toBe(ek);
        checked += 1;
      }
    }
    expect(checked).toBe(100);
  });

  test('153 ciphertexts decapsulate to the published secrets and 40 of wrong lengths are refused', async () => {
    interface DecapsTest {
      readonly seed: string;
      readonly c: string;
      readonly K: string;
    }
    const checked = { valid: 0, invalid: 0 };
    for (const { tests } of vectorJson<Wycheproof<DecapsTest>>('wycheproof/mlkem_768_test.json.br').testGroups) {
      for (const { tcId, seed, c, K, result } of tests) {
        const byNoble = (): Bytes => ml_kem768.decapsulate(fromHex(c), ml_kem768.keygen(fromHex(seed)).secretKey);
        const byNode = (): Uint8Array => decapsulate(privateKey(MLKEM_PKCS8_SEED, seed), fromHex(c));
        const byWebCrypto = async () => (await mlkemWebCrypto.keyPair(fromHex(seed))).decapsulate(fromHex(c));
        if (result === 'valid') {
          expect(toHex(byNoble()), `noble ${tcId}`).toBe(K);
          expect(toHex(byNode()), `node ${tcId}`).toBe(K);
          expect(toHex(await byWebCrypto()), `webcrypto ${tcId}`).toBe(K);
          checked.valid += 1;
        } else {
          expect(byNoble, `noble ${tcId}`).toThrow();
          // The DER says 64 bytes, so a longer seed is not the seed that OpenSSL sees.
          if (seed.length <= 128) expect(byNode, `node ${tcId}`).toThrow();
          await expect(byWebCrypto(), `webcrypto ${tcId}`).rejects.toThrow();
          checked.invalid += 1;
        }
      }
    }
    expect(checked).toEqual({ valid: 153, invalid: 40 });
  });

  test('133 encapsulations give the published bytes; 132 keys that are not reduced are refused', async () => {
    interface EncapsTest {
      readonly ek: string;
      readonly m: string;
      readonly c: string;
      readonly K: string;
    }
    const x25519Public = toHex(nodeKeyPair(fromHex('07'.repeat(32))).publicKey.subarray(1184));
    const checked = { valid: 0, invalid: 0 };
    for (const { tests } of vectorJson<Wycheproof<EncapsTest>>('wycheproof/mlkem_768_encaps_test.json.br').testGroups) {
      for (const { tcId, ek, m, c, K, result } of tests) {
        if (result === 'valid') {
          const { cipherText, sharedSecret } = ml_kem768.encapsulate(fromHex(ek), fromHex(m));
          expect(toHex(cipherText), `${tcId}`).toBe(c);
          expect(toHex(sharedSecret), `${tcId}`).toBe(K);
          expect(encapsulate(publicKey(MLKEM_SPKI, ek)).ciphertext, `${tcId}`).toHaveLength(1088);
          checked.valid += 1;
        } else {
          // As half of an X-Wing key, which is how a relay or client would meet it.
          const key = fromHex(ek + x25519Public);
          for (const suite of suites) {
            await expectRefusal('malformed', () => suite.kem.encapsulate(key), `${suite.name} ${tcId}`);
          }
          checked.invalid += 1;
        }
      }
    }
    expect(checked).toEqual({ valid: 133, invalid: 132 });
  });
});

describe('X25519', () => {
  interface XdhTest {
    readonly public: string;
    readonly private: string;
    readonly shared: string;
  }

  const tests = (): ReadonlyArray<XdhTest & { tcId: number; flags?: readonly string[] }> =>
    vectorJson<Wycheproof<XdhTest>>('wycheproof/x25519_test.json.br').testGroups.flatMap((group) => group.tests);
  const isZero = (flags: readonly string[] | undefined): boolean => flags?.includes('ZeroSharedSecret') ?? false;

  test('518 key agreements: equal secrets, and none that is all zero', async () => {
    const checked = { equal: 0, zero: 0 };
    for (const { tcId, flags, ...vector } of tests()) {
      const agree = (x25519: X25519) => async () => x25519(fromHex(vector.private), fromHex(vector.public));
      const byNode = (): Uint8Array =>
        diffieHellman({
          privateKey: privateKey(X25519_PKCS8, vector.private),
          publicKey: publicKey(X25519_SPKI, vector.public),
        });
      if (isZero(flags)) {
        for (const [name, x25519] of Object.entries(X25519S)) {
          await expect(agree(x25519)(), `${name} ${tcId}`).rejects.toThrow();
        }
        expect(byNode, `node ${tcId}`).toThrow();
        checked.zero += 1;
      } else {
        for (const [name, x25519] of Object.entries(X25519S)) {
          expect(toHex(await agree(x25519)()), `${name} ${tcId}`).toBe(vector.shared);
        }
        expect(toHex(byNode()), `node ${tcId}`).toBe(vector.shared);
        checked.equal += 1;
      }
    }
    expect(checked).toEqual({ equal: 487, zero: 31 });
  });

  test('a low-order point as half of an X-Wing key or ciphertext is refused by every provider alike', async () => {
    const seed = fromHex('2a'.repeat(32));
    const honest = nodeKeyPair(seed).publicKey;
    const { ciphertext } = await node.kem.encapsulate(honest);
    const points = new Set(
      tests()
        .filter(({ flags }) => isZero(flags))
        .map((vector) => vector.public),
    );
    expect(points.size).toBeGreaterThan(7);
    for (const point of points) {
      const key = fromHex(toHex(honest.subarray(0, 1184)) + point);
      const sent = fromHex(toHex(ciphertext.subarray(0, 1088)) + point);
      for (const suite of suites) await expectRefusal('malformed', () => suite.kem.encapsulate(key), point);
      for (const keyPair of Object.values(KEY_PAIRS)) {
        const own = await keyPair(seed);
        await expectRefusal('malformed', () => own.decapsulate(sent), point);
      }
    }
  });
});
