// The client's identity: the token that the relay signed in the first pairing (SPEC §3.5). The client sends it sealed only.
// A browser keeps one across page loads for all pages and the service worker of an origin, because the values of sealed
// cookies open for this identity alone.
import { type Bytes, CLIENT_ID_FIELD, type Fields } from '@mte-relay/protocol';
import type { Platform } from '../platform/platform.ts';

/** base64url. Other stored values are not from the relay. */
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

  /** Takes the token of a pairing, unless the client or its origin already has one. */
  async adopt(token: Bytes): Promise<void> {
    if (token.length === 0 || this.#token !== undefined) return;
    this.#token = await this.#keep(base64url(token), undefined);
  }

  /** Replaces an identity that the relay refused with that of this session, unless another page has replaced it first. */
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

  /** The fields for a message of the session with this token; empty when the session has the same identity. */
  fieldsIn(sessionToken: Bytes): [string, string][] {
    if (this.#token === undefined || this.#token === base64url(sessionToken)) return [];
    return [[CLIENT_ID_FIELD, this.#token]];
  }
}

/** True for a response in which the relay refuses the client's identity. */
export function refusesIdentity(headers: Fields): boolean {
  return headers.some(([name]) => name === CLIENT_ID_FIELD);
}

function base64url(bytes: Bytes): string {
  const base64 = btoa(String.fromCharCode(...bytes));
  return base64.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}
