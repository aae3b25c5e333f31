// Discovery and pairing: from the relay's address to a session (SPEC §3). Discovery is unauthenticated: the client takes
// only a public key from it, and checks the key against the pins.
import {
  type Bytes,
  CONTENT_TYPE_PAIRING,
  FLAG_HTTPS,
  KEM_PUBLIC_KEY_BYTES,
  PATH_DISCOVERY,
  PATH_PAIR,
  PROTOCOL_VERSION,
  ProtocolError,
  pinOfDigest,
  SUITE_ID,
  type Suite,
  startPairing,
} from '@mte-relay/protocol';
import { URL } from '#url';
import { orAborted } from '../abort.ts';
import { RelayClientError } from '../api/errors.ts';
import type { PinMismatch } from '../api/types.ts';
import { discard, outerError, readRefusal, readUpTo, type Transport } from '../outer/transport.ts';
import type { Platform } from '../platform/platform.ts';
import { Session } from './session.ts';

const STATUS_KEY_UNKNOWN = 422;

/** Creates sessions with one relay. */
export class Pairer {
  readonly #origin: URL;
  readonly #platform: Platform;
  readonly #transport: Transport;
  readonly #suite: Suite;
  readonly #pins: Set<string>;
  readonly #timeoutMs: number;
  readonly #pinned: boolean;
  readonly #closing: AbortSignal;
  readonly #onPinMismatch: (mismatch: PinMismatch) => void;
  #key: RelayKey | undefined;
  /** Pin of the key that the relay last refused as unknown. */
  #refusedPin: string | undefined;

  constructor(
    origin: URL,
    platform: Platform,
    transport: Transport,
    suite: Suite,
    options: {
      readonly pins: readonly string[];
      readonly timeoutMs: number;
      readonly closing: AbortSignal;
      readonly onPinMismatch: (mismatch: PinMismatch) => void;
    },
  ) {
    this.#origin = origin;
    this.#platform = platform;
    this.#transport = transport;
    this.#suite = suite;
    this.#pins = new Set(options.pins);
    this.#pinned = options.pins.length > 0;
    this.#timeoutMs = options.timeoutMs;
    this.#closing = options.closing;
    this.#onPinMismatch = options.onPinMismatch;
  }

  /** A new session. Throws RelayClientError `unreachable`, `relay-refused`, `pairing-failed`, `pin-mismatch`. */
  async pair(): Promise<Session> {
    const signal = AbortSignal.any([this.#closing, AbortSignal.timeout(this.#timeoutMs)]);
    try {
      const session = await orAborted(this.#attempt(signal), signal);
      if (session) return session;
      // The relay has changed its key. The pins, or the first key seen, still decide whether the client trusts it.
      this.#refusedPin = this.#key?.pin;
      this.#key = undefined;
      const again = await orAborted(this.#attempt(signal), signal);
      if (again) return again;
    } catch (error) {
      if (signal.aborted && !this.#closing.aborted) {
        throw new RelayClientError('unreachable', `pairing took longer than ${this.#timeoutMs} ms`, { cause: error });
      }
      throw error;
    }
    throw new RelayClientError('pairing-failed', 'the relay does not hold the key that its discovery names');
  }

  get #flags(): number {
    const { pairingFlags } = this.#platform;
    return pairingFlags !== 0 && this.#origin.protocol === 'https:' ? pairingFlags | FLAG_HTTPS : pairingFlags;
  }

  /** Undefined when the relay does not hold the key. */
  async #attempt(signal: AbortSignal): Promise<Session | undefined> {
    this.#key ??= await this.#discover(signal);
    const { bytes: publicKey, pin } = this.#key;
    const pairing = await startPairing(this.#suite, publicKey, {
      authority: this.#origin.host,
      flags: this.#flags,
    });
    const outcome = await this.#transport.post({
      url: new URL(PATH_PAIR, this.#origin).href,
      contentType: CONTENT_TYPE_PAIRING,
      body: pairing.message,
      signal,
      ...(this.#flags !== 0 && { credentials: 'include' }), // the relay gives a browser its jar keys (SPEC §9.4)
    });
    if (!('response' in outcome)) throw outerError(outcome, 'the pairing', false);
    const { response } = outcome;
    if (response.status === STATUS_KEY_UNKNOWN) {
      discard(response);
      return undefined;
    }
    if (response.status !== 200) throw outerError(await readRefusal(response), 'the pairing', false);
    const type = response.headers.get('content-type');
    const reply = await bodyOf(response, 'the pairing', signal);
    try {
      if (type !== CONTENT_TYPE_PAIRING) throw new ProtocolError('malformed', `type ${type}`);
      const { parameters, secrets } = await pairing.finish(reply);
      return await Session.create(this.#suite, parameters, secrets, pin);
    } catch (cause) {
      throw new RelayClientError('pairing-failed', `the pairing response was refused: ${messageOf(cause)}`, { cause });
    }
  }

  /**
   * The relay's public key that the client trusts. During a key rotation discovery shows several, newest first. The client
   * takes a key that was just refused only as a fallback, because relays behind one address do not rotate at the
   * same moment. A cached document without a trusted key, or with a refused one, is fetched again past the cache.
   */
  async #discover(signal: AbortSignal): Promise<RelayKey> {
    // A pinned key is trusted at any age of the document, and from a cache it does not cost a round trip.
    const cache = this.#refusedPin ? 'reload' : this.#pinned ? 'force-cache' : 'default';
    let shown = await this.#fetchKeys(signal, cache).catch((error: unknown) => {
      if (cache === 'reload') throw error; // else the cached document may come from an intermediary of another network
    });
    if (!shown || (this.#pins.size > 0 && !this.#trusted(shown))) shown = await this.#fetchKeys(signal, 'reload');
    const [newest] = shown as [RelayKey];
    if (this.#pins.size === 0) {
      console.warn(
        `mte-relay: no pins given, so the first key seen is trusted: ${this.#origin.origin} has ${newest.pin}`,
      );
      this.#pins.add(newest.pin);
    }
    const key = this.#trusted(shown);
    if (key) return key;
    const { origin: relay } = this.#origin;
    const trusted = [...this.#pins];
    this.#onPinMismatch({ relay, shown: newest.pin, trusted });
    throw new RelayClientError(
      'pin-mismatch',
      `${relay} shows key ${newest.pin}, ${this.#pinned ? 'pinned' : 'first seen'}: ${trusted.join(', ')}`,
    );
  }

  #trusted(shown: readonly RelayKey[]): RelayKey | undefined {
    const trusted = shown.filter(({ pin }) => this.#pins.has(pin));
    return trusted.find(({ pin }) => pin !== this.#refusedPin) ?? trusted[0];
  }

  async #fetchKeys(signal: AbortSignal, cache: RequestCache): Promise<RelayKey[]> {
    const url = new URL(PATH_DISCOVERY, this.#origin); // errors name it, because the address is the usual mistake
    let response: Response;
    try {
      const fetch = this.#transport.fetch;
      response = await fetch(url, { signal, cache, redirect: 'error' });
    } catch (cause) {
      if (signal.aborted) throw signal.reason;
      throw outerError({ kind: 'failed', cause }, url, false);
    }
    if (response.status !== 200) throw outerError(await readRefusal(response), url, false);
    const keys: RelayKey[] = [];
    for (const bytes of publicKeysIn(await bodyOf(response, url, signal))) {
      keys.push({ bytes, pin: pinOfDigest(await this.#suite.hash(bytes)) });
    }
    return keys;
  }
}

interface RelayKey {
  readonly bytes: Bytes;
  readonly pin: string;
}

/** Limit for responses of discovery and pairing. A relay's longest has some 8,000 bytes. */
const RESPONSE_MAX_BYTES = 32_768;

async function bodyOf(response: Response, what: string | URL, signal: AbortSignal): Promise<Bytes> {
  try {
    return await readUpTo(RESPONSE_MAX_BYTES, response);
  } catch (cause) {
    if (signal.aborted) throw signal.reason;
    if (cause instanceof ProtocolError)
      throw new RelayClientError('pairing-failed', `${what}: ${cause.message}`, { cause });
    throw outerError({ kind: 'failed', cause }, what, false);
  }
}

/** The client reads this many keys of a discovery document. A relay in rotation has two. */
const KEYS_MAX = 4;

/** The public keys of a discovery document, newest first, at least one. Throws `pairing-failed`. */
export function publicKeysIn(body: Bytes): Bytes[] {
  let document: { versions?: unknown; suite?: unknown; publicKey?: unknown; keys?: unknown } | null;
  let keys: Bytes[];
  try {
    document = JSON.parse(String.fromCharCode(...body));
    const shown: unknown[] = Array.isArray(document?.keys) ? document.keys.slice(0, KEYS_MAX) : [document];
    keys = shown.map((entry) => {
      const { publicKey } = entry as { publicKey?: unknown };
      return Uint8Array.from(atob(`${publicKey}`), (character) => character.charCodeAt(0));
    });
  } catch (cause) {
    throw new RelayClientError('pairing-failed', 'not a relay: discovery is not JSON with keys', { cause });
  }
  const speaks = Array.isArray(document?.versions) && document.versions.includes(PROTOCOL_VERSION);
  const whole = keys.length > 0 && keys.every((key) => key.length === KEM_PUBLIC_KEY_BYTES);
  if (!speaks || document?.suite !== SUITE_ID || !whole) {
    throw new RelayClientError(
      'pairing-failed',
      `the relay does not show a key of version ${PROTOCOL_VERSION} and suite ${SUITE_ID}`,
    );
  }
  return keys;
}

function messageOf(error: unknown): string {
  return error instanceof ProtocolError ? `${error.code}, ${error.message}` : String(error);
}
