// Cookie records: cookies of the upstream that a browser keeps for the relay without being able to open them (SPEC §9.4).
import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import { asciiBytes, type Bytes, concatBytes, type SyncExpandKey, type SyncSuite } from '@mte-relay/protocol';
import type { Cookie, SameSite } from '../http/cookie.ts';
import { COOKIE_MAX_BYTES, COOKIE_PATH_MAX_BYTES } from '../limits/fixed.ts';
import { deriveFromSecret } from './derive.ts';
import type { JarKeys, JarLife } from './jar-keys.ts';

const NONCE_BYTES = 16;
const SEALED_AT = 1 + NONCE_BYTES;
const TAG_BYTES = 16;
const NUMBERS_BYTES = 1 + 8 + 8;
const ID_BYTES = 12;
const LABEL: Bytes = asciiBytes('cookie');

/** Characters of the shortest record in base64url: numbers and lengths alone. */
export const RECORD_MIN_CHARACTERS: number = charactersOf(SEALED_AT + NUMBERS_BYTES + 5 + TAG_BYTES);
/** Characters of the longest record. */
export const RECORD_MAX_CHARACTERS: number = charactersOf(
  SEALED_AT + NUMBERS_BYTES + 5 + COOKIE_MAX_BYTES + 255 + COOKIE_PATH_MAX_BYTES + TAG_BYTES,
);
const RECORD = /^[\w-]+$/;

const HTTP_ONLY = 1;
const SECURE = 2;
const HOST_ONLY = 4;
const PARTITIONED = 8;
const SAME_SITES: readonly SameSite[] = ['', 'none', 'lax', 'strict'];
const SAME_SITE_SHIFT = 4;
const FLAGS: number = HTTP_ONLY | SECURE | HOST_ONLY | PARTITIONED | (3 << SAME_SITE_SHIFT);

/** An opened record. */
export interface OpenedRecord {
  readonly cookie: Cookie;
  /** True if it was sealed under an old secret. */
  readonly isOld: boolean;
}

/** Seals records under the newest secret and opens those of every secret. */
export class CookieRecords {
  readonly #suite: SyncSuite;
  readonly #secrets: readonly SyncExpandKey[];
  readonly #idKeys: readonly KeyObject[];

  /** @param secrets CLIENT_ID_SECRET, newest first. */
  constructor(suite: SyncSuite, secrets: readonly string[]) {
    this.#suite = suite;
    this.#secrets = secrets.map((secret) => suite.importExpandKey(deriveFromSecret(secret, 'mte-relay/1 cookie')));
    this.#idKeys = secrets.map((secret) => createSecretKey(deriveFromSecret(secret, 'mte-relay/1 cookie id')));
  }

  /** The jar key that a cookie is sealed beside. */
  static lifeOf({ expiresMs }: Cookie): JarLife {
    return expiresMs === 0 ? 'session' : 'kept';
  }

  /** @param clientId the id, in base64url. @param jar the digest of the jar key of {@link CookieRecords.lifeOf}. */
  seal(cookie: Cookie, clientId: string, jar: Bytes): string {
    const [newest] = this.#secrets as [SyncExpandKey];
    const kept = CookieRecords.lifeOf(cookie) === 'kept' ? 1 : 0;
    const nonce = this.#suite.randomBytes(NONCE_BYTES);
    const aead = newest.expandAead(infoOf(kept, nonce, clientId, jar));
    const sealed = aead.seal(this.#suite.aeadNonce(0), NO_DATA, encode(cookie));
    return Buffer.concat([Uint8Array.of(kept), nonce, sealed]).toString('base64url');
  }

  /** The cookie of a record; undefined if it does not open for this client beside these jar keys. */
  open(record: string, clientId: string, jars: JarKeys): OpenedRecord | undefined {
    if (!RECORD.test(record)) return undefined;
    const bytes = new Uint8Array(Buffer.from(record, 'base64url'));
    const kept = bytes[0] as number;
    const jar = kept > 1 ? undefined : jars[kept === 1 ? 'kept' : 'session'];
    if (!jar) return undefined;
    const info = infoOf(kept, bytes.subarray(1, SEALED_AT), clientId, jar.digest);
    for (const [at, secret] of this.#secrets.entries()) {
      try {
        const plain = secret.expandAead(info).open(this.#suite.aeadNonce(0), NO_DATA, bytes.subarray(SEALED_AT));
        return { cookie: decode(plain), isOld: at > 0 };
      } catch {
        // sealed under another secret, or not by this relay, or no cookie
      }
    }
    return undefined;
  }

  /** The ids under which a client may keep this cookie: that of the newest secret first. */
  idsOf({ name, domain, path, isHostOnly, isPartitioned }: Cookie, clientId: string): [string, ...string[]] {
    const named = Buffer.concat([
      Buffer.from(clientId, 'base64url'),
      Uint8Array.of((isHostOnly ? HOST_ONLY : 0) | (isPartitioned ? PARTITIONED : 0)),
      lengthed(2, name),
      lengthed(1, domain),
      Buffer.from(path, 'latin1'),
    ]);
    return this.#idKeys.map((key) =>
      createHmac('sha256', key).update(named).digest().toString('base64url', 0, ID_BYTES),
    ) as [string, ...string[]];
  }
}

const NO_DATA: Bytes = new Uint8Array(0);

/** Every part has a fixed length, so that two different records never have one key. */
function infoOf(kept: number, nonce: Bytes, clientId: string, jar: Bytes): Bytes {
  return concatBytes([LABEL, Uint8Array.of(kept), nonce, new Uint8Array(Buffer.from(clientId, 'base64url')), jar]);
}

function encode(cookie: Cookie): Bytes {
  const numbers = Buffer.alloc(NUMBERS_BYTES);
  const { isHttpOnly, isSecure, isHostOnly, isPartitioned, sameSite } = cookie;
  numbers[0] =
    (isHttpOnly ? HTTP_ONLY : 0) |
    (isSecure ? SECURE : 0) |
    (isHostOnly ? HOST_ONLY : 0) |
    (isPartitioned ? PARTITIONED : 0) |
    (SAME_SITES.indexOf(sameSite) << SAME_SITE_SHIFT);
  numbers.writeBigUInt64BE(BigInt(cookie.createdUs), 1);
  numbers.writeBigUInt64BE(BigInt(cookie.expiresMs), 9);
  const { name, value, domain, path } = cookie;
  const parts = [numbers, lengthed(2, name), lengthed(2, value), lengthed(1, domain), Buffer.from(path, 'latin1')];
  return new Uint8Array(Buffer.concat(parts));
}

/** @throws RangeError for what is not a cookie: another version of the relay may have sealed it. */
function decode(plain: Bytes): Cookie {
  const bytes = Buffer.from(plain.buffer, plain.byteOffset, plain.byteLength);
  const flags = bytes.readUInt8(0);
  if ((flags & ~FLAGS) !== 0) throw new RangeError(`flags of a cookie: ${flags}`);
  const createdUs = timeAt(bytes, 1);
  const expiresMs = timeAt(bytes, 9);
  let at = NUMBERS_BYTES;
  const text = (lengthBytes: 1 | 2): string => {
    const length = bytes.readUIntBE(at, lengthBytes);
    at += lengthBytes + length;
    if (at > bytes.length) throw new RangeError(`cookie ended at byte ${bytes.length}, expected ${at}`);
    return bytes.toString('latin1', at - length, at);
  };
  return {
    name: text(2),
    value: text(2),
    domain: text(1),
    path: bytes.toString('latin1', at),
    isHttpOnly: (flags & HTTP_ONLY) !== 0,
    isSecure: (flags & SECURE) !== 0,
    isHostOnly: (flags & HOST_ONLY) !== 0,
    isPartitioned: (flags & PARTITIONED) !== 0,
    sameSite: SAME_SITES[flags >> SAME_SITE_SHIFT] as SameSite,
    createdUs,
    expiresMs,
  };
}

function timeAt(bytes: Buffer, at: number): number {
  const time = Number(bytes.readBigUInt64BE(at));
  if (!Number.isSafeInteger(time)) throw new RangeError('time of a cookie above 2^53 - 1');
  return time;
}

function lengthed(lengthBytes: 1 | 2, text: string): Buffer {
  const bytes = Buffer.alloc(lengthBytes + text.length);
  bytes.writeUIntBE(text.length, 0, lengthBytes);
  bytes.write(text, lengthBytes, 'latin1');
  return bytes;
}

function charactersOf(bytes: number): number {
  return Math.ceil((bytes * 4) / 3);
}
