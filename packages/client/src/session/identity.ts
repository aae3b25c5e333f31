// Who this client is to its relay: the token that the relay signed in the first pairing (SPEC §3.5). It is only ever
// sent sealed. A browser keeps it across page loads, one for all pages and the service worker of an origin, since the values
// of its sealed cookies open for this identity alone.
import { type Bytes, CLIENT_ID_FIELD, type Fields } from '@mte-relay/protocol';
import type { Platform } from '../platform/platform.ts';

/** base64url; what else stands in the storage is not the relay's. */
const TOKEN = /^[\w-]{1,344}$/;

/** The identity of one client; empty until the first pairing. */
export class ClientIdentity {
  readonly #relayOrigin: string;
  readonly #platform: Platform;
  #token: string | undefined;

  constructor(relayOrigin: string, platform: Platform) {
    this.#relayOrigin = relayOrigin;
    this.#platform = platform;
  }

  /** A pairing brought this token; it is taken only by a client that has none, and whose origin has none. */
  async adopt(token: Bytes): Promise<void> {
    if (token.length === 0 || this.#token !== undefined) return;
    this.#token = await this.#keep(base64url(token), undefined);
  }

  /** The relay no longer knows the identity: that of this session takes its place, unless another page was faster. */
  replace(token: Bytes): void {
    const refused = this.#token;
    const own = base64url(token);
    this.#token = own;
    void this.#keep(own, refused).then((kept) => {
      if (this.#token === own) this.#token = kept;
    });
  }

  async #keep(token: string, refused: string | undefined): Promise<string> {
    const kept = await this.#platform.keepClientId(this.#relayOrigin, token, refused);
    return TOKEN.test(kept) ? kept : token;
  }

  /** What a message says of it, in a session that brought this token: nothing when they are the same. */
  fieldsIn(sessionToken: Bytes): [string, string][] {
    if (this.#token === undefined || this.#token === base64url(sessionToken)) return [];
    return [[CLIENT_ID_FIELD, this.#token]];
  }
}

/** True for an answer in which the relay says that it does not know the identity. */
export function refusesIdentity(headers: Fields): boolean {
  return headers.some(([name]) => name === CLIENT_ID_FIELD);
}

function base64url(bytes: Bytes): string {
  const base64 = btoa(String.fromCharCode(...bytes));
  return base64.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}
