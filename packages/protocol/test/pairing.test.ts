// The pairing when nobody interferes, and what its objects do not let their owner do.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AUTHORITY_MAX_BYTES, FLAG_COOKIE_RECORDS, KEM_CIPHERTEXT_BYTES } from '../src/constants.ts';
import { deriveSessionSecrets } from '../src/key-schedule.ts';
import { acceptPairing, parsePairingRequest, type SessionParameters, startPairing } from '../src/pairing.ts';
import { patternBytes, toHex } from './support/bytes.ts';
import { expectRefusal } from './support/refusal.ts';
import { AUTHORITY, identityFrom, pair, parametersWith } from './support/sessions.ts';
import { noble, node, suites } from './support/suites.ts';

const identity = await identityFrom(0x11);
const publicKey = identity.keyPair.publicKey;

describe('a pairing', () => {
  for (const clientSuite of suites) {
    for (const relaySuite of [noble, node]) {
      test(`${clientSuite.name} client, ${relaySuite.name} relay: equal secrets and the relay’s parameters`, async () => {
        const session = await pair(identity, 7, clientSuite, relaySuite);
        for (const name of ['request', 'response', 'exporter'] as const) {
          expect(toHex(session.clientSecrets[name])).toBe(toHex(session.relaySecrets[name]));
          expect(session.clientSecrets[name]).toHaveLength(32);
        }
        expect(hexed(session.parameters)).toEqual(hexed(parametersWith(7)));
      });
    }
  }

  test('three secrets that differ from each other and from every other pairing’s', async () => {
    const seen = new Set<string>();
    for (let i = 0; i < 5; i += 1) {
      const { clientSecrets } = await pair(identity);
      for (const secret of Object.values(clientSecrets)) seen.add(toHex(secret as Uint8Array));
    }
    expect(seen.size).toBe(15);
  });

  test('the relay learns authority, flags and key id before it opens anything', async () => {
    const authority = 'a'.repeat(AUTHORITY_MAX_BYTES);
    const { message } = await startPairing(node, publicKey, { authority, flags: FLAG_COOKIE_RECORDS });
    const request = parsePairingRequest(message);
    expect(request.authority).toBe(authority);
    expect(request.flags).toBe(FLAG_COOKIE_RECORDS);
    expect(toHex(request.keyId)).toBe(toHex(identity.keyId));
    const withoutFlags = parsePairingRequest((await startPairing(node, publicKey, { authority: AUTHORITY })).message);
    expect(withoutFlags.flags).toBe(0);
  });

  test('a request has its fixed length around the authority', async () => {
    for (const authority of ['a', AUTHORITY, 'a'.repeat(AUTHORITY_MAX_BYTES)]) {
      const { message } = await startPairing(node, publicKey, { authority });
      expect(message).toHaveLength(1 + 2 + 8 + 1 + authority.length + 4 + 1120 + 1216 + 16);
      expect(toHex(message.subarray(0, 11))).toBe(`010001${toHex(identity.keyId)}`);
    }
  });

  test('parameters of any size come back', async () => {
    const number = (bits: number): fc.Arbitrary<number> => fc.integer({ min: 0, max: 2 ** bits - 1 });
    const big = fc.maxSafeNat();
    const parameters: fc.Arbitrary<SessionParameters> = fc.record({
      sid: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => new Uint8Array(bytes)),
      lifetimeMs: number(32),
      idleMs: number(32),
      messageLimit: big,
      window: number(16),
      requestBodyMaxBytes: big,
      storeEpochMs: big,
      storeAgeMs: big,
      lineage: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => new Uint8Array(bytes)),
      relayTimeMs: big,
      messageAgeMaxMs: number(32),
      padToBytes: number(16),
      clientId: fc.uint8Array({ maxLength: 255 }).map((bytes) => new Uint8Array(bytes)),
      cookiesFromScript: fc.array(fc.stringMatching(/^[!#-+\--~]{1,20}$/), { maxLength: 32 }),
    });
    await fc.assert(
      fc.asyncProperty(parameters, async (given) => {
        const attempt = await startPairing(node, publicKey, { authority: AUTHORITY });
        const { reply } = await acceptPairing(node, identity, parsePairingRequest(attempt.message), () => given);
        expect(hexed((await attempt.finish(reply)).parameters)).toEqual(hexed(given));
      }),
      { numRuns: 40 },
    );
  });
});

describe('the secrets', () => {
  test('follow SPEC §4 from Split and the handshake hash, and the transport keys are erased', async () => {
    for (const suite of suites) {
      const [first, second, hash] = [patternBytes(32), patternBytes(33).subarray(1), patternBytes(35).subarray(3)];
      const expected: Record<string, string> = {};
      for (const [purpose, key] of [
        ['request', first],
        ['response', second],
        ['exporter', first],
      ] as const) {
        const info = Buffer.concat([Buffer.from(`mte-relay/1 ${purpose}\0`), hash, Uint8Array.of(1)]);
        expected[purpose] = toHex(node.hmac(key, new Uint8Array(info)) as Uint8Array);
      }
      const secrets = await deriveSessionSecrets(suite, first, second, hash);
      for (const [name, secret] of Object.entries(secrets))
        expect(toHex(secret), `${suite.name} ${name}`).toBe(expected[name]);
      expect([...first, ...second].every((byte) => byte === 0)).toBe(true);
    }
  });
});

describe('misuse of a pairing', () => {
  test('it finishes once, whatever came of the first time', async () => {
    for (const broken of [false, true]) {
      const attempt = await startPairing(node, publicKey, { authority: AUTHORITY });
      const { reply } = await acceptPairing(node, identity, parsePairingRequest(attempt.message), () =>
        parametersWith(1),
      );
      if (broken) await expectRefusal('truncated', () => attempt.finish(reply.subarray(0, 10)));
      else await attempt.finish(reply);
      await expectRefusal('misuse', () => attempt.finish(reply));
    }
  });

  test('of two finishes at once one is refused', async () => {
    const attempt = await startPairing(noble, publicKey, { authority: AUTHORITY });
    const { reply } = await acceptPairing(node, identity, parsePairingRequest(attempt.message), () =>
      parametersWith(1),
    );
    const outcomes = await Promise.allSettled([attempt.finish(reply), attempt.finish(reply)]);
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['fulfilled', 'rejected']);
  });

  test('a relay key or authority that cannot be is refused before anything is sent', async () => {
    for (const length of [0, 32, 1215, 1217]) {
      await expectRefusal('malformed', () => startPairing(node, new Uint8Array(length), { authority: AUTHORITY }));
    }
    const notReduced = new Uint8Array(1216).fill(0xff);
    for (const suite of suites) {
      await expectRefusal('malformed', () => startPairing(suite, notReduced, { authority: AUTHORITY }), suite.name);
    }
    for (const authority of ['', 'a'.repeat(AUTHORITY_MAX_BYTES + 1), 'münchen.example']) {
      await expectRefusal('malformed', () => startPairing(node, publicKey, { authority }), authority);
    }
  });

  test('parameters that their layout cannot carry are refused, not cut', async () => {
    const wrong: Array<Partial<SessionParameters>> = [
      { clientId: new Uint8Array(256) },
      { sid: new Uint8Array(15) },
      { sid: new Uint8Array(17) },
      { lineage: new Uint8Array(15) },
      { padToBytes: 65_536 },
      { lifetimeMs: 2 ** 32 },
      { window: 65_536 },
      { idleMs: -1 },
      { messageLimit: Number.POSITIVE_INFINITY },
    ];
    for (const change of wrong) {
      const { message } = await startPairing(node, publicKey, { authority: AUTHORITY });
      const parameters = { ...parametersWith(1), ...change };
      const accept = (): unknown => acceptPairing(node, identity, parsePairingRequest(message), () => parameters);
      await expectRefusal('misuse', accept, Object.keys(change).join());
    }
  });

  test('parameters are made only for a request whose tag has verified', async () => {
    const { message } = await startPairing(node, publicKey, { authority: AUTHORITY });
    message[message.length - 1] = (message.at(-1) as number) ^ 1;
    let made = 0;
    await expectRefusal('unopenable', () =>
      acceptPairing(node, identity, parsePairingRequest(message), () => {
        made += 1;
        return parametersWith(1);
      }),
    );
    expect(made).toBe(0);
  });

  test('the reply is a KEM ciphertext and the sealed parameters', async () => {
    const { message } = await startPairing(node, publicKey, { authority: AUTHORITY });
    const { reply } = await acceptPairing(node, identity, parsePairingRequest(message), () => parametersWith(1));
    const sealedBytes =
      16 + 4 + 4 + 8 + 2 + 8 + 8 + 8 + 16 + 8 + 4 + 2 + 1 + parametersWith(1).clientId.length + 2 + 16;
    expect(reply).toHaveLength(KEM_CIPHERTEXT_BYTES + sealedBytes);
  });
});

function hexed(parameters: SessionParameters): object {
  const { sid, lineage, clientId } = parameters;
  return { ...parameters, sid: toHex(sid), lineage: toHex(lineage), clientId: toHex(clientId) };
}
