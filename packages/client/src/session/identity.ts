// The client's identity: the token that the relay signed in the first pairing (SPEC §3.5). The client sends it sealed, and
// only to a relay with one of the client's pins. A browser keeps one across page loads for all pages and the service worker
// of an origin, because cookie records open for this identity alone.
import { type Bytes, CLIENT_ID_FIELD, type Fields } from '@mte-relay/protocol';
import type { Keeper, KeptIdentity } from '../platform/platform.ts';
import type { Session } from './session.ts';

/** base64url. Other stored values are not from the relay. */
const TOKEN = /^[\w-]{1,344}$/;
/** The relay's word for an identity that is forged or expired. */
const REFUSED = 'unknown';

/** The identity of one client; empty until the first pairing. */
export class ClientIdentity {
  readonly #relayOrigin: string;
  readonly #pins: readonly string[];
  readonly #keeper: Keeper | undefined;
  #identity: KeptIdentity | undefined;

  /** @param keeper undefined for an identity in memory. @param pins those that the client is configured with. */
  constructor(relayOrigin: string, pins: readonly string[], keeper: Keeper | undefined) {
    this.#relayOrigin = relayOrigin;
    this.#pins = pins;
    this.#keeper = keeper;
  }

  /** Takes the identity of a pairing, unless the origin or the client already has one, which is then stored again. */
  async adopt(session: Session): Promise<void> {
    const own = this.#identity ?? identityOf(session);
    if (own.token === '') return;
    this.#identity = await this.#keep((present) => (this.#trusts(present) ? present : own), own);
  }

  /** The fields for a message of this session; empty when the session has the same identity. */
  fieldsIn(session: Session): [string, string][] {
    const token = this.#identity?.token;
    return token === undefined || token === identityOf(session).token ? [] : [[CLIENT_ID_FIELD, token]];
  }

  /**
   * Takes what a response says of the identity: it is renewed, or refused and replaced by that of this session.
   * @param sent the fields of its request. Of several that were sent with one identity, the first response decides.
   * @returns true if it was replaced, so that cookie records no longer open.
   */
  async take(session: Session, headers: Fields, sent: Fields): Promise<boolean> {
    const [, value] = headers.find(([name]) => name === CLIENT_ID_FIELD) ?? [];
    if (value === undefined || !TOKEN.test(value)) return false;
    const [, former] = sent.find(([name]) => name === CLIENT_ID_FIELD) ?? [];
    if (former !== this.#identity?.token) return false;
    const next = value === REFUSED ? identityOf(session) : { token: value, pin: session.pin };
    // Unless another page has replaced it first.
    const decide = (present: KeptIdentity | undefined): KeptIdentity =>
      this.#trusts(present) && present.token !== former ? present : next;
    this.#identity = next; // at once, for the calls meanwhile
    const kept = await this.#keep(decide, next);
    if (this.#identity === next) this.#identity = kept;
    return value === REFUSED && kept.token === next.token;
  }

  #trusts(identity: KeptIdentity | undefined): identity is KeptIdentity {
    return identity !== undefined && this.#pins.includes(identity.pin) && TOKEN.test(identity.token);
  }

  /** @param own without storage: it then lasts as long as the page. */
  async #keep(decide: (present: KeptIdentity | undefined) => KeptIdentity, own: KeptIdentity): Promise<KeptIdentity> {
    return (await this.#keeper?.identity(this.#relayOrigin, decide).catch(() => own)) ?? own;
  }
}

function identityOf({ parameters, pin }: Session): KeptIdentity {
  return { token: base64url(parameters.clientId), pin };
}

function base64url(bytes: Bytes): string {
  const base64 = btoa(String.fromCharCode(...bytes));
  return base64.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}
