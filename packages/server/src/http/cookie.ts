// Cookies by RFC 6265bis: takes a `Set-Cookie` as a browser does (§5.7), and selects the cookies of a request (§5.8.3).
// SPEC §9.4. tough-cookie parses and knows the public suffixes.
import { FIELD_VALUE, withoutOuterWhitespace } from '@mte-relay/protocol';
import { defaultPath, domainMatch, getPublicSuffix, Cookie as Parsed, pathMatch } from 'tough-cookie';
import {
  COOKIE_ATTRIBUTE_MAX_BYTES,
  COOKIE_LIFETIME_MAX_MS,
  COOKIE_MAX_BYTES,
  COOKIE_PATH_MAX_BYTES,
} from '../limits/fixed.ts';

/** SameSite of a cookie; empty if it names none, which counts as Lax. */
export type SameSite = '' | 'none' | 'lax' | 'strict';

/** A stored cookie. */
export interface Cookie {
  readonly name: string;
  readonly value: string;
  readonly domain: string;
  readonly path: string;
  readonly isHostOnly: boolean;
  readonly isHttpOnly: boolean;
  readonly isSecure: boolean;
  readonly isPartitioned: boolean;
  readonly sameSite: SameSite;
  /** Unix time, µs: the cookies of one response have an order. */
  readonly createdUs: number;
  /** Unix time, ms; 0 if it ends with the browser's session. */
  readonly expiresMs: number;
}

/** Which cookies a request may carry by SameSite: all, Lax and None, or None alone. */
export type SiteContext = 'strict' | 'lax' | 'none';

/** What decides on the cookies of a request. */
export interface CookieRequest {
  /** In lower case, without a port. */
  readonly host: string;
  /** Without a query. */
  readonly path: string;
  readonly isHttps: boolean;
  readonly context: SiteContext;
}

/** The host of an authority, in lower case: cookies know no ports. */
export function hostOf(authority: string): string {
  return authority.toLowerCase().replace(/:\d*$/, '');
}

/**
 * The cookie of a `Set-Cookie` value; undefined if a browser ignores it (RFC 6265bis §5.6, §5.7). A cookie that has
 * expired deletes the one of its name, domain and path.
 */
export function takeCookie(setCookie: string, request: CookieRequest, nowMs: number): Cookie | undefined {
  if (!FIELD_VALUE.test(setCookie)) return undefined;
  const parsed = Parsed.parse(withShortAttributes(setCookie), { loose: true });
  if (!parsed || READS_AS_NAMED.test(setCookie)) return undefined;
  const { httpOnly: isHttpOnly, secure: isSecure } = parsed;
  const { name, value } = pairIn(setCookie.split(';', 1)[0] as string);
  if (name === '' && value === '') return undefined;
  if (name.length + value.length > COOKIE_MAX_BYTES) return undefined;
  const domain = domainOf(parsed.domain, request.host);
  if (domain === undefined) return undefined;
  const path = parsed.path ?? undefined;
  const cookie: Cookie = {
    name,
    value,
    ...domain,
    path: path ?? defaultPath(request.path),
    isHttpOnly,
    isSecure,
    isPartitioned: parsed.extensions?.some((text) => /^\s*partitioned\s*$/i.test(text)) ?? false,
    sameSite: sameSiteOf(parsed.sameSite),
    createdUs: nowMs * 1000,
    expiresMs: expiryOf(parsed, nowMs),
  };
  return cookie.path.length <= COOKIE_PATH_MAX_BYTES && isAllowed(cookie, path, request) ? cookie : undefined;
}

/** An empty name, and a value that the upstream would read as a name and a value. */
const READS_AS_NAMED = /^\s*=[^;]*=/;

/** True if the request carries this cookie. */
export function isSentWith(cookie: Cookie, request: CookieRequest, nowMs: number): boolean {
  if (cookie.expiresMs !== 0 && cookie.expiresMs <= nowMs) return false;
  if (cookie.isSecure && !isTrustworthy(request)) return false;
  if (!allowsSite(cookie.sameSite, request.context)) return false;
  const { isHostOnly, domain } = cookie;
  if (isHostOnly ? domain !== request.host : !domainMatch(request.host, domain, false)) return false;
  return pathMatch(request.path, cookie.path);
}

/** Longer paths first, then earlier ones (RFC 6265bis §5.8.3). */
export function compareCookies(one: Cookie, other: Cookie): number {
  return other.path.length - one.path.length || one.createdUs - other.createdUs;
}

/** Name and value of a cookie. */
interface Pair {
  readonly name: string;
  readonly value: string;
}

/** The pair in `Cookie`; a cookie without a name is its value alone, unless that would be read as a name and a value. */
export function pairOf({ name, value }: Pair): string {
  return name === '' && !value.includes('=') ? value : `${name}=${value}`;
}

/** The pairs of a `Cookie` value, without empty ones. */
export function pairsIn(cookie: string): Pair[] {
  return cookie
    .split(';')
    .map(pairIn)
    .filter(({ name, value }) => name !== '' || value !== '');
}

function pairIn(text: string): Pair {
  const equalsAt = text.indexOf('=');
  const [name, value] = [text.slice(0, Math.max(equalsAt, 0)), text.slice(equalsAt + 1)];
  // `trim` would also remove 0xA0, which ends characters in UTF-8 such as "à".
  return { name: withoutOuterWhitespace(name), value: withoutOuterWhitespace(value) };
}

/** The default path of a cookie, as the value of a `Path` attribute, which cannot contain a semicolon. */
export function writableDefaultPath(requestPath: string): string {
  return defaultPath(requestPath.split(';', 1)[0] as string);
}

/** Without the attributes whose values are too long. */
function withShortAttributes(setCookie: string): string {
  if (setCookie.length <= COOKIE_ATTRIBUTE_MAX_BYTES) return setCookie;
  const isShort = (text: string, at: number): boolean =>
    at === 0 || text.length - text.indexOf('=') - 1 <= COOKIE_ATTRIBUTE_MAX_BYTES;
  return setCookie.split(';').filter(isShort).join(';');
}

/** Undefined for a public suffix, and for a domain of another host. */
function domainOf(given: string | null, host: string): Pick<Cookie, 'domain' | 'isHostOnly'> | undefined {
  if (given === null || given === '') return { domain: host, isHostOnly: true };
  if (!domainMatch(host, given, false)) return undefined;
  if (isPublicSuffix(given)) return given === host ? { domain: host, isHostOnly: true } : undefined;
  return { domain: given, isHostOnly: false };
}

function isPublicSuffix(domain: string): boolean {
  if (!/^[\w.-]+$/.test(domain) || /^[\d.]+$/.test(domain)) return false;
  if (!domain.includes('.')) return true; // the default rule of the list
  return getPublicSuffix(domain, { allowSpecialUseDomain: true, ignoreError: true }) === undefined;
}

function sameSiteOf(given: string | undefined): SameSite {
  return given === 'none' || given === 'lax' || given === 'strict' ? given : '';
}

/** `Max-Age` precedes `Expires`; a time in the past is 1. */
function expiryOf({ maxAge, expires }: Parsed, nowMs: number): number {
  let expiresMs = 0;
  if (typeof maxAge === 'number') expiresMs = maxAge <= 0 ? 1 : nowMs + maxAge * 1000;
  else if (expires instanceof Date) expiresMs = Math.max(1, expires.getTime());
  return Math.min(expiresMs, nowMs + COOKIE_LIFETIME_MAX_MS);
}

/** The rules of RFC 6265bis §5.7 that refuse a cookie. */
function isAllowed(cookie: Cookie, givenPath: string | undefined, request: CookieRequest): boolean {
  const { isSecure, isHttpOnly, sameSite } = cookie;
  if (isSecure && !isTrustworthy(request)) return false;
  if (sameSite === 'none' && !isSecure) return false;
  if (cookie.isPartitioned && !isSecure) return false;
  if (request.context === 'none' && sameSite !== 'none') return false;
  // A nameless cookie whose value looks like a name with a prefix would be read as one.
  const prefix = PREFIX.exec(cookie.name === '' ? cookie.value : cookie.name)?.[0].toLowerCase();
  if (prefix === undefined) return true;
  if (cookie.name === '' || !isSecure) return false;
  if (prefix.startsWith('__host-') && !(cookie.isHostOnly && givenPath === '/')) return false;
  return !prefix.endsWith('http-') || isHttpOnly;
}

const PREFIX = /^(?:__Secure-|__Host-Http-|__Host-|__Http-)/i;

/** Browsers treat loopback like https (W3C Secure Contexts §3.1). */
function isTrustworthy({ isHttps, host }: CookieRequest): boolean {
  return (
    isHttps || host === 'localhost' || host.endsWith('.localhost') || host === '[::1]' || /^127(?:\.\d+){3}$/.test(host)
  );
}

function allowsSite(sameSite: SameSite, context: SiteContext): boolean {
  if (context === 'strict' || sameSite === 'none') return true;
  return context === 'lax' && sameSite !== 'strict';
}
