// Every derivation of the protocol, one formula each (SPEC §4). A change also needs SPEC, vectors and model changed.
import { PROTOCOL_LABEL, SECRET_BYTES } from './constants.ts';
import type { Aead, Awaitable, ExpandKey, NoisePrimitives, SyncAead, SyncExpandKey } from './suite.ts';
import { asciiBytes, type Bytes, concatBytes, copyBytes } from './wire.ts';

const BYTE_0: Bytes = Uint8Array.of(0);
const BYTE_1: Bytes = Uint8Array.of(1);
const REQUEST_LABEL: Bytes = asciiBytes('req');
const RESPONSE_LABEL: Bytes = asciiBytes('res');
const WEBSOCKET_REQUEST_LABEL: Bytes = asciiBytes('ws req');
const WEBSOCKET_RESPONSE_LABEL: Bytes = asciiBytes('ws res');

/** The secrets of a pairing, 32 bytes each. The owner erases them. */
export interface SessionSecrets {
  /** Seals requests, client to relay. */
  readonly request: Bytes;
  /** Seals responses, relay to client. */
  readonly response: Bytes;
  /** Channel binding: equal on both sides, secret to others. The protocol's derivations do not use it. */
  readonly exporter: Bytes;
}

/**
 * The session secrets from Noise's Split and the final handshake hash. Erases both transport keys.
 *
 *     request  = HKDF-Expand(k1, "mte-relay/1 request"  ‖ 0 ‖ h, 32)
 *     response = HKDF-Expand(k2, "mte-relay/1 response" ‖ 0 ‖ h, 32)
 *     exporter = HKDF-Expand(k1, "mte-relay/1 exporter" ‖ 0 ‖ h, 32)
 */
export async function deriveSessionSecrets(
  primitives: NoisePrimitives,
  clientToRelay: Bytes,
  relayToClient: Bytes,
  handshakeHash: Bytes,
): Promise<SessionSecrets> {
  const expand = async (key: Bytes, purpose: string): Promise<Bytes> =>
    hkdfExpandBlock(primitives, key, concatBytes([asciiBytes(`${PROTOCOL_LABEL} ${purpose}`), BYTE_0, handshakeHash]));
  const secrets = {
    request: await expand(clientToRelay, 'request'),
    response: await expand(relayToClient, 'response'),
    exporter: await expand(clientToRelay, 'exporter'),
  };
  clientToRelay.fill(0);
  relayToClient.fill(0);
  return secrets;
}

/** HKDF-Expand(key, info, 32) over SHA-256, which is one block: HMAC(key, info ‖ 0x01) (RFC 5869 §2.3). */
async function hkdfExpandBlock(primitives: NoisePrimitives, key: Bytes, info: Bytes): Promise<Bytes> {
  const block = await primitives.hmac(key, concatBytes([info, BYTE_1]));
  return copyBytes(block.subarray(0, SECRET_BYTES));
}

/** request key = HKDF-Expand(request secret, "req" ‖ header, 32) */
export function requestKey(secret: SyncExpandKey, header: Bytes): SyncAead;
export function requestKey(secret: ExpandKey, header: Bytes): Awaitable<Aead>;
export function requestKey(secret: ExpandKey, header: Bytes): Awaitable<Aead> {
  return secret.expandAead(concatBytes([REQUEST_LABEL, header]));
}

/** response key = HKDF-Expand(response secret, "res" ‖ header ‖ response nonce, 32) */
export function responseKey(secret: SyncExpandKey, header: Bytes, responseNonce: Bytes): SyncAead;
export function responseKey(secret: ExpandKey, header: Bytes, responseNonce: Bytes): Awaitable<Aead>;
export function responseKey(secret: ExpandKey, header: Bytes, responseNonce: Bytes): Awaitable<Aead> {
  return secret.expandAead(concatBytes([RESPONSE_LABEL, header, responseNonce]));
}

/**
 * WebSocket request key = HKDF-Expand(request secret, "ws req" ‖ header ‖ response nonce, 32). It includes the relay's nonce,
 * so the frames of a recorded WebSocket do not open in another one, even if the claim of its number was lost.
 */
export function webSocketRequestKey(secret: SyncExpandKey, header: Bytes, responseNonce: Bytes): SyncAead;
export function webSocketRequestKey(secret: ExpandKey, header: Bytes, responseNonce: Bytes): Awaitable<Aead>;
export function webSocketRequestKey(secret: ExpandKey, header: Bytes, responseNonce: Bytes): Awaitable<Aead> {
  return secret.expandAead(concatBytes([WEBSOCKET_REQUEST_LABEL, header, responseNonce]));
}

/** WebSocket response key = HKDF-Expand(response secret, "ws res" ‖ header ‖ response nonce, 32) */
export function webSocketResponseKey(secret: SyncExpandKey, header: Bytes, responseNonce: Bytes): SyncAead;
export function webSocketResponseKey(secret: ExpandKey, header: Bytes, responseNonce: Bytes): Awaitable<Aead>;
export function webSocketResponseKey(secret: ExpandKey, header: Bytes, responseNonce: Bytes): Awaitable<Aead> {
  return secret.expandAead(concatBytes([WEBSOCKET_RESPONSE_LABEL, header, responseNonce]));
}
