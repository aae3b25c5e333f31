// Parses `Set-Cookie`, and matches a cookie's path (RFC 6265 §5.1.4, §5.2.4) and domain (§5.1.3). A browser matches the
// path of the outer hop, which is the same for every message, so the relay matches the inner path itself (SPEC §9.4).

/** The cookie path that covers the endpoints of messages and of WebSockets, and little else. */
export const OUTER_COOKIE_PATH = '/api';

const COVERING: ReadonlySet<string> = new Set(['/', OUTER_COOKIE_PATH, `${OUTER_COOKIE_PATH}/`]);

/** True if a browser sends a cookie of this path with every message. */
export function coversMessages(path: string): boolean {
  return COVERING.has(path);
}

const PATH_ATTRIBUTE = /;\s*path\s*(?:=([^;]*))?(?=;|$)/gi;

/** A `Set-Cookie` value in parts. */
export interface SetCookie {
  readonly name: string;
  readonly value: string;
  /** Everything after the pair: empty, or from the first ";" on. */
  readonly attributes: string;
  /** The value of the last `Path`; undefined if a browser would ignore it or there is no `Path`. */
  readonly path: string | undefined;
  readonly isHttpOnly: boolean;
}

/** The parts of a `Set-Cookie` value; undefined for a cookie without a name. */
export function parseSetCookie(text: string): SetCookie | undefined {
  const semicolonAt = text.indexOf(';');
  const pair = semicolonAt < 0 ? text : text.slice(0, semicolonAt);
  const attributes = text.slice(pair.length);
  const equalsAt = pair.indexOf('=');
  const name = pair.slice(0, Math.max(equalsAt, 0)).trim();
  if (name === '') return undefined;
  let path: string | undefined;
  for (const [, given] of attributes.matchAll(PATH_ATTRIBUTE)) {
    path = given?.trim().startsWith('/') ? given.trim() : undefined;
  }
  const isHttpOnly = /;\s*httponly\s*(?:;|=|$)/i.test(attributes);
  return { name, value: pair.slice(equalsAt + 1).trim(), attributes, path, isHttpOnly };
}

/** The attributes with this path as their only one. */
export function withPath(attributes: string, path: string): string {
  return `${attributes.replaceAll(PATH_ATTRIBUTE, '')}; Path=${path}`;
}

const DOMAIN_ATTRIBUTE = /;\s*domain\s*=([^;]*)/gi;

/**
 * A `Set-Cookie` value without a `Domain` that does not contain the relay: a browser rejects such a cookie. Without it
 * the cookie is the relay's own.
 * @param authority that the client addressed; if it is empty, the value is not changed.
 */
export function withinDomain(setCookie: string, authority: string): string {
  const host = authority.toLowerCase().replace(/:\d+$/, '');
  if (host === '') return setCookie;
  return setCookie.replace(DOMAIN_ATTRIBUTE, (attribute: string, given: string) => {
    const domain = given.trim().replace(/^\./, '').toLowerCase();
    return domain === '' || host === domain || host.endsWith(`.${domain}`) ? attribute : '';
  });
}

/** The default path of a cookie in the response to a request for this path (RFC 6265 §5.1.4). */
export function defaultPath(requestPath: string): string {
  return requestPath.slice(0, requestPath.lastIndexOf('/')) || '/';
}

/** True if a cookie of this path belongs to a request for that one. */
export function pathMatches(cookiePath: string, requestPath: string): boolean {
  if (!requestPath.startsWith(cookiePath)) return false;
  return requestPath.length === cookiePath.length || cookiePath.endsWith('/') || requestPath[cookiePath.length] === '/';
}
