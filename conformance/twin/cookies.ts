// SPEC §9.4: jar keys, cookie records and their ids as a relay makes them, and the records that a client keeps.
import { type Bytes, Cursor, join, NONE, text, textOf, uint } from './bytes.ts';
import { base64url, fromBase64url } from './identity.ts';
import { expand, extract, hash, mac, open, seal } from './primitives.ts';
import { require } from './refused.ts';

export interface Cookie {
  name: string;
  value: string;
  domain: string;
  path: string;
  httpOnly: boolean;
  secure: boolean;
  hostOnly: boolean;
  partitioned: boolean;
  sameSite: SameSite;
  createdUnixUs: number;
  /** 0: with the browser's session. */
  expiresUnixMs: number;
}

export type SameSite = 'not given' | 'None' | 'Lax' | 'Strict';

export interface JarKey {
  value: string;
  kind: 'same-site' | 'cross-site';
  jar: Bytes;
}

/** The jar keys of a browser: that of 400 days, and that of its session. */
export interface JarKeys {
  kept?: JarKey;
  session?: JarKey;
}

/** The relay's secret, and the client that a record is for: the first 16 bytes of its client id. */
export interface Owner {
  clientIdSecret: string;
  id: Bytes;
}

const SAME_SITES: SameSite[] = ['not given', 'None', 'Lax', 'Strict'];

// Jar keys

/** The jar keys in the outer field `cookie`; `https` is flag bit 1. */
export function jarKeysIn(field: string, https: boolean): JarKeys {
  const prefix = https ? '__Host-Http-' : '';
  const shown = field.split('; ').map((pair) => {
    const equalsAt = pair.indexOf('=');
    return { name: pair.slice(0, Math.max(equalsAt, 0)), value: pair.slice(equalsAt + 1) };
  });
  const first = (name: string, kind: string): string | undefined =>
    shown.find((one) => one.name === prefix + name && new RegExp(`^${kind}[A-Za-z0-9_-]{43}$`).test(one.value))?.value;
  const kept = first('mte-relay-jar', 's') ?? first('mte-relay-cross-site-jar', 'x');
  const session = first('mte-relay-session-jar', 's') ?? first('mte-relay-cross-site-session-jar', 'x');
  return { ...(kept && { kept: jarKey(kept) }), ...(session && { session: jarKey(session) }) };
}

export function jarKey(value: string): JarKey {
  return { value, kind: value.startsWith('x') ? 'cross-site' : 'same-site', jar: hash(text(value)) };
}

// Records

/** A record beside the jar key of 400 days, or of the browser's session, and all that it is made of. */
export function sealRecord(owner: Owner, jar: Bytes, nonce: Bytes, cookie: Cookie) {
  const kept = cookie.expiresUnixMs === 0 ? 0 : 1;
  return sealCookie(owner, kept, jar, nonce, encodeCookie(cookie));
}

/** The same of any bytes. */
export function sealCookie(owner: Owner, kept: number, jar: Bytes, nonce: Bytes, cookieBytes: Bytes) {
  const key = recordKey(owner, kept, jar, nonce);
  return { cookieBytes, key, record: base64url(join(uint(1, kept), nonce, seal(key, 0, NONE, cookieBytes))) };
}

/** The cookie of a record that this client sends beside these jar keys. */
export function openRecord(owner: Owner, jarKeys: JarKeys, record: string): Cookie {
  const cursor = new Cursor(fromBase64url(record));
  const kept = cursor.uint(1);
  require(kept <= 1, 'malformed');
  const nonce = cursor.take(16);
  const beside = kept === 1 ? jarKeys.kept : jarKeys.session;
  require(beside !== undefined, 'unopenable');
  const key = recordKey(owner, kept, (beside as JarKey).jar, nonce);
  return decodeCookie(open(key, 0, NONE, cursor.rest()));
}

function recordKey({ clientIdSecret, id }: Owner, kept: number, jar: Bytes, nonce: Bytes): Bytes {
  const cookieKey = fromSecret(clientIdSecret, 'mte-relay/1 cookie');
  return expand(cookieKey, join(text('cookie'), uint(1, kept), nonce, id, jar));
}

export function encodeCookie(cookie: Cookie): Bytes {
  return join(
    uint(1, flagsOf(cookie)),
    uint(8, cookie.createdUnixUs),
    uint(8, cookie.expiresUnixMs),
    withLength(2, cookie.name),
    withLength(2, cookie.value),
    withLength(1, cookie.domain),
    text(cookie.path),
  );
}

function flagsOf({ httpOnly, secure, hostOnly, partitioned, sameSite }: Cookie): number {
  const attributes = (httpOnly ? 1 : 0) + (secure ? 2 : 0) + (hostOnly ? 4 : 0) + (partitioned ? 8 : 0);
  return attributes + 16 * SAME_SITES.indexOf(sameSite);
}

function decodeCookie(bytes: Bytes): Cookie {
  const cursor = new Cursor(bytes);
  const flags = cursor.uint(1);
  require(flags < 64, 'malformed');
  const createdUnixUs = cursor.uint(8);
  const expiresUnixMs = cursor.uint(8);
  return {
    name: textOf(cursor.take(cursor.uint(2))),
    value: textOf(cursor.take(cursor.uint(2))),
    domain: textOf(cursor.take(cursor.uint(1))),
    path: textOf(cursor.rest()),
    httpOnly: flags % 2 === 1,
    secure: (flags >> 1) % 2 === 1,
    hostOnly: (flags >> 2) % 2 === 1,
    partitioned: (flags >> 3) % 2 === 1,
    sameSite: SAME_SITES[flags >> 4] as SameSite,
    createdUnixUs,
    expiresUnixMs,
  };
}

/** The id under which the client keeps the record of this cookie. */
export function recordId({ clientIdSecret, id }: Owner, cookie: Cookie): string {
  const { name, domain, path } = cookie;
  const idKey = fromSecret(clientIdSecret, 'mte-relay/1 cookie id');
  const named = join(id, uint(1, flagsOf(cookie) & 12), withLength(2, name), withLength(1, domain), text(path));
  return base64url(mac(idKey, named).slice(0, 12));
}

function fromSecret(clientIdSecret: string, info: string): Bytes {
  return expand(extract(new TextEncoder().encode(clientIdSecret)), text(info));
}

function withLength(size: number, value: string): Bytes {
  return join(uint(size, value.length), text(value));
}

// What a client keeps

export interface Kept {
  id: string;
  record: string;
  /** Null: no expiry. */
  lifetimeSeconds: number | null;
}

/** The records but this one, unless it is replaced by now. */
function without(records: Kept[], dropped: Kept | undefined): Kept[] {
  return records.filter((one) => one.id !== dropped?.id || one.record !== dropped.record);
}

/**
 * The records of a client, the one set longest ago first, after a response with this field `mte-relay-set-cookies`.
 * @param sent the records of its request, in their order.
 */
export function keep(present: Kept[], sent: Kept[], field: string): Kept[] {
  let records = present;
  for (const item of field.split(' ')) {
    const put = /^\+([\w-]+):(-|[0-9]+):([\w-]+)$/.exec(item);
    if (put) {
      const [, id = '', seconds = '', record = ''] = put;
      records = records.filter((one) => one.id !== id);
      records = [...records, { id, record, lifetimeSeconds: seconds === '-' ? null : Number(seconds) }];
    } else if (/^-[\w-]+$/.test(item)) {
      records = records.filter((one) => one.id !== item.slice(1));
    } else if (/^~[0-9]+$/.test(item)) {
      records = without(records, sent[Number(item.slice(1))]);
    } else if (/^~[0-9]+\+[\w-]+:(-|[0-9]+):[\w-]+$/.test(item)) {
      const plusAt = item.indexOf('+');
      const left = without(records, sent[Number(item.slice(1, plusAt))]);
      if (left.length < records.length) records = keep(left, sent, item.slice(plusAt));
    } else if (item === '*') {
      records = [];
    }
  }
  while (records.length > 180 || records.map(({ record }) => record).join(' ').length > 32_768) {
    records = records.slice(1);
  }
  return records;
}
