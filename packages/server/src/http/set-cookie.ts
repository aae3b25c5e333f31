// Rewrites the text of a `Set-Cookie`: its path and its domain, and nothing else (RFC 6265bis §4.1.2). cookie.ts reads it
// as a browser does.
import { withoutOuterWhitespace } from '@mte-relay/protocol';

const PATH_ATTRIBUTE = /;\s*path\s*(?:=([^;]*))?(?=;|$)/gi;

/** A `Set-Cookie` value in parts. */
export interface SetCookie {
  readonly name: string;
  readonly value: string;
  /** Everything after the pair: empty, or from the first ";" on. */
  readonly attributes: string;
  /** The value of the last `Path`; undefined if a browser would ignore it or there is no `Path`. */
  readonly path: string | undefined;
}

/** The parts of a `Set-Cookie` value; undefined for a cookie without a name. */
export function parseSetCookie(text: string): SetCookie | undefined {
  const semicolonAt = text.indexOf(';');
  const pair = semicolonAt < 0 ? text : text.slice(0, semicolonAt);
  const attributes = text.slice(pair.length);
  const equalsAt = pair.indexOf('=');
  const name = withoutOuterWhitespace(pair.slice(0, Math.max(equalsAt, 0)));
  if (name === '') return undefined;
  let path: string | undefined;
  for (const [, given] of attributes.matchAll(PATH_ATTRIBUTE)) {
    const plain = withoutOuterWhitespace(given ?? '');
    path = plain.startsWith('/') ? plain : undefined;
  }
  return { name, value: withoutOuterWhitespace(pair.slice(equalsAt + 1)), attributes, path };
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
