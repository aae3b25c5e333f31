// The path policy: the relay checks, matches and forwards one and the same string. A path that two parsers could read
// differently is refused or brought into its canonical form before a rule is matched.

/**
 * The canonical form of a request target in origin form: escaped unreserved characters are decoded (RFC 3986 §6.2.2.2),
 * the query is not changed. Undefined for a refused target: dot segments, with or without a parameter, an empty first
 * segment ("//host"), backslash, fragment, escaped NUL or separator, or an invalid escape.
 */
export function canonicalTarget(target: string): string | undefined {
  if (!target.startsWith('/')) return undefined; // a URL, or the "*" of OPTIONS (RFC 9112 §3.2)
  const queryAt = target.indexOf('?');
  const rawPath = queryAt < 0 ? target : target.slice(0, queryAt);
  if (target.includes('#') || rawPath.startsWith('//') || rawPath.includes('\\')) return undefined;
  const path = rawPath.includes('%') ? unescapeUnreserved(rawPath) : rawPath;
  if (path === undefined || hasDotSegment(path)) return undefined;
  return queryAt < 0 ? path : path + target.slice(queryAt);
}

/** The path of a target; rules match that of a canonical one. */
export function pathOf(target: string): string {
  const queryAt = target.indexOf('?');
  return queryAt < 0 ? target : target.slice(0, queryAt);
}

const UNRESERVED = /[A-Za-z0-9\-._~]/;
const HIDDEN_SEPARATOR = /%(?:2F|5C|00)/;

function unescapeUnreserved(path: string): string | undefined {
  if (/%(?![0-9A-Fa-f]{2})/.test(path)) return undefined;
  const canonical = path.replace(/%[0-9A-Fa-f]{2}/g, (triplet) => {
    const character = String.fromCharCode(Number.parseInt(triplet.slice(1), 16));
    return UNRESERVED.test(character) ? character : triplet.toUpperCase();
  });
  return HIDDEN_SEPARATOR.test(canonical) ? undefined : canonical;
}

function hasDotSegment(path: string): boolean {
  // Most paths do not contain "/.". Servlet containers drop ";" and its parameter: "..;" is ".." to them.
  return path.includes('/.') && /\/\.\.?(?:\/|;|%3B|$)/.test(path);
}

/** A set of routes; a "*" at the end of a route matches any rest. */
export class RouteSet {
  readonly #exact: ReadonlySet<string>;
  readonly #prefixes: readonly string[];

  constructor(routes: readonly string[]) {
    this.#exact = new Set(routes.filter((route) => !route.endsWith('*')));
    this.#prefixes = routes.filter((route) => route.endsWith('*')).map((route) => route.slice(0, -1));
  }

  /** True if a route matches. @param path a canonical path without query. */
  has(path: string): boolean {
    return this.#exact.has(path) || this.#prefixes.some((prefix) => path.startsWith(prefix));
  }
}
