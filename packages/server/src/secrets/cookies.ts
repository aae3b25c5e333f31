// Cookies of browsers travel on the outer hop, because script cannot set them; their values are sealed (SPEC §9.4).
// value = "mte1." ‖ base64url(nonce 16 ‖ AES-256-GCM(key, nonce 0, AAD = client id ‖ "=" ‖ name, value)),
// key = HKDF-Expand(cookie secret, "cookie" ‖ nonce, 32): one key per value, as for messages. The client id is proven
// inside the seal, so that an attacker who reads a cookie on the outer hop cannot use it in another session.
//
// A browser would never send a cookie of a narrow path, because it posts to /api/mte alone. The relay gives such a
// cookie a name and path of its own: name ‖ "." ‖ tag of the path, "mte1p." ‖ base64url(… AAD = client id ‖ ";" ‖ that
// name, path ‖ 0 ‖ value), and sends it upstream with the requests that its own path covers.
import { createHash } from 'node:crypto';
import { asciiBytes, type Bytes, concatBytes, type SyncExpandKey, type SyncSuite } from '@mte-relay/protocol';
import {
  coversMessages,
  defaultPath,
  OUTER_COOKIE_PATH,
  parseSetCookie,
  pathMatches,
  type SetCookie,
  withPath,
} from '../http/set-cookie.ts';
import { deriveFromSecret } from './derive.ts';

const PREFIX = 'mte1.';
/** Of values of cookies with a narrow path. */
const PREFIX_WITH_PATH = 'mte1p.';
/** Characters of a path's tag: enough to distinguish cookies of one name and several paths. */
const PATH_TAG_CHARS = 8;
const NONCE_BYTES = 16;
const LABEL: Bytes = asciiBytes('cookie');

/** The cookies whose values are sealed. */
export type CookieSealing = 'httponly' | 'all' | 'off';

/** Seals cookie values for a browser, and opens those that it sends. */
export class CookieJacket {
  readonly #suite: SyncSuite;
  readonly #sealing: CookieSealing;
  readonly #secrets: readonly SyncExpandKey[];

  /** @param secrets CLIENT_ID_SECRET, newest first: the first one seals, each one opens. */
  constructor(suite: SyncSuite, secrets: readonly string[], sealing: CookieSealing) {
    this.#suite = suite;
    this.#sealing = sealing;
    this.#secrets = secrets.map((secret) => suite.importExpandKey(deriveFromSecret(secret, 'mte-relay/1 cookie')));
  }

  /**
   * The `Set-Cookie` values for the browser of this client in place of the upstream's.
   * @param requestPath path of the inner request; undefined if the browser sees and applies it itself.
   */
  seal(setCookie: string, clientId: string, requestPath: string | undefined): string[] {
    const cookie = this.#sealing === 'off' ? undefined : parseSetCookie(setCookie);
    if (!cookie) return [setCookie];
    if (requestPath === undefined) return [this.#sealNative(cookie, clientId, cookie.attributes)];
    const path = cookie.path ?? defaultPath(requestPath);
    // Without a Path the browser would use that of the outer hop.
    const attributes = cookie.path ? cookie.attributes : withPath(cookie.attributes, path);
    const native = this.#sealNative(cookie, clientId, attributes);
    if (coversMessages(path)) return [native];
    const carrier = this.#sealCarrier(cookie, clientId, path);
    // Script finds a cookie that it may read under its own name and path too.
    return this.#seals(cookie) ? [carrier] : [carrier, native];
  }

  /**
   * A browser's `Cookie` value for the upstream, longer paths first (RFC 6265 §5.4). A sealed value is omitted if it
   * does not open for this client, or its path does not cover the request's.
   */
  open(cookie: string, clientId: string, requestPath: string): string {
    if (!cookie.includes(PREFIX) && !cookie.includes(PREFIX_WITH_PATH)) return cookie;
    const opened: { path: string; pair: string }[] = [];
    for (const item of cookie.split(';')) {
      const equalsAt = item.indexOf('=');
      const name = item.slice(0, Math.max(equalsAt, 0)).trim();
      const value = item.slice(equalsAt + 1).trim();
      if (value.startsWith(PREFIX)) {
        const plain = this.#openValue(`${clientId}=${name}`, value.slice(PREFIX.length));
        if (plain !== undefined) opened.push({ path: '', pair: `${name}=${plain}` });
      } else if (value.startsWith(PREFIX_WITH_PATH)) {
        const plain = this.#openValue(`${clientId};${name}`, value.slice(PREFIX_WITH_PATH.length));
        const [path, rest] = plain?.split('\0', 2) ?? [];
        if (path === undefined || !pathMatches(path, requestPath)) continue;
        opened.push({ path, pair: `${name.slice(0, -PATH_TAG_CHARS - 1)}=${rest}` });
      } else opened.push({ path: '', pair: item.trim() });
    }
    opened.sort((one, other) => other.path.length - one.path.length);
    return opened.map(({ pair }) => pair).join('; ');
  }

  #seals({ isHttpOnly }: SetCookie): boolean {
    return isHttpOnly || this.#sealing === 'all';
  }

  /** The cookie under its own name and path. An empty value, which deletes a cookie, is not sealed. */
  #sealNative(cookie: SetCookie, clientId: string, attributes: string): string {
    const { name, value } = cookie;
    if (value === '' || !this.#seals(cookie)) return `${name}=${value}${attributes}`;
    return `${name}=${PREFIX}${this.#seal(`${clientId}=${name}`, value)}${attributes}`;
  }

  /** The cookie under a name and path with which a browser sends it with every message. */
  #sealCarrier({ name, value, attributes, isHttpOnly }: SetCookie, clientId: string, path: string): string {
    const outerName = `${name}.${tagOf(path)}`;
    const sealed = value === '' ? '' : PREFIX_WITH_PATH + this.#seal(`${clientId};${outerName}`, `${path}\0${value}`);
    return `${outerName}=${sealed}${withPath(attributes, OUTER_COOKIE_PATH)}${isHttpOnly ? '' : '; HttpOnly'}`;
  }

  #seal(associatedData: string, plain: string): string {
    const nonce = this.#suite.randomBytes(NONCE_BYTES);
    const [newest] = this.#secrets as [SyncExpandKey];
    const aead = newest.expandAead(concatBytes([LABEL, nonce]));
    const sealed = aead.seal(this.#suite.aeadNonce(0), latin1(associatedData), latin1(plain));
    return Buffer.concat([nonce, sealed]).toString('base64url');
  }

  #openValue(associatedData: string, sealed: string): string | undefined {
    const bytes = new Uint8Array(Buffer.from(sealed, 'base64url'));
    const nonce = bytes.subarray(0, NONCE_BYTES);
    for (const secret of this.#secrets) {
      try {
        const aead = secret.expandAead(concatBytes([LABEL, nonce]));
        const plain = aead.open(this.#suite.aeadNonce(0), latin1(associatedData), bytes.subarray(NONCE_BYTES));
        return Buffer.from(plain).toString('latin1');
      } catch {
        // sealed under another secret, or not by this relay
      }
    }
    return undefined;
  }
}

function tagOf(path: string): string {
  return createHash('sha256').update(path, 'latin1').digest('base64url').slice(0, PATH_TAG_CHARS);
}

function latin1(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(text, 'latin1'));
}
