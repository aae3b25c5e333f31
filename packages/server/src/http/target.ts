// The path policy: one string is checked, matched and forwarded. What two parsers could read differently is refused
// or brought into one form before any rule looks at it.

/**
 * The canonical form of a request target in origin form, or undefined when it is refused: dot segments, with or without
 * a parameter, empty first segment ("//host"), backslash, fragment, NUL or a separator hidden by an escape, or a broken
 * escape. Escaped unreserved characters are written plainly (RFC 3986 §6.2.2.2); the query is left as it is.
 */
export function canonicalTarget(target: string): string | undefined {
  if (target === '*') return undefined; // OPTIONS of a whole server, which the upstream is not the relay's to ask
  const queryAt = target.indexOf('?');
  const rawPath = queryAt < 0 ? target : target.slice(0, queryAt);
  if (target.includes('#') || rawPath.startsWith('//') || rawPath.includes('\\')) return undefined;
  const path = rawPath.includes('%') ? unescapeUnreserved(rawPath) : rawPath;
  if (path === undefined || hasDotSegment(path)) return undefined;
  return queryAt < 0 ? path : path + target.slice(queryAt);
}

/** The path of a canonical target, which rules are matched on. */
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
  // Most paths have no "/." at all. Servlet containers drop what stands behind ";" first: "..;" is ".." to them.
  return path.includes('/.') && /\/\.\.?(?:\/|;|%3B|$)/.test(path);
}

/** Tells whether a path is one of the routes; a "*" at a route's end matches any rest. */
export class RouteSet {
  readonly #exact: ReadonlySet<string>;
  readonly #prefixes: readonly string[];

  constructor(routes: readonly string[]) {
    this.#exact = new Set(routes.filter((route) => !route.endsWith('*')));
    this.#prefixes = routes.filter((route) => route.endsWith('*')).map((route) => route.slice(0, -1));
  }

  /** @param path a canonical path without query. */
  has(path: string): boolean {
    return this.#exact.has(path) || this.#prefixes.some((prefix) => path.startsWith(prefix));
  }
}
