// Cases of SPEC §3 and §4, made by the twin.
import type { IdentityVectors, PairingCase, ParametersJson, RefusedCase } from '../format.ts';
import { refusedInputs } from '../format.ts';
import { type Bytes, hex, join, NONE, text, uint, unhex } from '../twin/bytes.ts';
import { base64url, clientId, identitySeed, keyId, pin } from '../twin/identity.ts';
import { clientFinish, clientRequest, encodeParameters, relayReply } from '../twin/pairing.ts';
import { type FailureClass, Refused } from '../twin/refused.ts';
import { publicKeyOf } from '../twin/xwing.ts';
import { seeded } from './seeded.ts';

const SECRETS = ['a secret of at least thirty-two characters', 'clé secrète, 32 octets au moins: ünïcödé'];
const CLIENT_ID_EXPIRY_UNIX_MS = 1_800_000_000_000;

export function identityVectors(): IdentityVectors {
  return {
    identities: SECRETS.map((clientIdSecret, i) => {
      const seed = identitySeed(clientIdSecret);
      const publicKey = publicKeyOf(seed);
      return {
        name: `identity ${i + 1}`,
        clientIdSecret,
        seed: hex(seed),
        publicKey: hex(publicKey),
        keyId: hex(keyId(publicKey)),
        pin: pin(publicKey),
      };
    }),
    clientIds: SECRETS.map((clientIdSecret, i) => {
      const id = seeded(`client id ${i}`, 16);
      const made = clientId(clientIdSecret, id, CLIENT_ID_EXPIRY_UNIX_MS + i);
      return {
        name: `client id ${i + 1}`,
        clientIdSecret,
        id: hex(id),
        expiryUnixMs: CLIENT_ID_EXPIRY_UNIX_MS + i,
        clientId: hex(made),
        fieldValue: base64url(made),
      };
    }),
  };
}

function pairingCase(name: string, authority: string, flags: number, parameters: ParametersJson): PairingCase {
  const relaySeed = identitySeed(SECRETS[0] as string);
  const relayPublicKey = publicKeyOf(relaySeed);
  const staticRandomness = seeded(`${name}: static`, 64);
  const ephemeralSeed = seeded(`${name}: ephemeral seed`, 32);
  const ephemeralRandomness = seeded(`${name}: ephemeral`, 64);
  const parameterBytes = encodeParameters({
    ...parameters,
    sid: unhex(parameters.sid),
    lineage: unhex(parameters.lineage),
    clientId: unhex(parameters.clientId),
  });
  const { request, handshake } = clientRequest({
    relayPublicKey,
    authority,
    flags,
    staticRandomness,
    ephemeralSeed,
  });
  const relay = relayReply(relaySeed, request, ephemeralRandomness, parameterBytes);
  const client = clientFinish(handshake, ephemeralSeed, relay.reply);
  if (hex(client.secrets.request) !== hex(relay.secrets.request)) throw new Error('the twin disagrees with itself');
  return {
    name,
    relaySeed: hex(relaySeed),
    relayPublicKey: hex(relayPublicKey),
    authority,
    flags,
    staticRandomness: hex(staticRandomness),
    ephemeralSeed: hex(ephemeralSeed),
    ephemeralRandomness: hex(ephemeralRandomness),
    parameters,
    parameterBytes: hex(parameterBytes),
    request: hex(request),
    reply: hex(relay.reply),
    replyWithUnknownFields: hex(
      relayReply(relaySeed, request, ephemeralRandomness, join(parameterBytes, Uint8Array.of(1, 2, 3))).reply,
    ),
    trace: client.trace,
    k1: hex(client.k1),
    k2: hex(client.k2),
    requestSecret: hex(client.secrets.request),
    responseSecret: hex(client.secrets.response),
    exporter: hex(client.secrets.exporter),
  };
}

export function pairingCases(): PairingCase[] {
  return [
    pairingCase('default', 'relay.example', 0, {
      sid: hex(seeded('sid', 16)),
      lifetimeMs: 3_600_000,
      idleMs: 900_000,
      messageLimit: 1_048_576,
      window: 1024,
      requestBodyMaxBytes: 104_857_600,
      storeEpochMs: 1_795_000_000_000,
      storeAgeMs: 86_400_000,
      lineage: hex(seeded('lineage', 16)),
      relayTimeMs: 1_795_086_400_000,
      messageAgeMaxMs: 120_000,
      padToBytes: 128,
      clientId: hex(clientId(SECRETS[0] as string, seeded('client id 0', 16), CLIENT_ID_EXPIRY_UNIX_MS)),
      cookiesFromScript: [],
    }),
    pairingCase('cookie records over https, cookies from script, port, extreme numbers', '[2001:db8::1]:8443', 3, {
      sid: hex(seeded('sid 2', 16)),
      lifetimeMs: 4_294_967_295,
      idleMs: 0,
      messageLimit: 9_007_199_254_740_991,
      window: 1024,
      requestBodyMaxBytes: 9_007_199_254_740_991,
      storeEpochMs: 0,
      storeAgeMs: 0,
      lineage: '00'.repeat(16),
      relayTimeMs: 9_007_199_254_740_991,
      messageAgeMaxMs: 4_294_967_295,
      padToBytes: 65_535,
      clientId: '',
      cookiesFromScript: ['theme', 'lang'],
    }),
  ];
}

// Offsets in the request of the case 'default', whose authority has 13 bytes.
const AUTHORITY_AT = 12;
const FLAGS_AT = AUTHORITY_AT + 13;
const STATIC_AT = FLAGS_AT + 4;
const EPHEMERAL_AT = STATIC_AT + 1120;
const TAG_AT = EPHEMERAL_AT + 1216;
const REQUEST_BYTES = TAG_AT + 16;

const flip = (from: number, to: number, step = 1, mask = 0x01) => ({ op: 'flip' as const, from, to, step, mask });
const truncate = (from: number, to: number, step = 1) => ({ op: 'truncate' as const, from, to, step });
const replace = (at: number, bytes: Bytes) => ({ op: 'replace' as const, at, bytes: hex(bytes) });

export function pairingRefused(cases: PairingCase[]): RefusedCase[] {
  const [base, other] = cases as [PairingCase, PairingCase];
  const refused: RefusedCase[] = [];
  const relay = (name: string, expect: FailureClass, how: Pick<RefusedCase, 'input' | 'mutation'>) =>
    refused.push({ name, side: 'relay', base: base.name, ...how, expect });
  const client = (name: string, expect: FailureClass, how: Pick<RefusedCase, 'input' | 'mutation'>) =>
    refused.push({ name, side: 'client', base: base.name, ...how, expect });

  relay('request truncated', 'truncated', { mutation: truncate(0, REQUEST_BYTES - 1) });
  relay('request with a byte too many', 'malformed', { input: `${base.request}00` });
  relay('version 0', 'version-unsupported', { mutation: replace(0, Uint8Array.of(0)) });
  relay('version 2', 'version-unsupported', { mutation: replace(0, Uint8Array.of(2)) });
  relay('suite 0', 'suite-unsupported', { mutation: replace(1, Uint8Array.of(0, 0)) });
  relay('suite 0x0101', 'suite-unsupported', { mutation: replace(1, Uint8Array.of(1, 1)) });
  relay('another key id', 'key-unknown', { mutation: flip(3, 10) });
  relay('authority with a space', 'malformed', { mutation: replace(AUTHORITY_AT, Uint8Array.of(0x20)) });
  relay('authority with a byte above ASCII', 'malformed', { mutation: replace(AUTHORITY_AT, Uint8Array.of(0xe9)) });
  relay('authority with a line feed at its end', 'malformed', { mutation: replace(FLAGS_AT - 1, Uint8Array.of(0x0a)) });
  const emptyAuthority = join(
    unhex(base.request).subarray(0, 11),
    Uint8Array.of(0),
    unhex(base.request).subarray(FLAGS_AT),
  );
  relay('empty authority', 'malformed', { input: hex(emptyAuthority) });
  relay('another authority than was sealed', 'unopenable', { mutation: flip(AUTHORITY_AT, FLAGS_AT - 1) });
  relay('other flags than were sealed', 'unopenable', { mutation: flip(FLAGS_AT, FLAGS_AT + 3) });
  relay('static ciphertext changed, ML-KEM half', 'unopenable', {
    mutation: flip(STATIC_AT, STATIC_AT + 1087, 181, 0x80),
  });
  relay('static ciphertext changed, X25519 half', 'unopenable', {
    mutation: flip(STATIC_AT + 1088, STATIC_AT + 1119, 9),
  });
  relay('static ciphertext with an all-zero X25519 point', 'malformed', {
    mutation: replace(STATIC_AT + 1088, new Uint8Array(32)),
  });
  relay('ephemeral public key changed', 'unopenable', { mutation: flip(EPHEMERAL_AT, TAG_AT - 1, 97) });
  relay('tag changed', 'unopenable', { mutation: flip(TAG_AT, REQUEST_BYTES - 1) });
  relay('request to another relay under this key id', 'unopenable', { input: hex(requestToAnotherRelay(base)) });
  relay('ephemeral key with a coefficient above q, sealed well', 'malformed', {
    input: hex(requestWithEphemeral(base, (key) => key.set([0xff, 0xff, 0xff], 0))),
  });
  relay('ephemeral key with an all-zero X25519 point, sealed well', 'malformed', {
    input: hex(requestWithEphemeral(base, (key) => key.fill(0, 1184))),
  });

  const replyBytes = base.reply.length / 2;
  client('reply truncated before its tag could stand', 'truncated', { mutation: truncate(0, 1135, 5) });
  client('reply truncated inside the sealed parameters', 'unopenable', { mutation: truncate(1136, replyBytes - 1, 9) });
  client('reply with a byte too many', 'unopenable', { input: `${base.reply}00` });
  client('ephemeral ciphertext changed', 'unopenable', { mutation: flip(0, 1119, 127, 0x40) });
  client('ephemeral ciphertext with an all-zero X25519 point', 'malformed', {
    mutation: replace(1088, new Uint8Array(32)),
  });
  client('sealed parameters changed', 'unopenable', { mutation: flip(1120, replyBytes - 1, 13) });
  client('reply to another pairing', 'unopenable', { input: other.reply });
  client('own request reflected', 'unopenable', { input: base.request });
  const full = unhex(base.parameterBytes);
  client('parameters too short, sealed well', 'truncated', { input: hex(replyWith(base, full.slice(0, 58))) });
  client('client id shorter than its length says, sealed well', 'truncated', {
    input: hex(replyWith(base, full.slice(0, -3))),
  });
  client('no names of cookies from script, sealed well', 'truncated', {
    input: hex(replyWith(base, full.slice(0, -2))),
  });
  client('names of cookies from script shorter than their length says, sealed well', 'truncated', {
    input: hex(replyWith(base, join(full.slice(0, -2), uint(2, 6), text('theme')))),
  });
  const above = full.slice();
  above.set([0x00, 0x20, 0, 0, 0, 0, 0, 0], 24);
  client('message limit of 2^53, sealed well', 'malformed', { input: hex(replyWith(base, above)) });

  for (const one of refused) confirm(one, base);
  return refused;
}

/** The twin must refuse each input with the class that the case names. */
function confirm(refused: RefusedCase, base: PairingCase): void {
  const baseBytes = unhex(refused.side === 'relay' ? base.request : base.reply);
  // The twin is slow: it confirms some positions of each range, and the tests try all of them.
  const inputs = refusedInputs(refused, baseBytes);
  const some = inputs.filter((_, i) => i % Math.ceil(inputs.length / 12) === 0);
  for (const input of some) {
    let seen = 'accepted';
    try {
      if (refused.side === 'relay') relayReply(unhex(base.relaySeed), input, unhex(base.ephemeralRandomness), NONE);
      else clientFinish(clientHalf(base).handshake, unhex(base.ephemeralSeed), input);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      seen = error.failure;
    }
    if (seen !== refused.expect) throw new Error(`${refused.name}: expected ${refused.expect}, the twin gives ${seen}`);
  }
}

function clientHalf(base: PairingCase, overrides: { relayPublicKey?: Bytes; ephemeralPublicKey?: Bytes } = {}) {
  return clientRequest({
    relayPublicKey: unhex(base.relayPublicKey),
    authority: base.authority,
    flags: base.flags,
    staticRandomness: unhex(base.staticRandomness),
    ephemeralSeed: unhex(base.ephemeralSeed),
    ...overrides,
  });
}

function requestToAnotherRelay(base: PairingCase): Bytes {
  const { request } = clientHalf(base, { relayPublicKey: publicKeyOf(identitySeed(SECRETS[1] as string)) });
  return join(request.subarray(0, 3), unhex(base.request).subarray(3, 11), request.subarray(11));
}

function requestWithEphemeral(base: PairingCase, spoil: (key: Bytes) => void): Bytes {
  const ephemeralPublicKey = publicKeyOf(unhex(base.ephemeralSeed));
  spoil(ephemeralPublicKey);
  return clientHalf(base, { ephemeralPublicKey }).request;
}

function replyWith(base: PairingCase, parameterBytes: Bytes): Bytes {
  return relayReply(unhex(base.relaySeed), unhex(base.request), unhex(base.ephemeralRandomness), parameterBytes).reply;
}
