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
  SUITE_ID,
  type Suite,
  startPairing,
} from '@mte-relay/protocol';
import { RelayClientError } from './errors.ts';
import type { Platform } from './platform/platform.ts';
import { Session } from './session.ts';
import { readRefusal, type Transport, unansweredError } from './transport.ts';

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
  readonly #closing = new AbortController();
  #key: { bytes: Bytes; pin: string } | undefined;

  constructor(
    origin: URL,
    platform: Platform,
    transport: Transport,
    suite: Suite,
    options: { pins: readonly string[]; timeoutMs: number },
  ) {
    this.#origin = origin;
    this.#platform = platform;
    this.#transport = transport;
    this.#suite = suite;
    this.#pins = new Set(options.pins);
    this.#pinned = options.pins.length > 0;
    this.#timeoutMs = options.timeoutMs;
  }

  /** Ends what is under way. */
  close(): void {
    this.#closing.abort(new RelayClientError('closed', 'the relay client was closed'));
  }

  /** One new session. Throws RelayClientError `unreachable`, `relay-refused`, `pairing-failed`, `pin-mismatch`. */
  async pair(): Promise<Session> {
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(this.#timeoutMs)]);
    try {
      const session = await this.#attempt(signal);
      if (session) return session;
      // The relay has another key by now. The pins, or the first key seen, still decide whether it is trusted.
      this.#key = undefined;
      const again = await this.#attempt(signal);
      if (again) return again;
    } catch (error) {
      if (signal.aborted && !this.#closing.signal.aborted) {
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
      credentials: undefined,
      keepalive: false,
    });
    if (!('response' in answer)) throw unansweredError(answer, 'the pairing', false);
    const { response } = answer;
    if (response.status === STATUS_KEY_UNKNOWN) {
      await response.body?.cancel();
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

  /** The relay's public key; a cached answer that is not trusted is asked for once more past the cache. */
  async #discover(signal: AbortSignal): Promise<{ bytes: Bytes; pin: string }> {
    let found = await this.#fetchKey(signal, 'default');
    if (this.#pins.size > 0 && !this.#pins.has(found.pin)) found = await this.#fetchKey(signal, 'reload');
    if (this.#pins.size === 0) {
      console.warn(
        `mte-relay: no pins given, so the first key seen is trusted: ${this.#origin.origin} has ${found.pin}`,
      );
      this.#pins.add(found.pin);
    }
    if (!this.#pins.has(found.pin)) {
      const trusted = this.#pinned ? 'pinned' : 'first seen';
      throw new RelayClientError(
        'pin-mismatch',
        `${this.#origin.origin} shows key ${found.pin}, ${trusted}: ${[...this.#pins].join(', ')}`,
      );
    }
    return found;
  }

  async #fetchKey(signal: AbortSignal, cache: RequestCache): Promise<{ bytes: Bytes; pin: string }> {
    let response: Response;
    try {
      const fetch = this.#transport.fetch;
      response = await fetch(new URL(PATH_DISCOVERY, this.#origin), { signal, cache, redirect: 'error' });
    } catch (cause) {
      if (signal.aborted) throw signal.reason;
      throw unansweredError({ kind: 'failed', cause }, 'discovery', false);
    }
    if (response.status !== 200) throw unansweredError(await readRefusal(response), 'discovery', false);
    const bytes = publicKeyIn(await bodyOf(response, 'discovery', signal));
    const digest = await this.#suite.hash(bytes);
    return { bytes, pin: `sha256-${btoa(String.fromCharCode(...digest))}` };
  }
}

async function bodyOf(response: Response, what: string, signal: AbortSignal): Promise<Bytes> {
  try {
    return new Uint8Array(await response.arrayBuffer());
  } catch (cause) {
    if (signal.aborted) throw signal.reason;
    throw unansweredError({ kind: 'failed', cause }, what, false);
  }
}

/** The public key of a discovery document. Throws `pairing-failed`. */
function publicKeyIn(body: Bytes): Bytes {
  let document: { versions?: unknown; suite?: unknown; publicKey?: unknown } | null;
  let key: Bytes;
  try {
    document = JSON.parse(new TextDecoder().decode(body));
    key = Uint8Array.from(atob(`${document?.publicKey}`), (character) => character.charCodeAt(0));
  } catch (cause) {
    throw new RelayClientError('pairing-failed', 'no mte-relay answers there: discovery is not its JSON', { cause });
  }
  const speaks = Array.isArray(document?.versions) && document.versions.includes(PROTOCOL_VERSION);
  if (!speaks || document?.suite !== SUITE_ID || key.length !== KEM_PUBLIC_KEY_BYTES) {
    throw new RelayClientError(
      'pairing-failed',
      `the relay speaks no version ${PROTOCOL_VERSION} with suite ${SUITE_ID}, or shows no key of that suite`,
    );
  }
  return key;
}

function messageOf(error: unknown): string {
  return error instanceof ProtocolError ? `${error.code}, ${error.message}` : String(error);
}
