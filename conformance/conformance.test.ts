// Every case of conformance/vectors against packages/protocol with each of its providers, and what only Node can look
// at: the generator, the handshake hash behind every step, every single bit of a message, the twin beside the code.
import { readdirSync, readFileSync } from 'node:fs';
import { type Bytes, ProtocolError } from '@mte-relay/protocol';
import { describe, expect, it } from 'vitest';
import { SymmetricState, writeEkem, writeSkem } from '../packages/protocol/src/noise.ts';
import { ClientIds } from '../packages/server/src/secrets/client-id.ts';
import { pinOf, relayIdentity } from '../packages/server/src/secrets/identity.ts';
import type { MessageCase } from './format.ts';
import { generate } from './generate.ts';
import { providerSets, providers, STATE_FILES, syncProviders, vectors } from './providers.ts';
import { decodeCut } from './run/bhttp.ts';
import { outcome, unhex } from './run/case.ts';
import { withRandomness } from './run/fixed-suite.ts';
import { openAtClient, openAtRelay } from './run/messages.ts';
import { vectorCases } from './run/vectors.ts';
import { decode as twinDecode } from './twin/bhttp.ts';
import { hex, join } from './twin/bytes.ts';
import { base64url, clientId as twinClientId } from './twin/identity.ts';
import { Refused } from './twin/refused.ts';

/** SPEC §3.5. */
const DAY_MS = 86_400_000;
const CLIENT_ID_LIFETIME_MS: number = 30 * DAY_MS;

const { identity, messages } = vectors;
const pairings = vectors.pairing.cases;

describe('the committed files', () => {
  const made = generate();
  const folder = new URL('vectors/', import.meta.url);

  it('are exactly what the generator makes', () => {
    expect(readdirSync(folder).sort()).toEqual([...made.files.keys()].sort());
    for (const [name, content] of made.files) {
      // Not toEqual: a difference in a large file would take minutes to print.
      expect(readFileSync(new URL(name, folder), 'utf8') === content, name).toBe(true);
    }
  });

  it('are all run', () => {
    expect(readdirSync(folder).sort()).toEqual(
      [...Object.keys(vectors), ...STATE_FILES].map((name) => `${name}.json`).sort(),
    );
  });

  it('stay below 850 KB', () => {
    let bytes = 0;
    for (const content of made.files.values()) bytes += Buffer.byteLength(content);
    expect(bytes).toBeLessThan(850_000);
  });
});

describe.each(providerSets)('provider $client.suite.name', (set) => {
  it.each(vectorCases(vectors, set))('$name', async ({ run }) => {
    await run();
  });
});

describe('identity of the relay server', () => {
  it.each(identity.identities)('$name', ({ clientIdSecret, publicKey, keyId, pin }) => {
    const relay = relayIdentity({ clientIdSecret });
    expect(hex(relay.keyPair.publicKey)).toBe(publicKey);
    expect(hex(relay.keyId)).toBe(keyId);
    expect(pinOf(relay)).toBe(pin);
  });

  it.each(identity.clientIds)(
    '$name is verified until it expires',
    ({ clientIdSecret, id, expiryUnixMs, fieldValue }) => {
      const ids = new ClientIds([clientIdSecret]);
      expect(ids.verify(fieldValue, expiryUnixMs - 1)?.id).toBe(Buffer.from(id, 'hex').toString('base64url'));
      expect(ids.verify(fieldValue, expiryUnixMs)).toBeUndefined();
      expect(new ClientIds([`${clientIdSecret}!`]).verify(fieldValue, 0)).toBeUndefined();
    },
  );

  it.each(identity.clientIds)(
    '$name is renewed when it is older than a day, or was made under an old secret',
    ({ clientIdSecret, id, expiryUnixMs, fieldValue }) => {
      const renewalOf = (secrets: string[], nowMs: number) => new ClientIds(secrets).verify(fieldValue, nowMs)?.renewed;
      const twinsOf = (secret: string, nowMs: number) =>
        base64url(twinClientId(secret, unhex(id), nowMs + CLIENT_ID_LIFETIME_MS));
      const aDayOldMs = expiryUnixMs - CLIENT_ID_LIFETIME_MS + DAY_MS;
      expect(renewalOf([clientIdSecret], aDayOldMs)).toBeUndefined();
      expect(renewalOf([clientIdSecret], aDayOldMs + 1)).toBe(twinsOf(clientIdSecret, aDayOldMs + 1));
      const newest = `${clientIdSecret}!`;
      expect(renewalOf([newest, clientIdSecret], aDayOldMs)).toBe(twinsOf(newest, aDayOldMs));
    },
  );
});

describe.each(providers)('handshake hash behind every step of §4, provider $suite.name', (provider) => {
  it.each(pairings)('$name', async (one) => {
    const request = unhex(one.request);
    const relay = await provider.keyPair(unhex(one.relaySeed));
    const suite = withRandomness(provider, {
      encapsulations: [unhex(one.staticRandomness), unhex(one.ephemeralRandomness)],
    });
    const ephemeral = await provider.keyPair(unhex(one.ephemeralSeed));
    const state = await SymmetricState.initialize(suite, 'Noise_pqNK_Xwing_AESGCM_SHA256');
    const seen = [hex(state.handshakeHash)];
    const step = async (work: Promise<unknown>) => {
      await work;
      seen.push(hex(state.handshakeHash));
    };
    const head = request.subarray(1, request.length - 1120 - 1216 - 16);
    await step(state.mixHash(new Uint8Array(join(Buffer.from('mte-relay/1\0'), head))));
    await step(state.mixHash(relay.publicKey));
    await step(writeSkem(state, suite.kem, relay.publicKey));
    await step(state.mixHash(ephemeral.publicKey));
    await step(state.encryptAndHash(new Uint8Array(0)));
    await step(writeEkem(state, suite.kem, ephemeral.publicKey));
    await step(state.encryptAndHash(unhex(one.parameterBytes)));
    // The engine mixes a ciphertext and its secret in one step.
    const within = ['static ciphertext', 'ephemeral ciphertext'];
    expect(seen).toEqual(one.trace.filter((traced) => !within.includes(traced.step)).map((traced) => traced.h));
    const [k1, k2] = await state.split();
    expect([hex(k1), hex(k2)]).toEqual([one.k1, one.k2]);
  });
});

describe('single-bit changes', () => {
  const one = messages.cases.find(({ name }) => name === 'several chunks each way') as MessageCase;

  it.each(syncProviders)('of a request are all refused, provider $suite.name', async (provider) => {
    for (const changed of singleBitChanges(unhex(one.request as string))) {
      const seen = await outcome(() => openAtRelay(provider, messages.session, changed, changed.length));
      expect(seen).not.toBe('accepted');
    }
  });

  it.each(providers)('of a response are all refused, provider $suite.name', async (provider) => {
    for (const changed of singleBitChanges(unhex(one.response as string))) {
      const seen = await outcome(() => openAtClient(provider, messages.session, one, changed, changed.length));
      expect(seen).not.toBe('accepted');
    }
  });
});

function* singleBitChanges(bytes: Bytes): Generator<Bytes> {
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    yield bytes.map((byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
  }
}

it('Binary HTTP agrees with the twin about thousands of damaged messages', () => {
  let accepted = 0;
  for (const { kind, bytes } of damagedMessages(4000)) {
    const ours = describeDecoding(() => decodeCut(kind, bytes, 11), ProtocolError);
    const twins = describeDecoding(() => {
      const { informational = [], headers, content, trailers, ...control } = twinDecode(kind, bytes);
      return { head: { ...control, headers }, content: hex(content), trailers, informational };
    }, Refused);
    expect(ours, hex(bytes)).toEqual(twins);
    if (ours !== 'refused') accepted += 1;
  }
  expect(accepted).toBeGreaterThan(100); // else the damage leaves nothing to agree about
});

function describeDecoding(work: () => object, refusal: typeof ProtocolError | typeof Refused): object | 'refused' {
  try {
    return work();
  } catch (error) {
    if (error instanceof refusal) return 'refused';
    throw error;
  }
}

/** One or two changes each to the short vectors, from a fixed sequence. */
function* damagedMessages(count: number): Generator<{ kind: 'request' | 'response'; bytes: Bytes }> {
  const sources = vectors.bhttp.cases.filter((one) => one.encoded.length < 600);
  let state = 7;
  const random = (below: number) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.floor((state / 2 ** 31) * below);
  };
  for (let i = 0; i < count; i += 1) {
    const source = sources[random(sources.length)] as (typeof sources)[number];
    let bytes = unhex(source.encoded);
    for (let changes = 1 + random(2); changes > 0 && bytes.length > 0; changes -= 1) {
      const at = random(bytes.length);
      const change = random(4);
      if (change === 0) bytes = bytes.slice(0, at);
      else if (change === 1) bytes[at] = (bytes[at] as number) ^ (1 << random(8));
      else if (change === 2) bytes[at] = random(256);
      else bytes = new Uint8Array(join(bytes.subarray(0, at), Uint8Array.of(random(70)), bytes.subarray(at)));
    }
    yield { kind: source.kind, bytes };
  }
}
