// Our X-Wing against the one of the hpke package (KEM 0x647A over the runtime's WebCrypto), both ways and as whole HPKE.
import { AEAD_AES_256_GCM, CipherSuite, KDF_HKDF_SHA256, KEM_MLKEM768_X25519 } from 'hpke';
import { describe, expect, test } from 'vitest';
import { xwingKeyPairFromSeed as nobleKeyPair } from '../src/crypto/noble.ts';
import { xwingKeyPairFromSeed as nodeKeyPair } from '../src/crypto/node.ts';
import { ascii, SeededRandom, toHex } from './support/bytes.ts';
import { suites } from './support/suites.ts';

const oracle = KEM_MLKEM768_X25519();
const random = new SeededRandom(0x647a);
const seeds = Array.from({ length: 8 }, () => random.bytes(32));

describe('X-Wing and the hpke package', () => {
  test('it opens what each of our providers encapsulated', async () => {
    for (const seed of seeds) {
      const { publicKey } = nodeKeyPair(seed);
      const key = await oracle.DeserializePrivateKey(seed, true);
      for (const suite of suites) {
        const { ciphertext, sharedSecret } = await suite.kem.encapsulate(publicKey);
        expect(toHex(await oracle.Decap(ciphertext, key, undefined)), suite.name).toBe(toHex(sharedSecret));
      }
    }
  });

  test('our providers open what it encapsulated', async () => {
    for (const seed of seeds) {
      const publicKey = await oracle.DeserializePublicKey(nodeKeyPair(seed).publicKey);
      const { enc, shared_secret } = await oracle.Encap(publicKey);
      const ciphertext = new Uint8Array(enc);
      expect(toHex(await (await nobleKeyPair(seed)).decapsulate(ciphertext))).toBe(toHex(shared_secret));
      expect(toHex(await nodeKeyPair(seed).decapsulate(ciphertext))).toBe(toHex(shared_secret));
    }
  });

  test('a key pair that it derived is the one that our seed gives', async () => {
    expect(oracle.id).toBe(0x647a);
    const { publicKey, privateKey } = await oracle.DeriveKeyPair(random.bytes(32), true);
    const seed = new Uint8Array(await oracle.SerializePrivateKey(privateKey));
    const serialized = toHex(await oracle.SerializePublicKey(publicKey));
    expect(toHex((await nobleKeyPair(seed)).publicKey)).toBe(serialized);
    expect(toHex(nodeKeyPair(seed).publicKey)).toBe(serialized);
  });

  test('HPKE sealed to our public key opens with the seed', async () => {
    const hpke = new CipherSuite(KEM_MLKEM768_X25519, KDF_HKDF_SHA256, AEAD_AES_256_GCM);
    const seed = seeds[0] as Uint8Array;
    const publicKey = await hpke.DeserializePublicKey((await nobleKeyPair(new Uint8Array(seed))).publicKey);
    const sealed = await hpke.Seal(publicKey, ascii('hello'));
    const opened = await hpke.Open(
      await hpke.DeserializePrivateKey(seed, true),
      sealed.encapsulatedSecret,
      sealed.ciphertext,
    );
    expect(Buffer.from(opened).toString()).toBe('hello');
  });
});
