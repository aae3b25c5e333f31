// Cookies of browsers ride the outer hop, because script cannot set them; their values are sealed on it (SPEC §9.4).
// value = "mte1." ‖ base64url(nonce 16 ‖ AES-256-GCM(key, nonce 0, AAD = client id ‖ "=" ‖ name, value)),
// key = HKDF-Expand(cookie secret, "cookie" ‖ nonce, 32): one key per value, as for messages. The client id is proven
// inside the seal, so who takes a cookie off the outer hop cannot present it in a session of their own.
import { asciiBytes, type Bytes, concatBytes, type SyncExpandKey, type SyncSuite } from '@mte-relay/protocol';
import { deriveFromSecret } from '../pairing/identity.ts';

const PREFIX = 'mte1.';
const NONCE_BYTES = 16;
const LABEL: Bytes = asciiBytes('cookie');

/** Which values are sealed. */
export type CookieSealing = 'httponly' | 'all' | 'off';

/** Seals values on their way to a browser and opens them on their way back. */
export class CookieJacket {
  readonly #suite: SyncSuite;
  readonly #sealing: CookieSealing;
  readonly #secrets: readonly SyncExpandKey[];

  /** @param secrets CLIENT_ID_SECRET, newest first: the first seals, every one opens. */
  constructor(suite: SyncSuite, secrets: readonly string[], sealing: CookieSealing) {
    this.#suite = suite;
    this.#sealing = sealing;
    this.#secrets = secrets.map((secret) => suite.importExpandKey(deriveFromSecret(secret, 'mte-relay/1 cookie')));
  }

  /** A `Set-Cookie` value as the browser of this client may see it. */
  seal(setCookie: string, clientId: string): string {
    if (this.#sealing === 'off') return setCookie;
    const attributesAt = setCookie.indexOf(';');
    const pair = attributesAt < 0 ? setCookie : setCookie.slice(0, attributesAt);
    const attributes = attributesAt < 0 ? '' : setCookie.slice(attributesAt);
    if (this.#sealing === 'httponly' && !/;\s*httponly\s*(?:;|$)/i.test(attributes)) return setCookie;
    const equalsAt = pair.indexOf('=');
    const name = pair.slice(0, Math.max(equalsAt, 0)).trim();
    const value = pair.slice(equalsAt + 1).trim();
    // An empty value is how a cookie is deleted; it has nothing to hide.
    if (equalsAt < 0 || value === '') return setCookie;
    return `${name}=${PREFIX}${this.#sealValue(name, value, clientId)}${attributes}`;
  }

  /** A browser's `Cookie` value as the upstream may see it; a sealed value that does not open for this client is left out. */
  open(cookie: string, clientId: string): string {
    if (!cookie.includes(PREFIX)) return cookie;
    const opened: string[] = [];
    for (const item of cookie.split(';')) {
      const equalsAt = item.indexOf('=');
      const name = item.slice(0, Math.max(equalsAt, 0)).trim();
      const value = item.slice(equalsAt + 1).trim();
      if (!value.startsWith(PREFIX)) opened.push(item.trim());
      else {
        const plain = this.#openValue(name, value.slice(PREFIX.length), clientId);
        if (plain !== undefined) opened.push(`${name}=${plain}`);
      }
    }
    return opened.join('; ');
  }

  #sealValue(name: string, value: string, clientId: string): string {
    const nonce = this.#suite.randomBytes(NONCE_BYTES);
    const [newest] = this.#secrets as [SyncExpandKey];
    const aead = newest.expandAead(concatBytes([LABEL, nonce]));
    const sealed = aead.seal(this.#suite.aeadNonce(0), latin1(`${clientId}=${name}`), latin1(value));
    return Buffer.concat([nonce, sealed]).toString('base64url');
  }

  #openValue(name: string, sealed: string, clientId: string): string | undefined {
    const bytes = new Uint8Array(Buffer.from(sealed, 'base64url'));
    const nonce = bytes.subarray(0, NONCE_BYTES);
    for (const secret of this.#secrets) {
      try {
        const aead = secret.expandAead(concatBytes([LABEL, nonce]));
        const value = aead.open(this.#suite.aeadNonce(0), latin1(`${clientId}=${name}`), bytes.subarray(NONCE_BYTES));
        return Buffer.from(value).toString('latin1');
      } catch {
        // sealed under the other secret, or not by this relay
      }
    }
    return undefined;
  }
}

function latin1(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(text, 'latin1'));
}
