// Translates fields of the upstream's response for the client: the upstream's own URLs become paths of the relay, and
// cookies get the paths and the domain that the client addresses.
import { parseSetCookie, withinDomain, withPath } from '../http/set-cookie.ts';

/** Response fields whose URL may be the upstream's own. */
const LOCATION_FIELDS: ReadonlySet<string> = new Set(['location', 'content-location']);
/** A URL with a scheme or an authority. */
const ABSOLUTE_URL = /^(?:[a-z][a-z0-9+.-]*:|\/\/)/i;
/** A path that browsers would read as a host: they leave out tabs, and read a backslash as a slash (WHATWG URL §4.4). */
const READ_AS_HOST = /^\/[\t\n\r]*[/\\]/;
/** `seconds; url=…` in three parts, whose URL is the last (HTML §4.2.5.3). */
const REFRESH = /^([\d.]*[\s;,]+(?:url\s*=\s*)?)(["']?)(.+)$/i;

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
    if (name === 'refresh') return this.#refresh(value);
    return LOCATION_FIELDS.has(name) ? this.#location(value) : value;
  }

  #location(value: string): string {
    if (!ABSOLUTE_URL.test(value)) {
      const path = this.#withoutBase(value);
      return path === value ? value : onOwnHost(path);
    }
    const url = URL.parse(value, this.#origin);
    if (url?.origin !== this.#origin) return value;
    return onOwnHost(this.#withoutBase(url.pathname + url.search + url.hash));
  }

  #refresh(value: string): string {
    const [, before, quote = '', rest] = REFRESH.exec(value) ?? [];
    if (before === undefined || rest === undefined) return value;
    const end = quote === '' ? -1 : rest.indexOf(quote);
    const url = end < 0 ? rest : rest.slice(0, end);
    return before + quote + this.#location(url) + rest.slice(url.length);
  }

  #cookie(value: string): string {
    const cookie = this.#basePath === '' ? undefined : parseSetCookie(value);
    if (!cookie?.path?.startsWith(this.#basePath)) return value;
    return `${cookie.name}=${cookie.value}${withPath(cookie.attributes, this.#withoutBase(cookie.path))}`;
  }

  #withoutBase(path: string): string {
    const base = this.#basePath;
    if (base === '' || !path.startsWith(base)) return path;
    const rest = path.slice(base.length);
    if (rest.startsWith('/')) return rest;
    return rest === '' || rest.startsWith('?') || rest.startsWith('#') ? `/${rest}` : path;
  }
}

/** A path as a reference that stays on its host: it never begins with another one (RFC 3986 §4.2). */
function onOwnHost(path: string): string {
  return READ_AS_HOST.test(path) ? `/.${path}` : path;
}
