// Translates fields of the upstream's response for the client: the upstream's own URLs become paths of the relay, and
// cookies get the paths and the domain that the client addresses.
import { parseSetCookie, withinDomain, withPath } from '../http/set-cookie.ts';

/** Response fields whose URL may be the upstream's own. */
const LOCATION_FIELDS: ReadonlySet<string> = new Set(['location', 'content-location']);
/** A URL with a scheme or an authority. */
const ABSOLUTE_URL = /^(?:[a-z][a-z0-9+.-]*:|\/\/)/i;

/** Translates between the paths of one upstream and those of the relay in front of it. */
export class ClientValues {
  readonly #origin: string;
  readonly #basePath: string;

  /** @param basePath the path of UPSTREAM, without a slash at its end. */
  constructor(origin: string, basePath: string) {
    this.#origin = origin;
    this.#basePath = basePath;
  }

  /**
   * A field's value for the client.
   * @param name in lower case.
   * @param authority that the client addressed, if known; a proxy may have rewritten Host.
   */
  of(name: string, value: string, authority = ''): string {
    if (name === 'set-cookie') return this.#cookie(withinDomain(value, authority));
    return LOCATION_FIELDS.has(name) ? this.#location(value) : value;
  }

  #location(value: string): string {
    if (!ABSOLUTE_URL.test(value)) return this.#withoutBase(value);
    const url = URL.parse(value, this.#origin);
    return url?.origin === this.#origin ? this.#withoutBase(url.pathname + url.search + url.hash) : value;
  }

  #cookie(value: string): string {
    const cookie = this.#basePath === '' ? undefined : parseSetCookie(value);
    if (!cookie?.path?.startsWith(this.#basePath)) return value;
    return `${cookie.name}=${cookie.value}${withPath(cookie.attributes, this.#withoutBase(cookie.path))}`;
  }

  #withoutBase(path: string): string {
    if (path === this.#basePath && path !== '') return '/';
    return path.startsWith(`${this.#basePath}/`) ? path.slice(this.#basePath.length) : path;
  }
}
