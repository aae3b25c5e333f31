// The jar keys of a browser: two outer cookies of random bytes. Without them nobody opens the browser's cookie records, and
// by themselves they open nothing (SPEC §9.4).
import { randomBytes } from 'node:crypto';
import type { Bytes } from '@mte-relay/protocol';
import { pairOf, pairsIn } from '../http/cookie.ts';
import { COOKIE_LIFETIME_MAX_MS } from '../limits/fixed.ts';
import { sha256 } from './derive.ts';

/** How long a browser keeps a key: 400 days, or until its session ends. */
export type JarLife = 'kept' | 'session';

const LIVES: readonly JarLife[] = ['kept', 'session'];
/** In every name of a jar key. */
const MARK = 'mte-relay-';
const JAR_NAME = /^(?:__Host-Http-)?mte-relay-(?:cross-site-)?(?:session-)?jar$/;
/** Browsers that know it do not let script set such a cookie, so that injected script cannot choose the key. */
const HTTPS_PREFIX = '__Host-Http-';
/** Kind, and 32 bytes in base64url. */
const VALUE = /^[sx][\w-]{43}$/;

/** One jar key. */
export interface JarKey {
  readonly value: string;
  /** SHA-256 of the value, which the keys of records depend on. */
  readonly digest: Bytes;
  /** True if the browser keeps it for pages of other sites. */
  readonly isCrossSite: boolean;
}

/** The jar keys that a browser shows: those of its own site before those of cross-site use, of two with one name the first. */
export type JarKeys = Partial<Record<JarLife, JarKey>>;

/** True for the name of a jar key, which no upstream receives or sets. */
export function isJarName(name: string): boolean {
  return JAR_NAME.test(name);
}

/** True for a `Set-Cookie` of a jar key. */
export function setsJarKey(setCookie: string): boolean {
  return isJarName((setCookie.split('=', 1)[0] as string).trim());
}

/** A `Cookie` without jar keys; undefined if nothing else is in it. */
export function withoutJarKeys(cookie: string): string | undefined {
  if (!cookie.includes(MARK)) return cookie;
  const others = pairsIn(cookie).filter(({ name }) => !isJarName(name));
  return others.length === 0 ? undefined : others.map(pairOf).join('; ');
}

/** The jar keys in an outer `Cookie`. @param isHttps true if the client addresses the relay by https. */
export function readJarKeys(cookie: string | undefined, isHttps: boolean): JarKeys {
  const keys: JarKeys = {};
  if (!cookie?.includes(MARK)) return keys;
  const pairs = pairsIn(cookie).filter(({ value }) => VALUE.test(value));
  for (const life of LIVES) {
    const shown = [false, true].flatMap((isCrossSite) => {
      const own = nameOf(life, isCrossSite, isHttps);
      return pairs.find(({ name, value }) => name === own && value.startsWith(kindOf(isCrossSite))) ?? [];
    });
    if (shown[0]) keys[life] = keyOf(shown[0].value);
  }
  return keys;
}

/** A new jar key. @param isCrossSite as `Sec-Fetch-Site` of the request states. */
export function makeJarKey(isCrossSite: boolean): JarKey {
  return keyOf(kindOf(isCrossSite) + randomBytes(32).toString('base64url'));
}

/** The `Set-Cookie` of a jar key. */
export function setJarKey(life: JarLife, { value, isCrossSite }: JarKey, isHttps: boolean): string {
  const site = isCrossSite ? 'SameSite=None; Secure; Partitioned' : `SameSite=Strict${isHttps ? '; Secure' : ''}`;
  const age = life === 'kept' ? `; Max-Age=${COOKIE_LIFETIME_MAX_MS / 1000}` : '';
  return `${nameOf(life, isCrossSite, isHttps)}=${value}; Path=/; HttpOnly; ${site}${age}`;
}

function nameOf(life: JarLife, isCrossSite: boolean, isHttps: boolean): string {
  return `${isHttps ? HTTPS_PREFIX : ''}${MARK}${isCrossSite ? 'cross-site-' : ''}${life === 'session' ? 'session-' : ''}jar`;
}

function kindOf(isCrossSite: boolean): 's' | 'x' {
  return isCrossSite ? 'x' : 's';
}

function keyOf(value: string): JarKey {
  let digest: Bytes | undefined;
  return {
    value,
    get digest() {
      digest ??= new Uint8Array(sha256(Buffer.from(value))); // most requests need none
      return digest;
    },
    isCrossSite: value.startsWith('x'),
  };
}
