// The signed client id (SPEC §3.5): id 16 ‖ expiry 8 ‖ HMAC-SHA256 32. It identifies a client across sessions in logs
// and hooks, and cookie records open for it alone; it grants nothing else.
import { createHmac, createSecretKey, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto';
import { type Bytes, concatBytes } from '@mte-relay/protocol';
import { CLIENT_ID_LIFETIME_MS, CLIENT_ID_RENEWED_AFTER_MS } from '../limits/fixed.ts';
import { deriveFromSecret } from './derive.ts';

const ID_BYTES = 16;
const SIGNED_BYTES = ID_BYTES + 8;
const TOKEN_BYTES = SIGNED_BYTES + 32;

/** Issues client ids under the newest secret and verifies them under every secret. */
export class ClientIds {
  readonly #keys: readonly KeyObject[];

  /** @param secrets CLIENT_ID_SECRET, newest first. */
  constructor(secrets: readonly string[]) {
    this.#keys = secrets.map((secret) => createSecretKey(deriveFromSecret(secret, 'mte-relay/1 client-id')));
  }

  /** A new id, and the token that proves the relay issued it. */
  issue(nowMs: number): { id: string; token: Bytes } {
    const id = randomBytes(ID_BYTES);
    return { id: idText(id), token: this.#token(id, nowMs) };
  }

  /**
   * The id in a token of the field `mte-relay-client-id` (base64url); undefined if it is forged or expired.
   * `renewed` is a token of the same id, in base64url, if this one is old.
   */
  verify(field: string, nowMs: number): { id: string; renewed: string | undefined } | undefined {
    const token = Buffer.from(field, 'base64url');
    if (token.length !== TOKEN_BYTES) return undefined;
    const signed = token.subarray(0, SIGNED_BYTES);
    const mac = token.subarray(SIGNED_BYTES);
    const signedBy = this.#keys.findIndex((key) => timingSafeEqual(sign(key, signed), mac));
    const leftMs = Number(signed.readBigUInt64BE(ID_BYTES)) - nowMs;
    if (signedBy < 0 || leftMs <= 0) return undefined;
    const isOld = signedBy > 0 || leftMs < CLIENT_ID_LIFETIME_MS - CLIENT_ID_RENEWED_AFTER_MS;
    const renewed = isOld
      ? Buffer.from(this.#token(signed.subarray(0, ID_BYTES), nowMs)).toString('base64url')
      : undefined;
    return { id: idText(signed), renewed };
  }

  #token(id: Uint8Array, nowMs: number): Bytes {
    const signed = Buffer.alloc(SIGNED_BYTES);
    signed.set(id);
    signed.writeBigUInt64BE(BigInt(nowMs + CLIENT_ID_LIFETIME_MS), ID_BYTES);
    const [newest] = this.#keys as [KeyObject];
    return concatBytes([signed, sign(newest, signed)]);
  }
}

function sign(key: KeyObject, signed: Uint8Array): Buffer {
  return createHmac('sha256', key).update(signed).digest();
}

function idText(signed: Buffer): string {
  return signed.toString('base64url', 0, ID_BYTES);
}
