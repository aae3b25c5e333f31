// The Noise engine against 944 published classical handshakes (every pattern, curve, cipher and hash) and two of
// PQNoise: every message, every handshake hash, both directions after Split.
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js';
import { describe, expect, test } from 'vitest';
import { readEkem, readSkem, SymmetricState, writeEkem, writeSkem } from '../src/noise.ts';
import type { Kem, KemKeyPair } from '../src/suite.ts';
import type { Bytes } from '../src/wire.ts';
import { fromHex, toHex } from './support/bytes.ts';
import { NoiseParty, Transport } from './support/noise-handshake.ts';
import { importCipher, type NoiseCipher, type NoiseHash, noisePrimitives } from './support/noise-primitives.ts';
import { vectorJson, vectorText } from './support/vectors.ts';

interface Handshake {
  readonly protocol_name: string;
  readonly handshake_hash: string;
  readonly messages: ReadonlyArray<{ readonly payload: string; readonly ciphertext: string }>;
  readonly init_prologue: string;
  readonly init_ephemeral?: string;
  readonly init_static?: string;
  readonly init_remote_static?: string;
  readonly init_psks?: readonly string[];
  readonly resp_prologue: string;
  readonly resp_ephemeral?: string;
  readonly resp_static?: string;
  readonly resp_remote_static?: string;
  readonly resp_psks?: readonly string[];
}

async function parties(vector: Handshake): Promise<[NoiseParty, NoiseParty]> {
  const bytes = (hex: string | undefined): Bytes | undefined => (hex === undefined ? undefined : fromHex(hex));
  const initiator = await NoiseParty.begin(vector.protocol_name, true, fromHex(vector.init_prologue), {
    ephemeral: bytes(vector.init_ephemeral),
    static: bytes(vector.init_static),
    remoteStatic: bytes(vector.init_remote_static),
    psks: (vector.init_psks ?? []).map(fromHex),
  });
  const responder = await NoiseParty.begin(vector.protocol_name, false, fromHex(vector.resp_prologue), {
    ephemeral: bytes(vector.resp_ephemeral),
    static: bytes(vector.resp_static),
    remoteStatic: bytes(vector.resp_remote_static),
    psks: (vector.resp_psks ?? []).map(fromHex),
  });
  return [initiator, responder];
}

async function replayHandshake(vector: Handshake): Promise<void> {
  const [initiator, responder] = await parties(vector);
  for (const [turn, message] of vector.messages.entries()) {
    const fromInitiator = turn % 2 === 0 || initiator.pattern.oneWay;
    const [writer, reader] = fromInitiator ? [initiator, responder] : [responder, initiator];
    const where = `${vector.protocol_name}, message ${turn}`;
    const ciphertext = await writer.write(fromHex(message.payload));
    expect(toHex(ciphertext), where).toBe(message.ciphertext);
    expect(toHex(await reader.read(ciphertext)), where).toBe(message.payload);
  }
  expect(toHex(initiator.handshakeHash), vector.protocol_name).toBe(vector.handshake_hash);
  expect(toHex(responder.handshakeHash), vector.protocol_name).toBe(vector.handshake_hash);
}

describe('classical handshakes', () => {
  for (const curve of ['25519', '448']) {
    for (const cipher of ['AESGCM', 'ChaChaPoly']) {
      for (const hash of ['SHA256', 'SHA512', 'BLAKE2s', 'BLAKE2b']) {
        const suiteName = `${curve}_${cipher}_${hash}`;
        test(`59 patterns of ${suiteName} come out byte for byte`, async () => {
          const all = vectorJson<{ vectors: Handshake[] }>('go-clatter/cacophony.json.br').vectors;
          const ours = all.filter((vector) => vector.protocol_name.endsWith(`_${suiteName}`));
          for (const vector of ours) await replayHandshake(vector);
          expect(ours).toHaveLength(59);
        });
      }
    }
  }

  test('the sixteen suites are all that the file holds', () => {
    expect(vectorJson<{ vectors: Handshake[] }>('go-clatter/cacophony.json.br').vectors).toHaveLength(16 * 59);
  });
});

// ---- PQNoise -----------------------------------------------------------------------------------------------

type PqToken = 'e' | 's' | 'ekem' | 'skem';

interface PqVector {
  readonly fields: ReadonlyMap<string, string>;
  readonly messages: readonly Bytes[];
  readonly hashes: readonly string[];
  readonly transport: readonly Bytes[];
}

/** The file is lines of "name: value". */
function readPqVector(file: string): PqVector {
  const fields = new Map<string, string>();
  for (const line of vectorText(file).split('\n')) {
    const found = /^([a-z_]+(?:\[\d\])?)(?: (?:initiator|responder))?: (.+)$/.exec(line);
    if (found) fields.set(found[1] as string, found[2] as string);
  }
  const series = (name: string): string[] =>
    [...fields].filter(([key]) => key.startsWith(`${name}[`)).map(([, value]) => value);
  return {
    fields,
    messages: series('msg').map(fromHex),
    hashes: series('h'),
    transport: series('transport').map(fromHex),
  };
}

const ENCAPSULATION_KEY_BYTES = 1184;
const CIPHERTEXT_BYTES = 1088;

interface CountingKem extends Kem {
  generateKeyPair(): KemKeyPair;
}

/** ML-KEM-768 whose randomness is the low byte of a counter from 0xdeadbeef, shared by both parties. */
function countingKem(): CountingKem {
  let counter = 0xdeadbeef;
  const next = (length: number): Bytes => {
    const bytes = Uint8Array.from({ length }, (_, i) => counter + i);
    counter += length;
    return bytes;
  };
  return {
    publicKeyBytes: ENCAPSULATION_KEY_BYTES,
    ciphertextBytes: CIPHERTEXT_BYTES,
    generateKeyPair() {
      const { publicKey, secretKey } = ml_kem768.keygen(next(64)); // d ‖ z
      return { publicKey, decapsulate: (ciphertext) => ml_kem768.decapsulate(ciphertext, secretKey) };
    },
    encapsulate(publicKey) {
      const { cipherText, sharedSecret } = ml_kem768.encapsulate(publicKey, next(32));
      return { ciphertext: cipherText, sharedSecret };
    },
  };
}

interface PqParty {
  readonly state: SymmetricState;
  readonly static: KemKeyPair;
  ephemeral?: KemKeyPair;
  remoteStatic?: Bytes;
  remoteEphemeral?: Bytes;
}

async function writeTokens(party: PqParty, kem: CountingKem, tokens: readonly PqToken[]): Promise<Bytes> {
  const parts: Bytes[] = [];
  for (const token of tokens) {
    if (token === 'e') {
      party.ephemeral = kem.generateKeyPair();
      await party.state.mixHash(party.ephemeral.publicKey);
      parts.push(party.ephemeral.publicKey);
    } else if (token === 's') parts.push(await party.state.encryptAndHash(party.static.publicKey));
    else if (token === 'ekem') parts.push(await writeEkem(party.state, kem, party.remoteEphemeral as Bytes));
    else parts.push(await writeSkem(party.state, kem, party.remoteStatic as Bytes));
  }
  parts.push(await party.state.encryptAndHash(new Uint8Array(0)));
  return new Uint8Array(Buffer.concat(parts));
}

/** @param keySet a cipher key is set before this message, so that `s` and `skem` carry a tag from its start. */
async function readTokens(party: PqParty, message: Bytes, tokens: readonly PqToken[], keySet: boolean): Promise<void> {
  let rest = message;
  let tagBytes = keySet ? 16 : 0;
  const take = (length: number): Bytes => {
    const taken = rest.subarray(0, length);
    rest = rest.subarray(length);
    return taken;
  };
  for (const token of tokens) {
    if (token === 'e') {
      party.remoteEphemeral = take(ENCAPSULATION_KEY_BYTES);
      await party.state.mixHash(party.remoteEphemeral);
    } else if (token === 's') {
      party.remoteStatic = await party.state.decryptAndHash(take(ENCAPSULATION_KEY_BYTES + tagBytes));
    } else if (token === 'ekem') {
      await readEkem(party.state, party.ephemeral as KemKeyPair, take(CIPHERTEXT_BYTES));
      tagBytes = 16;
    } else {
      await readSkem(party.state, party.static, take(CIPHERTEXT_BYTES + tagBytes));
      tagBytes = 16;
    }
  }
  expect(await party.state.decryptAndHash(rest)).toHaveLength(0);
}

describe('PQNoise handshakes', () => {
  const cases: ReadonlyArray<[string, string, boolean, PqToken[][]]> = [
    ['pqXX', 'go-clatter/pq_xx_mlkem768_chacha_sha256.txt', false, [['e'], ['ekem', 's'], ['skem', 's'], ['skem']]],
    [
      'pqIK',
      'go-clatter/pq_ik_mlkem768_aes_sha512.txt',
      true,
      [
        ['skem', 'e', 's'],
        ['ekem', 'skem'],
      ],
    ],
  ];
  for (const [pattern, file, responderKnown, flow] of cases) {
    test(`${pattern}: every message, every handshake hash, the transport messages`, async () => {
      const vector = readPqVector(file);
      const [hashName, cipherName] = [
        vector.fields.get('hash') as NoiseHash,
        vector.fields.get('cipher') as NoiseCipher,
      ];
      const primitives = noisePrimitives(hashName, cipherName);
      const kem = countingKem();
      const begin = async (): Promise<PqParty> => {
        const name = `Noise_${pattern}_MLKEM768_${cipherName}_${hashName}`;
        const state = await SymmetricState.initialize(primitives, name);
        await state.mixHash(fromHex(vector.fields.get('prologue_hex') as string));
        return { state, static: kem.generateKeyPair() };
      };
      const initiator = await begin();
      const responder = await begin();
      if (responderKnown) {
        initiator.remoteStatic = responder.static.publicKey;
        for (const party of [initiator, responder]) await party.state.mixHash(responder.static.publicKey);
      }

      expect(vector.messages).toHaveLength(flow.length);
      expect(vector.hashes).toHaveLength(flow.length);
      for (const [turn, tokens] of flow.entries()) {
        const [writer, reader] = turn % 2 === 0 ? [initiator, responder] : [responder, initiator];
        const message = await writeTokens(writer, kem, tokens);
        expect(toHex(message), `message ${turn}`).toBe(toHex(vector.messages[turn] as Bytes));
        await readTokens(reader, message, tokens, turn > 0);
        expect(toHex(writer.state.handshakeHash), `h[${turn}]`).toBe(vector.hashes[turn]);
        expect(toHex(reader.state.handshakeHash), `h[${turn}]`).toBe(vector.hashes[turn]);
      }
      expect(toHex(initiator.state.handshakeHash)).toBe(vector.fields.get('handshake_hash'));

      const [first, second] = await transports(initiator.state);
      const [firstRead, secondRead] = await transports(responder.state);
      expect(vector.transport).toHaveLength(3);
      for (const [turn, message] of vector.transport.entries()) {
        const [writing, reading] = turn % 2 === 0 ? [first, firstRead] : [second, secondRead];
        const payload = await reading.open(message);
        expect(toHex(await writing.seal(payload)), `transport ${turn}`).toBe(toHex(message));
      }

      async function transports(state: SymmetricState): Promise<[Transport, Transport]> {
        const [fromInitiator, fromResponder] = await state.split();
        const transport = (key: Bytes): Transport => new Transport(importCipher(cipherName, key), primitives);
        return [transport(fromInitiator), transport(fromResponder)];
      }
    });
  }
});
