// Discovery and pairing: from the relay's address to a session (SPEC §3). What discovery says is unauthenticated, so
// its one use is to bring a public key, and that is checked against the pins.
import {
  type Bytes,
  CONTENT_TYPE_PAIRING,
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
import { RelayClientError } from '../api/errors.ts';
import { discard, readRefusal, readUpTo, type Transport, unansweredError } from '../outer/transport.ts';
import type { Platform } from '../platform/platform.ts';
import { Session } from './session.ts';

const STATUS_KEY_UNKNOWN = 422;

/** Makes sessions with one relay. */
export class Pairer {
  readonly #origin: URL;
  readonly #platform: Platform;
  readonly #transport: Transport;
  readonly #suite: Suite;
  readonly #pins: Set<string>;
  readonly #timeoutMs: number;
  readonly #pinned: boolean;
  readonly #closing: AbortSignal;
  #key: RelayKey | undefined;
  /** Of the key that the relay last said it does not hold. */
  #refusedPin: string | undefined;

  constructor(
    origin: URL,
    platform: Platform,
    transport: Transport,
    suite: Suite,
    options: { pins: readonly string[]; timeoutMs: number; closing: AbortSignal },
  ) {
    this.#origin = origin;
    this.#platform = platform;
    this.#transport = transport;
    this.#suite = suite;
    this.#pins = new Set(options.pins);
    this.#pinned = options.pins.length > 0;
    this.#timeoutMs = options.timeoutMs;
    this.#closing = options.closing;
  }

  /** One new session. Throws RelayClientError `unreachable`, `relay-refused`, `pairing-failed`, `pin-mismatch`. */
  async pair(): Promise<Session> {
    const signal = AbortSignal.any([this.#closing, AbortSignal.timeout(this.#timeoutMs)]);
    try {
      const session = await this.#attempt(signal);
      if (session) return session;
      // The relay has another key by now. The pins, or the first key seen, still decide whether it is trusted.
      this.#refusedPin = this.#key?.pin;
      this.#key = undefined;
      const again = await this.#attempt(signal);
      if (again) return again;
    } catch (error) {
      if (signal.aborted && !this.#closing.aborted) {
        throw new RelayClientError('unreachable', `pairing took longer than ${this.#timeoutMs} ms`, { cause: error });
      }
      throw error;
    }
    throw new RelayClientError('pairing-failed', 'the relay does not hold the key that its discovery names');
  }

  /** Undefined when the relay says that it does not hold the key. */
  async #attempt(signal: AbortSignal): Promise<Session | undefined> {
    this.#key ??= await this.#discover(signal);
    const { bytes: publicKey, pin } = this.#key;
    const pairing = await startPairing(this.#suite, publicKey, {
      authority: this.#origin.host,
      flags: this.#platform.pairingFlags,
    });
    const answer = await this.#transport.post({
      url: new URL(PATH_PAIR, this.#origin).href,
      contentType: CONTENT_TYPE_PAIRING,
      body: pairing.message,
      signal,
    });
    if (!('response' in answer)) throw unansweredError(answer, 'the pairing', false);
    const { response } = answer;
    if (response.status === STATUS_KEY_UNKNOWN) {
      discard(response);
      return undefined;
    }
    if (response.status !== 200) throw unansweredError(await readRefusal(response), 'the pairing', false);
    const reply = await bodyOf(response, 'the pairing', signal);
    try {
      const { parameters, secrets } = await pairing.finish(reply);
      return await Session.create(this.#suite, parameters, secrets, pin);
    } catch (cause) {
      throw new RelayClientError(
        'pairing-failed',
        `the relay's answer to the pairing was refused: ${messageOf(cause)}`,
        {
          cause,
        },
      );
    }
  }

  /**
   * The relay's public key that is trusted. While a relay changes its key it shows several, newest first; one that it
   * has just refused comes last, since relays behind one address do not change at the same moment. What a cache says
   * is asked for once more past it, when it is no key, is not trusted, or led to a key that is gone.
   */
  async #discover(signal: AbortSignal): Promise<RelayKey> {
    // A pinned key is trusted however old the answer is that shows it, and costs no round trip from a cache.
    const cache = this.#refusedPin ? 'reload' : this.#pinned ? 'force-cache' : 'default';
    let shown = await this.#fetchKeys(signal, cache).catch((error: unknown) => {
      if (cache === 'reload') throw error; // else of a cache, perhaps, that a box on another network has filled
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
    const trusted = this.#pinned ? 'pinned' : 'first seen';
    throw new RelayClientError(
      'pin-mismatch',
      `${this.#origin.origin} shows key ${newest.pin}, ${trusted}: ${[...this.#pins].join(', ')}`,
    );
  }

  #trusted(shown: readonly RelayKey[]): RelayKey | undefined {
    const trusted = shown.filter(({ pin }) => this.#pins.has(pin));
    return trusted.find(({ pin }) => pin !== this.#refusedPin) ?? trusted[0];
  }

  async #fetchKeys(signal: AbortSignal, cache: RequestCache): Promise<RelayKey[]> {
    const url = new URL(PATH_DISCOVERY, this.#origin); // named in errors: most often the address is wrong
    let response: Response;
    try {
      const fetch = this.#transport.fetch;
      response = await fetch(url, { signal, cache, redirect: 'error' });
    } catch (cause) {
      if (signal.aborted) throw signal.reason;
      throw unansweredError({ kind: 'failed', cause }, url, false);
    }
    if (response.status !== 200) throw unansweredError(await readRefusal(response), url, false);
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

/** Longest answer to discovery or a pairing that is read; the longest that a relay makes has some 8,000. */
const ANSWER_MAX_BYTES = 32_768;

async function bodyOf(response: Response, what: string | URL, signal: AbortSignal): Promise<Bytes> {
  try {
    return await readUpTo(ANSWER_MAX_BYTES, response);
  } catch (cause) {
    if (signal.aborted) throw signal.reason;
    if (cause instanceof ProtocolError)
      throw new RelayClientError('pairing-failed', `${what}: ${cause.message}`, { cause });
    throw unansweredError({ kind: 'failed', cause }, what, false);
  }
}

/** Keys of a discovery document that are looked at: a relay in rotation has two. */
const KEYS_MAX = 4;

/** The public keys of a discovery document, newest first, at least one. Throws `pairing-failed`. */
function publicKeysIn(body: Bytes): Bytes[] {
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
    throw new RelayClientError('pairing-failed', 'no relay answers there: discovery is not its JSON', { cause });
  }
  const speaks = Array.isArray(document?.versions) && document.versions.includes(PROTOCOL_VERSION);
  const whole = keys.length > 0 && keys.every((key) => key.length === KEM_PUBLIC_KEY_BYTES);
  if (!speaks || document?.suite !== SUITE_ID || !whole) {
    throw new RelayClientError(
      'pairing-failed',
      `the relay shows no key of version ${PROTOCOL_VERSION} and suite ${SUITE_ID}`,
    );
  }
  return keys;
}

function messageOf(error: unknown): string {
  return error instanceof ProtocolError ? `${error.code}, ${error.message}` : String(error);
}
