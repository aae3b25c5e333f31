// The pairing, Noise_pqNK with X-Wing, in one round trip (SPEC §3). Client and relay follow the order of the messages:
// start (client) → parse, accept (relay) → finish (client).
import {
  AEAD_TAG_BYTES,
  AUTHORITY_MAX_BYTES,
  KEM_CIPHERTEXT_BYTES,
  KEM_PUBLIC_KEY_BYTES,
  KEY_ID_BYTES,
  LINEAGE_BYTES,
  NOISE_PROTOCOL_NAME,
  PROTOCOL_LABEL,
  PROTOCOL_VERSION,
  SESSION_ID_BYTES,
  SUITE_ID,
} from './constants.ts';
import { ProtocolError } from './errors.ts';
import { deriveSessionSecrets, type SessionSecrets } from './key-schedule.ts';
import { readEkem, readSkem, SymmetricState, writeEkem, writeSkem } from './noise.ts';
import type { Awaitable, KemKeyPair, Suite } from './suite.ts';
import {
  asciiBytes,
  ByteReader,
  type Bytes,
  concatBytes,
  copyBytes,
  emptyBytes,
  equalBytes,
  writeUint,
} from './wire.ts';

/** The parameters that the relay sends in the handshake, sealed (SPEC §3.4). Durations, so that clocks need not agree. */
export interface SessionParameters {
  /** Session id, 16 random bytes. */
  readonly sid: Bytes;
  /** Lifetime of the session from now, ms. */
  readonly lifetimeMs: number;
  /** Lifetime without a message, ms. */
  readonly idleMs: number;
  /** Message numbers run from 0 to this, exclusive. */
  readonly messageLimit: number;
  /** Replay window W in messages. */
  readonly window: number;
  /** Largest inner request body that the relay forwards. */
  readonly requestBodyMaxBytes: number;
  /** Start of the relay's session store in its present form, Unix time, ms. A larger value means a newer store. */
  readonly storeEpochMs: number;
  /** Age of the store by its own clock, ms. */
  readonly storeAgeMs: number;
  /** Names the store's line of claims, 16 bytes; zeros: its claims can be lost while its sessions stay (SPEC §7). */
  readonly lineage: Bytes;
  /** The relay's time when it made the reply, ms since 1970 (SPEC §7). */
  readonly relayTimeMs: number;
  /** The relay refuses a request that is older than this, ms. */
  readonly messageAgeMaxMs: number;
  /** Requests are padded to a multiple of this many bytes; 0: not at all (SPEC §5.5). */
  readonly padToBytes: number;
  /** The client's signed identity, opaque to the client (SPEC §3.5). It is always sent sealed. */
  readonly clientId: Bytes;
  /** Names of cookies that script sets and the upstream expects (SPEC §9.4). */
  readonly cookiesFromScript: readonly string[];
}

/** The relay's static key pair and its key id. */
export interface RelayIdentity {
  readonly keyPair: KemKeyPair;
  readonly keyId: Bytes;
}

/** Key id of a public key: the first 8 bytes of its SHA-256. */
export async function keyIdOf(suite: Suite, publicKey: Bytes): Promise<Bytes> {
  return copyBytes((await suite.hash(publicKey)).subarray(0, KEY_ID_BYTES));
}

// The client's unsealed bytes before those of the handshake.
interface PairingHead {
  readonly keyId: Bytes;
  readonly authority: string;
  readonly flags: number;
}

/** A started pairing. {@link PairingAttempt.finish} works once. */
export interface PairingAttempt {
  /** The body of the pairing request. */
  readonly message: Bytes;
  /**
   * Opens the relay's response.
   * @throws ProtocolError `unopenable` unless the holder of the relay's key made the response for this request;
   *   `truncated`, `malformed`; `misuse` at a second call.
   */
  finish(reply: Bytes): Promise<{ parameters: SessionParameters; secrets: SessionSecrets }>;
}

/**
 * Client: starts a pairing with the relay that has this public key.
 * @param options.authority host and optional port that the client addresses, as in the relay's URL.
 * @param options.flags feature flags, 32 bits ({@link FLAG_COOKIE_RECORDS}); bound by the handshake.
 */
export async function startPairing(
  suite: Suite,
  relayPublicKey: Bytes,
  options: { authority: string; flags?: number },
): Promise<PairingAttempt> {
  if (relayPublicKey.length !== KEM_PUBLIC_KEY_BYTES) {
    throw new ProtocolError(
      'malformed',
      `relay public key expected ${KEM_PUBLIC_KEY_BYTES} bytes, got ${relayPublicKey.length}`,
    );
  }
  const head = encodeHead({
    keyId: await keyIdOf(suite, relayPublicKey),
    authority: options.authority,
    flags: options.flags ?? 0,
  });
  const state = await beginHandshake(suite, head, relayPublicKey);
  const staticCiphertext = await writeSkem(state, suite.kem, relayPublicKey);
  const ephemeral = await suite.kem.generateKeyPair();
  await state.mixHash(ephemeral.publicKey);
  const tag = await state.encryptAndHash(emptyBytes());

  let finished = false;
  return {
    message: concatBytes([Uint8Array.of(PROTOCOL_VERSION), head, staticCiphertext, ephemeral.publicKey, tag]),
    async finish(reply) {
      if (finished) throw new ProtocolError('misuse', 'a pairing finishes once');
      finished = true;
      const reader = new ByteReader(reply, 'pairing response');
      await readEkem(state, ephemeral, reader.take(KEM_CIPHERTEXT_BYTES));
      const sealedParameters = reader.rest();
      if (sealedParameters.length < AEAD_TAG_BYTES) {
        throw new ProtocolError('truncated', `pairing response ended at byte ${reply.length}`);
      }
      const parameters = decodeParameters(await state.decryptAndHash(sealedParameters));
      return { parameters, secrets: await finishHandshake(suite, state) };
    },
  };
}

/** A parsed pairing request, not yet opened. */
export interface PairingRequest extends PairingHead {
  readonly head: Bytes;
  readonly staticCiphertext: Bytes;
  readonly ephemeralPublicKey: Bytes;
  readonly tag: Bytes;
}

/**
 * Relay: parses a pairing request, so that the relay can check key id and authority before it does any cryptography.
 * @throws ProtocolError `version-unsupported`, `suite-unsupported`, `truncated`, `malformed`.
 */
export function parsePairingRequest(message: Bytes): PairingRequest {
  const reader = new ByteReader(message, 'pairing request');
  const version = reader.uint(1);
  if (version !== PROTOCOL_VERSION) {
    throw new ProtocolError('version-unsupported', `protocol version ${version}, expected ${PROTOCOL_VERSION}`);
  }
  const headStart = reader.position;
  const suiteId = reader.uint(2);
  if (suiteId !== SUITE_ID) throw new ProtocolError('suite-unsupported', `suite ${suiteId}, expected ${SUITE_ID}`);
  const keyId = reader.take(KEY_ID_BYTES);
  const authority = decodeAuthority(reader.take(reader.uint(1)));
  const flags = reader.uint(4);
  const head = message.subarray(headStart, reader.position);
  const request = {
    head,
    keyId,
    authority,
    flags,
    staticCiphertext: reader.take(KEM_CIPHERTEXT_BYTES),
    ephemeralPublicKey: reader.take(KEM_PUBLIC_KEY_BYTES),
    tag: reader.take(AEAD_TAG_BYTES),
  };
  reader.end();
  return request;
}

/**
 * Relay: opens a pairing request and makes the response.
 * @param makeParameters makes the session's parameters; called once the request's tag has verified.
 * @throws ProtocolError `key-unknown` when the request names another key; `unopenable`; `malformed`.
 */
export async function acceptPairing<P extends SessionParameters>(
  suite: Suite,
  identity: RelayIdentity,
  request: PairingRequest,
  makeParameters: () => Awaitable<P>,
): Promise<{ reply: Bytes; parameters: P; secrets: SessionSecrets }> {
  if (!equalBytes(request.keyId, identity.keyId)) {
    throw new ProtocolError('key-unknown', 'the pairing request names a key that this relay does not hold');
  }
  const state = await beginHandshake(suite, request.head, identity.keyPair.publicKey);
  await readSkem(state, identity.keyPair, request.staticCiphertext);
  await state.mixHash(request.ephemeralPublicKey);
  await state.decryptAndHash(request.tag);
  const ephemeralCiphertext = await writeEkem(state, suite.kem, request.ephemeralPublicKey);
  const parameters = await makeParameters();
  const sealedParameters = await state.encryptAndHash(encodeParameters(parameters));
  return {
    reply: concatBytes([ephemeralCiphertext, sealedParameters]),
    parameters,
    secrets: await finishHandshake(suite, state),
  };
}

/** Prologue "mte-relay/1" ‖ 0 ‖ head, then the relay's static key as the pre-message of pattern NK. */
async function beginHandshake(suite: Suite, head: Bytes, relayPublicKey: Bytes): Promise<SymmetricState> {
  const state = await SymmetricState.initialize(suite, NOISE_PROTOCOL_NAME);
  await state.mixHash(concatBytes([asciiBytes(PROTOCOL_LABEL), Uint8Array.of(0), head]));
  await state.mixHash(relayPublicKey);
  return state;
}

async function finishHandshake(suite: Suite, state: SymmetricState): Promise<SessionSecrets> {
  const handshakeHash = state.handshakeHash;
  const [clientToRelay, relayToClient] = await state.split();
  return deriveSessionSecrets(suite, clientToRelay, relayToClient, handshakeHash);
}

/** suite 2 ‖ key id 8 ‖ authority length 1 ‖ authority ‖ flags 4 */
function encodeHead(head: PairingHead): Bytes {
  const authority = asciiBytes(head.authority);
  if (authority.length === 0 || authority.length > AUTHORITY_MAX_BYTES) {
    throw new ProtocolError(
      'malformed',
      `authority expected 1 to ${AUTHORITY_MAX_BYTES} bytes, got ${authority.length}`,
    );
  }
  const bytes = new Uint8Array(2 + KEY_ID_BYTES + 1 + authority.length + 4);
  writeUint(bytes, 0, 2, SUITE_ID);
  bytes.set(head.keyId, 2);
  bytes[2 + KEY_ID_BYTES] = authority.length;
  bytes.set(authority, 2 + KEY_ID_BYTES + 1);
  writeUint(bytes, bytes.length - 4, 4, head.flags);
  return bytes;
}

/** The authority: printable ASCII without space, at least one byte. The relay checks its meaning. */
function decodeAuthority(bytes: Bytes): string {
  const authority = String.fromCharCode(...bytes);
  if (!/^[\x21-\x7e]+$/.test(authority)) {
    throw new ProtocolError('malformed', 'authority is empty or not printable ASCII');
  }
  return authority;
}

const PARAMETERS_BYTES = SESSION_ID_BYTES + 4 + 4 + 8 + 2 + 8 + 8 + 8 + LINEAGE_BYTES + 8 + 4 + 2 + 1;

/**
 * sid 16 ‖ lifetime 4 ‖ idle 4 ‖ message limit 8 ‖ window 2 ‖ body 8 ‖ epoch 8 ‖ age 8 ‖ lineage 16 ‖ relay time 8 ‖
 * message age 4 ‖ pad to 2 ‖ client id length 1 ‖ client id ‖ cookies from script length 2 ‖ cookies from script
 */
function encodeParameters(parameters: SessionParameters): Bytes {
  const { sid, clientId, lineage } = parameters;
  if (sid.length !== SESSION_ID_BYTES || lineage.length !== LINEAGE_BYTES) {
    throw new ProtocolError(
      'misuse',
      `sid and lineage expected 16 bytes each, got ${sid.length} and ${lineage.length}`,
    );
  }
  const names = asciiBytes(parameters.cookiesFromScript.join(','));
  const bytes = new Uint8Array(PARAMETERS_BYTES + clientId.length + 2 + names.length);
  let at = 0;
  const put = (size: number, value: number): void => {
    writeUint(bytes, at, size, value);
    at += size;
  };
  const putBytes = (value: Bytes): void => {
    bytes.set(value, at);
    at += value.length;
  };
  putBytes(sid);
  put(4, parameters.lifetimeMs);
  put(4, parameters.idleMs);
  put(8, parameters.messageLimit);
  put(2, parameters.window);
  put(8, parameters.requestBodyMaxBytes);
  put(8, parameters.storeEpochMs);
  put(8, parameters.storeAgeMs);
  putBytes(lineage);
  put(8, parameters.relayTimeMs);
  put(4, parameters.messageAgeMaxMs);
  put(2, parameters.padToBytes);
  put(1, clientId.length);
  putBytes(clientId);
  put(2, names.length);
  putBytes(names);
  return bytes;
}

/** Ignores bytes after the known fields: they are authenticated, and a later minor revision may add fields. */
function decodeParameters(bytes: Bytes): SessionParameters {
  const reader = new ByteReader(bytes, 'session parameters');
  return {
    sid: reader.take(SESSION_ID_BYTES),
    lifetimeMs: reader.uint(4),
    idleMs: reader.uint(4),
    messageLimit: reader.uint(8),
    window: reader.uint(2),
    requestBodyMaxBytes: reader.uint(8),
    storeEpochMs: reader.uint(8),
    storeAgeMs: reader.uint(8),
    lineage: reader.take(LINEAGE_BYTES),
    relayTimeMs: reader.uint(8),
    messageAgeMaxMs: reader.uint(4),
    padToBytes: reader.uint(2),
    clientId: reader.take(reader.uint(1)),
    cookiesFromScript: decodeNames(reader.take(reader.uint(2))),
  };
}

/** Names joined by commas, which the name of a cookie does not contain. */
function decodeNames(bytes: Bytes): string[] {
  return bytes.length === 0 ? [] : String.fromCharCode(...bytes).split(',');
}
