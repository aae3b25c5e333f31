// `Set-Cookie` in parts, and which requests and hosts a cookie belongs to by its path (RFC 6265 §5.1.4, §5.2.4) and its
// domain (§5.1.3). A browser goes by the path of the outer hop, which is the same for every message; what that cannot tell
// apart, the relay does (SPEC §9.4).

/** Covers the endpoints of messages and of WebSockets, and little else. */
export const OUTER_COOKIE_PATH = '/api';

const COVERING: ReadonlySet<string> = new Set(['/', OUTER_COOKIE_PATH, `${OUTER_COOKIE_PATH}/`]);

/** Whether a browser sends a cookie of this path with every message. */
export function coversMessages(path: string): boolean {
  return COVERING.has(path);
}

const PATH_ATTRIBUTE = /;\s*path\s*(?:=([^;]*))?(?=;|$)/gi;

/** A `Set-Cookie` value in parts. */
export interface SetCookie {
  readonly name: string;
  readonly value: string;
  /** Everything behind the pair: empty, or from the first ";" on. */
  readonly attributes: string;
  /** What the last `Path` says; undefined when there is none that a browser heeds. */
  readonly path: string | undefined;
  readonly isHttpOnly: boolean;
}

/** Undefined for what has no name, and so is passed on as it is. */
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

/** Attributes with this path and no other. */
export function withPath(attributes: string, path: string): string {
  return `${attributes.replaceAll(PATH_ATTRIBUTE, '')}; Path=${path}`;
}

const DOMAIN_ATTRIBUTE = /;\s*domain\s*=([^;]*)/gi;

/**
 * A `Set-Cookie` value without a domain that the relay is not in: a browser refuses such a cookie whole. Without one it is
 * the relay's own.
 * @param authority that the client addressed; empty when it is not known, and then nothing is changed.
 */
export function withinDomain(setCookie: string, authority: string): string {
  const host = authority.toLowerCase().replace(/:\d+$/, '');
  if (host === '') return setCookie;
  return setCookie.replace(DOMAIN_ATTRIBUTE, (attribute: string, given: string) => {
    const domain = given.trim().replace(/^\./, '').toLowerCase();
    return domain === '' || host === domain || host.endsWith(`.${domain}`) ? attribute : '';
  });
}

/** The path of a cookie that names none, set in answer to a request for this path. */
export function defaultPath(requestPath: string): string {
  return requestPath.slice(0, requestPath.lastIndexOf('/')) || '/';
}

/** Whether a cookie of this path goes with a request for that one. */
export function pathMatches(cookiePath: string, requestPath: string): boolean {
  if (!requestPath.startsWith(cookiePath)) return false;
  return requestPath.length === cookiePath.length || cookiePath.endsWith('/') || requestPath[cookiePath.length] === '/';
}
