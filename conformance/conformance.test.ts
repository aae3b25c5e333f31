// Every case of conformance/vectors against packages/protocol with each of its providers.
import { readdirSync, readFileSync } from 'node:fs';
import {
  acceptPairing,
  BhttpDecoder,
  type Bytes,
  type ClientKeys,
  decodeCancel,
  decodeCancelResult,
  decodeWhole,
  encodeCancel,
  encodeCancelResult,
  encodeContent,
  encodeEnd,
  encodeRequest,
  encodeRequestStart,
  encodeResponse,
  encodeResponseStart,
  type Fields,
  keyIdOf,
  ProtocolError,
  parseMessageHeader,
  parsePairingRequest,
  ReplayWindow,
  type RequestHead,
  RequestOpener,
  type ResponseHead,
  ResponseSealer,
  SealedExchange,
  type SyncSuite,
  startPairing,
} from '@mte-relay/protocol';
import { describe, expect, it } from 'vitest';
import { SymmetricState } from '../packages/protocol/src/noise.ts';
import { ClientIds } from '../packages/server/src/pairing/client-id.ts';
import { pinOf, relayIdentity } from '../packages/server/src/pairing/identity.ts';
import { type Provider, providers, syncProviders, withRandomness } from './fixed-suite.ts';
import {
  type BhttpCase,
  type BhttpRefusedCase,
  type IdentityVectors,
  type MessageCase,
  type MessageRefusedVectors,
  type MessageVectors,
  outputOf,
  type PairingCase,
  type Plaintext,
  plaintextBytes,
  type RefusedCase,
  refusedInputs,
  type WindowCase,
} from './format.ts';
import { generate } from './generate.ts';
import { decode as twinDecode } from './twin/bhttp.ts';
import { Refused } from './twin/refused.ts';

const vectorsUrl = new URL('vectors/', import.meta.url);
const load = <T>(name: string): T => JSON.parse(readFileSync(new URL(`${name}.json`, vectorsUrl), 'utf8'));

const identity = load<IdentityVectors>('identity');
const pairings = load<{ cases: PairingCase[] }>('pairing').cases;
const pairingsRefused = load<{ cases: RefusedCase[] }>('pairing-refused').cases;
const messages = load<MessageVectors>('messages');
const messagesRefused = load<MessageRefusedVectors>('messages-refused');
const bhttp = load<{ cases: BhttpCase[] }>('bhttp').cases;
const bhttpRefused = load<{ cases: BhttpRefusedCase[] }>('bhttp-refused').cases;
const windows = load<{ cases: WindowCase[] }>('replay-window').cases;

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const unhex = (digits: string): Bytes => Uint8Array.from(Buffer.from(digits, 'hex'));
const own = (bytes: Uint8Array): Bytes => new Uint8Array(bytes);

/** The ProtocolError code that this work ends with, or "accepted". Any other error fails the test. */
async function outcome(work: () => unknown): Promise<string> {
  try {
    await work();
    return 'accepted';
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return error.code;
  }
}

describe('the committed files', () => {
  const made = generate();

  it('are exactly what the generator makes', () => {
    expect(readdirSync(vectorsUrl).sort()).toEqual([...made.files.keys()].sort());
    for (const [name, content] of made.files) {
      // Not toEqual: a difference in a large file would take minutes to print.
      expect(readFileSync(new URL(name, vectorsUrl), 'utf8') === content, name).toBe(true);
    }
  });

  it('stay below 600 KB', () => {
    let bytes = 0;
    for (const content of made.files.values()) bytes += Buffer.byteLength(content);
    expect(bytes).toBeLessThan(600_000);
  });
});

describe.each(syncProviders)('identity, provider $suite.name', ({ suite, keyPair }) => {
  it.each(identity.identities)('$name', async ({ seed, publicKey, keyId, pin, clientIdSecret }) => {
    const pair = await keyPair(unhex(seed));
    expect(hex(pair.publicKey)).toBe(publicKey);
    expect(hex(await keyIdOf(suite, pair.publicKey))).toBe(keyId);
    expect(`sha256-${Buffer.from(await suite.hash(pair.publicKey)).toString('base64')}`).toBe(pin);
    const secret = own(new TextEncoder().encode(clientIdSecret));
    expect(hex(await hkdf(suite, secret, 'mte-relay/1 identity'))).toBe(seed);
  });

  it.each(identity.clientIds)('$name', async ({ clientIdSecret, id, expiryUnixMs, clientId, fieldValue }) => {
    const key = await hkdf(suite, own(new TextEncoder().encode(clientIdSecret)), 'mte-relay/1 client-id');
    const signed = Buffer.alloc(24);
    signed.set(unhex(id));
    signed.writeBigUInt64BE(BigInt(expiryUnixMs), 16);
    const made = Buffer.concat([signed, await suite.hmac(key, own(signed))]);
    expect(made.toString('hex')).toBe(clientId);
    expect(made.toString('base64url')).toBe(fieldValue);
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
      expect(ids.verify(fieldValue, expiryUnixMs - 1)).toBe(Buffer.from(id, 'hex').toString('base64url'));
      expect(ids.verify(fieldValue, expiryUnixMs)).toBeUndefined();
      expect(new ClientIds([`${clientIdSecret}!`]).verify(fieldValue, 0)).toBeUndefined();
    },
  );
});

/** RFC 5869 with an empty salt and one block of output, by the provider's own HMAC. */
async function hkdf(suite: SyncSuite, ikm: Bytes, info: string): Promise<Bytes> {
  const prk = await suite.hmac(new Uint8Array(32), ikm);
  return suite.hmac(prk, own(Buffer.concat([Buffer.from(info), Buffer.of(1)])));
}

describe.each(providers)('pairing, provider $suite.name', (provider) => {
  it.each(pairings)('client: $name', async (one) => {
    for (const reply of [one.reply, one.replyWithUnknownFields]) {
      const attempt = await start(provider, one);
      expect(hex(attempt.message)).toBe(one.request);
      const { parameters, secrets } = await attempt.finish(unhex(reply));
      expect({ ...parameters, sid: hex(parameters.sid), clientId: hex(parameters.clientId) }).toEqual(one.parameters);
      if (reply === one.reply) expectSecrets(secrets, one);
    }
  });

  it.each(pairings)('relay: $name', async (one) => {
    const { reply, secrets } = await accept(provider, one, unhex(one.request));
    expect(hex(reply)).toBe(one.reply);
    expectSecrets(secrets, one);
  });

  it.each(pairingsRefused)('refused by the $side: $name', async (refused) => {
    const base = pairings.find((one) => one.name === refused.base) as PairingCase;
    const bytes = unhex(refused.side === 'relay' ? base.request : base.reply);
    for (const input of refusedInputs(refused, bytes)) {
      const seen = await outcome(() =>
        refused.side === 'relay' ? accept(provider, base, own(input), false) : finish(provider, base, own(input)),
      );
      expect(seen).toBe(refused.expect);
    }
  });
});

describe.each(providers)('handshake hash behind every step of §4, provider $suite.name', (provider) => {
  it.each(pairings)('$name', async (one) => {
    const request = unhex(one.request);
    const relay = await relayKeyPair(provider, one);
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
    await step(state.mixHash(own(Buffer.concat([Buffer.from('mte-relay/1\0'), head]))));
    await step(state.mixHash(relay.publicKey));
    await step(state.writeSkem(suite.kem, relay.publicKey));
    await step(state.mixHash(ephemeral.publicKey));
    await step(state.encryptAndHash(new Uint8Array(0)));
    await step(state.writeEkem(suite.kem, ephemeral.publicKey));
    await step(state.encryptAndHash(unhex(one.parameterBytes)));
    // The engine mixes a ciphertext and its secret in one step.
    const within = ['static ciphertext', 'ephemeral ciphertext'];
    expect(seen).toEqual(one.trace.filter((traced) => !within.includes(traced.step)).map((traced) => traced.h));
    const [k1, k2] = await state.split();
    expect([hex(k1), hex(k2)]).toEqual([one.k1, one.k2]);
  });
});

function start(provider: Provider, one: PairingCase) {
  const suite = withRandomness(provider, {
    encapsulations: [unhex(one.staticRandomness)],
    seeds: [unhex(one.ephemeralSeed)],
  });
  return startPairing(suite, unhex(one.relayPublicKey), { authority: one.authority, flags: one.flags });
}

async function finish(provider: Provider, one: PairingCase, reply: Bytes): Promise<void> {
  const attempt = await start(provider, one);
  await attempt.finish(reply);
}

/** Failing inputs meet the provider's own encapsulation, since it is what refuses a bad key. */
async function accept(provider: Provider, one: PairingCase, request: Bytes, fixed = true) {
  const suite = fixed ? withRandomness(provider, { encapsulations: [unhex(one.ephemeralRandomness)] }) : provider.suite;
  const parsed = parsePairingRequest(request);
  const keyPair = await relayKeyPair(provider, one);
  const relay = { keyPair, keyId: await keyIdOf(suite, keyPair.publicKey) };
  const { sid, clientId, ...numbers } = one.parameters;
  return acceptPairing(suite, relay, parsed, () => ({ ...numbers, sid: unhex(sid), clientId: unhex(clientId) }));
}

const keyPairs = new Map<string, ReturnType<Provider['keyPair']>>();
function relayKeyPair(provider: Provider, one: PairingCase) {
  const key = `${provider.suite.name} ${one.relaySeed}`;
  const known = keyPairs.get(key) ?? provider.keyPair(unhex(one.relaySeed));
  keyPairs.set(key, known);
  return known;
}

function expectSecrets(secrets: { request: Bytes; response: Bytes; exporter: Bytes }, one: PairingCase): void {
  expect(hex(secrets.request)).toBe(one.requestSecret);
  expect(hex(secrets.response)).toBe(one.responseSecret);
  expect(hex(secrets.exporter)).toBe(one.exporter);
}

// A whole, bytes one by one, and a size that falls on no boundary.
const CUTS = [Number.MAX_SAFE_INTEGER, 1, 7];

function* cut(bytes: Bytes, size: number): Generator<Bytes> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function* cutLater(bytes: Bytes, size: number): AsyncGenerator<Bytes> {
  for (const piece of cut(bytes, size)) yield await Promise.resolve(piece);
}

const messageBase = (name: string) => messages.cases.find((one) => one.name === name) as MessageCase;
const joined = (plaintexts: Plaintext[]) => hex(Buffer.concat(plaintexts.map(plaintextBytes)));

describe.each(providers)('messages of a client, provider $suite.name', (provider) => {
  it.each(messages.cases)('seals: $name', async (one) => {
    const exchange = await begin(provider, one);
    expect(hex(exchange.header)).toBe(one.header);
    const parts: Bytes[] = [exchange.header];
    const last = one.requestPlaintexts.length - 1;
    for (const [i, plaintext] of one.requestPlaintexts.entries()) {
      const bytes = own(plaintextBytes(plaintext));
      parts.push(i === last ? await exchange.sealFinal(bytes) : await exchange.seal(bytes));
    }
    expect(outputOf(Buffer.concat(parts))).toEqual(one.request);
  });

  it.each(messages.cases.filter((one) => typeof one.response === 'string'))('opens the answer: $name', async (one) => {
    for (const size of CUTS) {
      const opened = await open(provider, one, unhex(one.response as string), size);
      expect(hex(Buffer.concat(opened))).toBe(joined(one.responsePlaintexts));
    }
  });

  it.each(messagesRefused.cases.filter((one) => one.side === 'client'))('refuses: $name', async (refused) => {
    const base = messageBase(refused.base);
    for (const input of refusedInputs(refused, unhex(base.response as string))) {
      for (const size of CUTS) {
        expect(await outcome(() => open(provider, base, own(input), size))).toBe(refused.expect);
      }
    }
  });
});

async function begin(provider: Provider, one: MessageCase): Promise<SealedExchange> {
  const suite = withRandomness(provider, { bytes: [unhex(one.nonce)] });
  const keys: ClientKeys = {
    sid: unhex(messages.session.sid),
    requestSecret: await suite.importExpandKey(unhex(messages.session.requestSecret)),
    responseSecret: await suite.importExpandKey(unhex(messages.session.responseSecret)),
  };
  return SealedExchange.begin(suite, keys, one.type, one.n);
}

async function open(provider: Provider, one: MessageCase, response: Bytes, size: number): Promise<Bytes[]> {
  const exchange = await begin(provider, one);
  const opened: Bytes[] = [];
  for await (const plaintext of exchange.openResponse(cutLater(response, size))) opened.push(plaintext);
  return opened;
}

describe.each(syncProviders)('messages of a relay, provider $suite.name', (provider) => {
  it.each(messages.cases.filter((one) => typeof one.request === 'string'))('opens: $name', (one) => {
    for (const size of CUTS) {
      const { header, opened } = openAtRelay(provider, unhex(one.request as string), size);
      expect({ type: header.type, n: header.n, sid: hex(header.sid) }).toEqual({
        type: one.type,
        n: one.n,
        sid: messages.session.sid,
      });
      expect(hex(Buffer.concat(opened))).toBe(joined(one.requestPlaintexts));
    }
  });

  it.each(messages.cases)('seals the answer: $name', (one) => {
    const suite = withRandomness(provider, { bytes: [unhex(one.responseNonce)] });
    const secret = suite.importExpandKey(unhex(messages.session.responseSecret));
    const sealer = new ResponseSealer(suite, secret, parseMessageHeader(unhex(one.header)));
    const last = one.responsePlaintexts.length - 1;
    const parts = one.responsePlaintexts.map((plaintext, i) => {
      const bytes = own(plaintextBytes(plaintext));
      return i === last ? sealer.sealFinal(bytes) : sealer.seal(bytes);
    });
    expect(outputOf(Buffer.concat(parts))).toEqual(one.response);
  });

  it.each(messagesRefused.cases.filter((one) => one.side === 'relay'))('refuses: $name', async (refused) => {
    for (const input of refusedInputs(refused, unhex(messageBase(refused.base).request as string))) {
      for (const size of CUTS) {
        expect(await outcome(() => openAtRelay(provider, own(input), size))).toBe(refused.expect);
      }
    }
  });
});

function openAtRelay({ suite }: Provider<SyncSuite>, message: Bytes, size: number) {
  const header = parseMessageHeader(message);
  const opener = new RequestOpener(suite.importExpandKey(unhex(messages.session.requestSecret)), header);
  const opened: Bytes[] = [];
  for (const piece of cut(message.subarray(header.bytes.length), size)) {
    opener.push(piece);
    for (let plaintext = opener.next(); plaintext; plaintext = opener.next()) opened.push(plaintext);
  }
  opened.push(opener.end());
  return { header, opened };
}

describe('single-bit changes', () => {
  const one = messageBase('several chunks each way');

  it.each(syncProviders)('of a request are all refused, provider $suite.name', async (provider) => {
    for (const changed of singleBitChanges(unhex(one.request as string))) {
      expect(await outcome(() => openAtRelay(provider, changed, changed.length))).not.toBe('accepted');
    }
  });

  it.each(providers)('of a response are all refused, provider $suite.name', async (provider) => {
    for (const changed of singleBitChanges(unhex(one.response as string))) {
      expect(await outcome(() => open(provider, one, changed, changed.length))).not.toBe('accepted');
    }
  });
});

function* singleBitChanges(bytes: Bytes): Generator<Bytes> {
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    yield bytes.map((byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
  }
}

describe('cancels', () => {
  it.each(messages.cancels)('$name', ({ n, plaintext, cancelled, claimed }) => {
    expect(hex(encodeCancel(n))).toBe(plaintext);
    expect(decodeCancel(unhex(plaintext))).toBe(n);
    expect(hex(encodeCancelResult(n, true))).toBe(cancelled);
    expect(hex(encodeCancelResult(n, false))).toBe(claimed);
    expect(decodeCancelResult(unhex(cancelled), n)).toBe(true);
    expect(decodeCancelResult(unhex(claimed), n)).toBe(false);
  });

  it.each(messagesRefused.cancels)('refuses: $name', async ({ side, n, plaintext, expect: code }) => {
    const bytes = unhex(plaintext);
    expect(await outcome(() => (side === 'relay' ? decodeCancel(bytes) : decodeCancelResult(bytes, n)))).toBe(code);
  });
});

describe('Binary HTTP', () => {
  it.each(bhttp.filter((one) => one.form !== 'decode'))('encodes: $name', (one) => {
    expect(hex(one.form === 'known' ? encodeKnown(one) : encodeStreamed(one))).toBe(one.encoded);
  });

  it.each(bhttp)('decodes: $name', (one) => {
    const expected = {
      head: one.kind === 'request' ? requestHead(one) : responseHead(one),
      content: one.content,
      trailers: one.trailers,
      informational: one.informational ?? [],
    };
    for (const size of CUTS) expect(decodeCut(one.kind, unhex(one.encoded), size)).toEqual(expected);
    const whole = decodeWhole(one.kind, unhex(one.encoded));
    expect({ ...whole, content: hex(whole.content) }).toEqual(expected);
  });

  it.each(bhttpRefused)('refuses: $name', async ({ kind, encoded, expect: code }) => {
    const bytes = unhex(encoded);
    for (const size of CUTS) expect(await outcome(() => decodeCut(kind, bytes, size))).toBe(code);
  });

  it('agrees with the twin about thousands of damaged messages', () => {
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
  const sources = bhttp.filter((one) => one.encoded.length < 600);
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
      else bytes = own(Buffer.concat([bytes.subarray(0, at), Buffer.of(random(70)), bytes.subarray(at)]));
    }
    yield { kind: source.kind, bytes };
  }
}

function requestHead(one: BhttpCase): RequestHead {
  const { method, scheme, authority, path, headers } = one as Required<BhttpCase>;
  return { method, scheme, authority, path, headers };
}

function responseHead(one: BhttpCase): ResponseHead {
  return { status: one.status as number, headers: one.headers };
}

function encodeKnown(one: BhttpCase): Bytes {
  const options = {
    trailers: one.trailers,
    padToMultipleBytes: one.padToMultiple ?? 0,
    informational: one.informational ?? [],
  };
  const content = unhex(one.content);
  return one.kind === 'request'
    ? encodeRequest(requestHead(one), content, options)
    : encodeResponse(responseHead(one), content, options);
}

function encodeStreamed(one: BhttpCase): Bytes {
  const content = unhex(one.content);
  let at = 0;
  const pieces = (one.pieces as number[]).map((length) => {
    at += length;
    return encodeContent(content.subarray(at - length, at));
  });
  const start =
    one.kind === 'request'
      ? encodeRequestStart(requestHead(one))
      : encodeResponseStart(responseHead(one), one.informational ?? []);
  return own(Buffer.concat([start, ...pieces, encodeEnd(one.trailers)]));
}

function decodeCut(kind: 'request' | 'response', bytes: Bytes, size: number) {
  const content: Bytes[] = [];
  const informational: ResponseHead[] = [];
  let head: RequestHead | ResponseHead | undefined;
  let trailers: Fields | undefined;
  const decoder: BhttpDecoder<RequestHead | ResponseHead> = new BhttpDecoder(kind, {
    onInformational: (response) => void informational.push(response),
    onHead: (decoded) => {
      head = decoded;
    },
    onContent: (piece) => void content.push(own(piece)),
    onEnd: (fields) => {
      trailers = fields;
    },
  });
  for (const piece of cut(bytes, size)) decoder.push(piece);
  decoder.end();
  return { head, content: hex(Buffer.concat(content)), trailers, informational };
}

describe('replay window', () => {
  it.each(windows)('$name', ({ claims }) => {
    const window = new ReplayWindow();
    expect(claims.map(([n]) => [n, window.claim(n)])).toEqual(claims);
  });
});
