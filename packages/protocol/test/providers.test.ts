// The three providers give equal bytes, so that a session means the same in a browser, in React Native and on a relay.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { xwingKeyPairFromSeed as nobleKeyPair } from '../src/crypto/noble.ts';
import { xwingKeyPairFromSeed as nodeKeyPair } from '../src/crypto/node.ts';
import { xwingKeyPairFromSeed as webcryptoKeyPair } from '../src/crypto/webcrypto.ts';
import type { KemKeyPair } from '../src/suite.ts';
import type { Bytes } from '../src/wire.ts';
import { flipBit, fromHex, patternBytes, toHex } from './support/bytes.ts';
import { expectRefusal } from './support/refusal.ts';
import { node, suites } from './support/suites.ts';

const someBytes = (maxLength: number): fc.Arbitrary<Bytes> =>
  fc.uint8Array({ maxLength }).map((bytes) => new Uint8Array(bytes));
const key32 = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => new Uint8Array(bytes));
const RUNS = { numRuns: 60 };

/** The result of every provider, which must be one and the same. */
async function agreed(give: (suite: (typeof suites)[number]) => Promise<Bytes> | Bytes): Promise<string> {
  const responses = await Promise.all(suites.map(async (suite) => toHex(await give(suite))));
  expect(new Set(responses).size, suites.map((suite, i) => `${suite.name} ${responses[i]}`).join('\n')).toBe(1);
  return responses[0] as string;
}

describe('the three providers', () => {
  test('give the same SHA-256 and HMAC for any bytes', async () => {
    await fc.assert(
      fc.asyncProperty(key32, someBytes(300), async (key, data) => {
        expect(await agreed((suite) => suite.hash(data))).toHaveLength(64);
        await agreed((suite) => suite.hmac(key, data));
      }),
      RUNS,
    );
  });

  test('seal the same bytes and open each other’s', async () => {
    const nonce = fc.maxSafeNat();
    await fc.assert(
      fc.asyncProperty(key32, nonce, someBytes(40), someBytes(300), async (key, counter, aad, plaintext) => {
        const iv = node.aeadNonce(counter);
        const sealed = fromHex(await agreed(async (suite) => (await suite.importAead(key)).seal(iv, aad, plaintext)));
        expect(sealed).toHaveLength(plaintext.length + 16);
        const opened = await agreed(async (suite) => (await suite.importAead(key)).open(iv, aad, sealed));
        expect(opened).toBe(toHex(plaintext));
      }),
      RUNS,
    );
  });

  test('refuse as unopenable another key, nonce, associated data, or a flipped or missing bit', async () => {
    const key = patternBytes(32);
    const aad = patternBytes(5);
    const sealed = node.importAead(key).seal(node.aeadNonce(1), aad, patternBytes(40));
    for (const suite of suites) {
      const aead = await suite.importAead(key);
      const other = await suite.importAead(flipBit(key, 31, 0));
      await expectRefusal('unopenable', () => other.open(suite.aeadNonce(1), aad, sealed), suite.name);
      await expectRefusal('unopenable', () => aead.open(suite.aeadNonce(2), aad, sealed), suite.name);
      await expectRefusal('unopenable', () => aead.open(suite.aeadNonce(1), flipBit(aad, 0, 0), sealed), suite.name);
      for (let at = 0; at < sealed.length; at += 1) {
        await expectRefusal('unopenable', () => aead.open(suite.aeadNonce(1), aad, flipBit(sealed, at, at % 8)));
        await expectRefusal('unopenable', () => aead.open(suite.aeadNonce(1), aad, sealed.subarray(0, at)));
      }
    }
  });

  test('sealing changes neither the plaintext nor what was sealed before', async () => {
    for (const suite of suites) {
      const aead = await suite.importAead(patternBytes(32));
      const plaintext = patternBytes(64);
      const sealed = await aead.seal(suite.aeadNonce(0), new Uint8Array(0), plaintext);
      const before = toHex(sealed);
      expect(toHex(plaintext), suite.name).toBe(toHex(patternBytes(64)));
      plaintext.fill(0);
      await aead.seal(suite.aeadNonce(1), new Uint8Array(0), plaintext);
      expect(toHex(sealed), suite.name).toBe(before);
    }
  });

  test('expand to the same key for any info', async () => {
    await fc.assert(
      fc.asyncProperty(key32, someBytes(120), async (secret, info) => {
        await agreed(async (suite) => {
          const expanded = await (await suite.importExpandKey(secret)).expandAead(info);
          return expanded.seal(suite.aeadNonce(0), info, secret);
        });
      }),
      RUNS,
    );
  });

  test('keep their own copy of a key that the caller erases', async () => {
    for (const suite of suites) {
      const [aeadKey, secret] = [patternBytes(32), patternBytes(32)];
      const aead = await suite.importAead(aeadKey);
      const expandKey = await suite.importExpandKey(secret);
      const seal = async (): Promise<string[]> => {
        const expanded = await expandKey.expandAead(patternBytes(3));
        const empty = new Uint8Array(0);
        return [
          toHex(await aead.seal(suite.aeadNonce(0), empty, empty)),
          toHex(await expanded.seal(suite.aeadNonce(0), empty, empty)),
        ];
      };
      const before = await seal();
      aeadKey.fill(0);
      secret.fill(0);
      expect(await seal(), suite.name).toEqual(before);
    }
  });

  test('make the nonce of a counter as 32 zero bits and 64 bits big-endian', async () => {
    expect(await agreed((suite) => suite.aeadNonce(0x01_0203_0405_0607))).toBe('000000000001020304050607');
    expect(await agreed((suite) => suite.aeadNonce(0))).toBe('0'.repeat(24));
  });

  test('never give the same random bytes twice', () => {
    for (const suite of suites) {
      const seen = new Set<string>();
      for (let i = 0; i < 1000; i += 1) seen.add(toHex(suite.randomBytes(16)));
      expect(seen.size, suite.name).toBe(1000);
      for (const length of [0, 1, 64, 65, 1000]) expect(suite.randomBytes(length)).toHaveLength(length);
    }
  });
});

describe('X-Wing of every provider', () => {
  const keyPairs = { webcrypto: webcryptoKeyPair, noble: nobleKeyPair, node: nodeKeyPair } as const;

  /** The key pairs that the providers make of one seed, by name. */
  async function pairsOf(seed: Bytes): Promise<[name: string, keyPair: KemKeyPair][]> {
    const entries = Object.entries(keyPairs);
    return Promise.all(entries.map(async ([name, make]): Promise<[string, KemKeyPair]> => [name, await make(seed)]));
  }

  test('a seed gives one public key, and either decapsulates what either encapsulated', async () => {
    await fc.assert(
      fc.asyncProperty(key32, async (seed) => {
        const pairs = await pairsOf(seed);
        const { publicKey } = nodeKeyPair(seed);
        for (const [name, pair] of pairs) expect(toHex(pair.publicKey), name).toBe(toHex(publicKey));
        for (const suite of suites) {
          const { ciphertext, sharedSecret } = await suite.kem.encapsulate(publicKey);
          expect(ciphertext).toHaveLength(suite.kem.ciphertextBytes);
          for (const [name, pair] of pairs) {
            expect(toHex(await pair.decapsulate(ciphertext)), `${suite.name}, ${name}`).toBe(toHex(sharedSecret));
          }
        }
      }),
      { numRuns: 10 },
    );
  });

  test('a changed ciphertext gives one and the same other secret in all', async () => {
    const seed = patternBytes(32);
    const { ciphertext, sharedSecret } = await node.kem.encapsulate(nodeKeyPair(seed).publicKey);
    for (const at of [0, 500, 1087, 1088, 1119]) {
      const changed = flipBit(ciphertext, at, 1);
      const expected = toHex(await nodeKeyPair(seed).decapsulate(changed));
      for (const [name, pair] of await pairsOf(seed))
        expect(toHex(await pair.decapsulate(changed)), name).toBe(expected);
      expect(expected).not.toBe(toHex(sharedSecret));
    }
  });

  test('a key pair outlives its erased seed', async () => {
    for (const keyPair of Object.values(keyPairs)) {
      const seed = patternBytes(32);
      const { publicKey, decapsulate } = await keyPair(seed);
      seed.fill(0);
      const { ciphertext, sharedSecret } = await node.kem.encapsulate(publicKey);
      expect(toHex(await decapsulate(ciphertext))).toBe(toHex(sharedSecret));
    }
  });

  test('seeds, keys and ciphertexts of other lengths are malformed', async () => {
    for (const [name, keyPair] of Object.entries(keyPairs)) {
      for (const length of [0, 31, 33, 64]) {
        await expectRefusal('malformed', () => keyPair(new Uint8Array(length)), `${name}, seed of ${length}`);
      }
      const own = await keyPair(patternBytes(32));
      for (const length of [0, 1119, 1121]) {
        await expectRefusal(
          'malformed',
          () => own.decapsulate(new Uint8Array(length)),
          `${name}, ciphertext of ${length}`,
        );
      }
    }
    for (const suite of suites) {
      for (const length of [0, 1215, 1217]) {
        await expectRefusal(
          'malformed',
          () => suite.kem.encapsulate(new Uint8Array(length)),
          `${suite.name}, key of ${length}`,
        );
      }
    }
  });

  test('generated key pairs differ', async () => {
    for (const suite of suites) {
      const [a, b] = [await suite.kem.generateKeyPair(), await suite.kem.generateKeyPair()];
      expect(a.publicKey).toHaveLength(suite.kem.publicKeyBytes);
      expect(toHex(a.publicKey)).not.toBe(toHex(b.publicKey));
    }
  });
});
