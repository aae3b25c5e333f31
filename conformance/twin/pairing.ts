// SPEC §3 and §4: both sides of a pairing, straight down, with every intermediate value recorded.
import { type Bytes, Cursor, hex, join, NONE, text, textOf, uint } from './bytes.ts';
import { keyId } from './identity.ts';
import { expand, hash, mac, open, seal } from './primitives.ts';
import { require } from './refused.ts';
import { decapsulate, encapsulate, publicKeyOf } from './xwing.ts';

export interface Parameters {
  sid: Bytes;
  lifetimeMs: number;
  idleMs: number;
  messageLimit: number;
  window: number;
  requestBodyMaxBytes: number;
  storeEpochMs: number;
  storeAgeMs: number;
  lineage: Bytes;
  relayTimeMs: number;
  messageAgeMaxMs: number;
  padToBytes: number;
  clientId: Bytes;
  cookiesFromScript: string[];
}

export interface Secrets {
  request: Bytes;
  response: Bytes;
  exporter: Bytes;
}

/** h and ck behind one step of §3.2 or §3.4. */
export interface TraceStep {
  step: string;
  h: string;
  ck: string;
}

/** §4: HKDF of Noise with two or three outputs. */
function noiseHkdf(ck: Bytes, input: Bytes): [Bytes, Bytes, Bytes] {
  const temp = mac(ck, input);
  const first = mac(temp, Uint8Array.of(1));
  const second = mac(temp, join(first, Uint8Array.of(2)));
  const third = mac(temp, join(second, Uint8Array.of(3)));
  return [first, second, third];
}

/** §4: h, ck, k and the steps that change them; k's counter is 0 at each use, because every k seals once. */
class Handshake {
  h: Bytes;
  ck: Bytes;
  k: Bytes = NONE;
  readonly trace: TraceStep[] = [];

  constructor(head: Bytes, relayPublicKey: Bytes) {
    this.h = join(text('Noise_pqNK_Xwing_AESGCM_SHA256'), new Uint8Array(2));
    this.ck = this.h;
    this.#note('initialize');
    this.mixHash('prologue', join(text('mte-relay/1'), Uint8Array.of(0), head));
    this.mixHash('relay public key', relayPublicKey);
  }

  mixHash(step: string, data: Bytes): void {
    this.h = hash(join(this.h, data));
    this.#note(step);
  }

  mixKey(step: string, shared: Bytes): void {
    [this.ck, this.k] = noiseHkdf(this.ck, shared);
    this.#note(step);
  }

  mixKeyAndHash(step: string, shared: Bytes): void {
    const [ck, tempHash, k] = noiseHkdf(this.ck, shared);
    this.ck = ck;
    this.h = hash(join(this.h, tempHash));
    this.k = k;
    this.#note(step);
  }

  sealAndHash(step: string, plaintext: Bytes): Bytes {
    const sealed = seal(this.k, 0, this.h, plaintext);
    this.mixHash(step, sealed);
    return sealed;
  }

  openAndHash(step: string, sealed: Bytes): Bytes {
    const plaintext = open(this.k, 0, this.h, sealed);
    this.mixHash(step, sealed);
    return plaintext;
  }

  /** §4: Split, then the session secrets. */
  finish(): { k1: Bytes; k2: Bytes; secrets: Secrets } {
    const [k1, k2] = noiseHkdf(this.ck, NONE);
    const derive = (key: Bytes, purpose: string) =>
      expand(key, join(text(`mte-relay/1 ${purpose}`), Uint8Array.of(0), this.h));
    return {
      k1,
      k2,
      secrets: { request: derive(k1, 'request'), response: derive(k2, 'response'), exporter: derive(k1, 'exporter') },
    };
  }

  #note(step: string): void {
    this.trace.push({ step, h: hex(this.h), ck: hex(this.ck) });
  }
}

export interface ClientInput {
  relayPublicKey: Bytes;
  authority: string;
  flags: number;
  staticRandomness: Bytes; // 64
  ephemeralSeed: Bytes; // 32
  /** Sent instead of the seed's own key: for requests that are sealed well and still wrong. */
  ephemeralPublicKey?: Bytes;
}

/** §3.2: the client's request. */
export function clientRequest(input: ClientInput) {
  const { relayPublicKey, authority, flags, staticRandomness, ephemeralSeed } = input;
  const name = text(authority);
  const head = join(uint(2, 1), keyId(relayPublicKey), uint(1, name.length), name, uint(4, flags));
  const handshake = new Handshake(head, relayPublicKey);
  const { ciphertext, shared } = encapsulate(relayPublicKey, staticRandomness);
  handshake.mixHash('static ciphertext', ciphertext);
  handshake.mixKeyAndHash('static shared secret', shared);
  const ephemeralPublicKey = input.ephemeralPublicKey ?? publicKeyOf(ephemeralSeed);
  handshake.mixHash('ephemeral public key', ephemeralPublicKey);
  const tag = handshake.sealAndHash('request tag', NONE);
  return { request: join(uint(1, 1), head, ciphertext, ephemeralPublicKey, tag), handshake };
}

/** §3.2, §3.4: the relay's response to these bytes. */
export function relayReply(seed: Bytes, request: Bytes, ephemeralRandomness: Bytes, parameters: Bytes) {
  const cursor = new Cursor(request);
  require(cursor.uint(1) === 1, 'version-unsupported');
  const headStart = cursor.at;
  require(cursor.uint(2) === 1, 'suite-unsupported');
  const named = cursor.take(8);
  const authority = textOf(cursor.take(cursor.uint(1)));
  require(/^[!-~]+$/.test(authority), 'malformed');
  const flags = cursor.uint(4);
  const head = request.subarray(headStart, cursor.at);
  const staticCiphertext = cursor.take(1120);
  const ephemeralPublicKey = cursor.take(1216);
  const tag = cursor.take(16);
  require(cursor.left === 0, 'malformed');
  const relayPublicKey = publicKeyOf(seed);
  require(hex(named) === hex(keyId(relayPublicKey)), 'key-unknown');

  const handshake = new Handshake(head, relayPublicKey);
  handshake.mixHash('static ciphertext', staticCiphertext);
  handshake.mixKeyAndHash('static shared secret', decapsulate(seed, staticCiphertext));
  handshake.mixHash('ephemeral public key', ephemeralPublicKey);
  handshake.openAndHash('request tag', tag);
  const { ciphertext, shared } = encapsulate(ephemeralPublicKey, ephemeralRandomness);
  handshake.mixHash('ephemeral ciphertext', ciphertext);
  handshake.mixKey('ephemeral shared secret', shared);
  const sealed = handshake.sealAndHash('sealed parameters', parameters);
  return { reply: join(ciphertext, sealed), authority, flags, ...handshake.finish() };
}

/** §3.4: the client opens the response. */
export function clientFinish(handshake: Handshake, ephemeralSeed: Bytes, reply: Bytes) {
  const cursor = new Cursor(reply);
  const ciphertext = cursor.take(1120);
  require(cursor.left >= 16, 'truncated');
  handshake.mixHash('ephemeral ciphertext', ciphertext);
  handshake.mixKey('ephemeral shared secret', decapsulate(ephemeralSeed, ciphertext));
  const parameters = decodeParameters(handshake.openAndHash('sealed parameters', cursor.rest()));
  return { parameters, trace: handshake.trace, ...handshake.finish() };
}

/** §3.4 */
export function encodeParameters(parameters: Parameters): Bytes {
  return join(
    parameters.sid,
    uint(4, parameters.lifetimeMs),
    uint(4, parameters.idleMs),
    uint(8, parameters.messageLimit),
    uint(2, parameters.window),
    uint(8, parameters.requestBodyMaxBytes),
    uint(8, parameters.storeEpochMs),
    uint(8, parameters.storeAgeMs),
    parameters.lineage,
    uint(8, parameters.relayTimeMs),
    uint(4, parameters.messageAgeMaxMs),
    uint(2, parameters.padToBytes),
    uint(1, parameters.clientId.length),
    parameters.clientId,
    uint(2, parameters.cookiesFromScript.join(',').length),
    text(parameters.cookiesFromScript.join(',')),
  );
}

function decodeParameters(bytes: Bytes): Parameters {
  const cursor = new Cursor(bytes);
  return {
    sid: cursor.take(16),
    lifetimeMs: cursor.uint(4),
    idleMs: cursor.uint(4),
    messageLimit: cursor.uint(8),
    window: cursor.uint(2),
    requestBodyMaxBytes: cursor.uint(8),
    storeEpochMs: cursor.uint(8),
    storeAgeMs: cursor.uint(8),
    lineage: cursor.take(16),
    relayTimeMs: cursor.uint(8),
    messageAgeMaxMs: cursor.uint(4),
    padToBytes: cursor.uint(2),
    clientId: cursor.take(cursor.uint(1)),
    cookiesFromScript: textOf(cursor.take(cursor.uint(2)))
      .split(',')
      .filter((name) => name !== ''),
  };
}
