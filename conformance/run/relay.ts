// A relay without sockets, from the protocol's relay side alone, in front of an API that is a function: for engines that
// can open no connection. What the server does besides (headers of its own, limits, rules) is not here.
import {
  acceptPairing,
  type Bytes,
  concatBytes,
  decodeWhole,
  encodeResponse,
  keyIdOf,
  MESSAGE_HEADER_BYTES,
  type MessageHeader,
  parseMessageHeader,
  parsePairingRequest,
  type RelayIdentity,
  ReplayWindow,
  type RequestHead,
  RequestOpener,
  ResponseSealer,
  type SessionParameters,
  type SyncExpandKey,
  type SyncSuite,
} from '@mte-relay/protocol';
import { hex } from '../twin/bytes.ts';
import { utf8 } from './case.ts';
import type { Provider } from './fixed-suite.ts';

/** What an API answers. */
export interface InnerAnswer {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Bytes;
}

/** The API behind the relay. Undefined: no answer ever comes. */
export type InnerApi = (head: RequestHead, content: Bytes) => InnerAnswer | undefined;

export interface OuterAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: Uint8Array;
}

interface StoredSession {
  readonly requestSecret: SyncExpandKey;
  readonly responseSecret: SyncExpandKey;
  readonly window: ReplayWindow;
}

const CHUNK_BYTES = 65_536;
const LIFETIME_MS = 3_600_000;

export class RelayInEngine {
  readonly #suite: SyncSuite;
  readonly #identity: RelayIdentity;
  readonly #api: InnerApi;
  readonly #sessions = new Map<string, StoredSession>();
  readonly pin: string;

  private constructor(suite: SyncSuite, identity: RelayIdentity, pin: string, api: InnerApi) {
    this.#suite = suite;
    this.#identity = identity;
    this.pin = pin;
    this.#api = api;
  }

  /** @param seed 32 bytes that its key is made of: the same seed has the same pin. */
  static async start({ suite, keyPair }: Provider<SyncSuite>, api: InnerApi, seed: Bytes): Promise<RelayInEngine> {
    const pair = await keyPair(seed);
    const digest = await suite.hash(pair.publicKey);
    const identity = { keyPair: pair, keyId: await keyIdOf(suite, pair.publicKey) };
    return new RelayInEngine(suite, identity, `sha256-${base64(digest)}`, api);
  }

  /** Undefined: no answer ever comes. */
  async answer(path: string, body: Bytes): Promise<OuterAnswer | undefined> {
    if (path === '/api/mte-relay') return this.#discovery();
    if (path === '/api/mte-pair') return this.#pair(body);
    return this.#exchange(body);
  }

  #discovery(): OuterAnswer {
    const { keyPair, keyId } = this.#identity;
    const shown = { versions: [1], suite: 1, keyId: hex(keyId), publicKey: base64(keyPair.publicKey) };
    return { status: 200, contentType: 'application/json', body: utf8(JSON.stringify(shown)) };
  }

  async #pair(body: Bytes): Promise<OuterAnswer> {
    const parameters: SessionParameters = {
      sid: this.#suite.randomBytes(16),
      lifetimeMs: LIFETIME_MS,
      idleMs: LIFETIME_MS,
      messageLimit: 1_048_576,
      window: 1024,
      requestBodyMaxBytes: 100_000_000,
      storeEpochMs: 1,
      storeAgeMs: 1,
      clientId: this.#suite.randomBytes(56),
    };
    const accepted = await acceptPairing(this.#suite, this.#identity, parsePairingRequest(body), () => parameters);
    this.#sessions.set(hex(parameters.sid), {
      requestSecret: this.#suite.importExpandKey(accepted.secrets.request),
      responseSecret: this.#suite.importExpandKey(accepted.secrets.response),
      window: new ReplayWindow(),
    });
    return { status: 200, contentType: 'application/mte-relay-pairing', body: accepted.reply };
  }

  #exchange(body: Bytes): OuterAnswer | undefined {
    const header = parseMessageHeader(body);
    const session = this.#sessions.get(hex(header.sid));
    if (!session) return { status: 401, contentType: 'application/problem+json', body: utf8('{}') };
    const plaintext = open(session, header, body.subarray(MESSAGE_HEADER_BYTES));
    if (session.window.claim(header.n) !== 'fresh') throw new Error(`number ${header.n} came twice`);
    const answered = this.#answered(plaintext);
    if (!answered) return undefined;
    const sealer = new ResponseSealer(this.#suite, session.responseSecret, header);
    const parts: Bytes[] = [];
    let at = 0;
    for (; answered.length - at > CHUNK_BYTES; at += CHUNK_BYTES) {
      parts.push(sealer.seal(answered.subarray(at, at + CHUNK_BYTES)));
    }
    parts.push(sealer.sealFinal(answered.subarray(at)));
    return { status: 200, contentType: 'application/mte-relay', body: concatBytes(parts) };
  }

  #answered(plaintext: Bytes): Bytes | undefined {
    const { head, content } = decodeWhole('request', plaintext) as { head: RequestHead; content: Bytes };
    const given = this.#api(head, content);
    if (!given) return undefined;
    const { status, body } = given;
    const headers = given.headers.map(([name, value]): [string, string] => [name.toLowerCase(), value]);
    if (status !== 204 && status !== 304) headers.push(['content-length', `${body.length}`]);
    return encodeResponse({ status, headers }, head.method === 'HEAD' ? utf8('') : body);
  }
}

function open(session: StoredSession, header: MessageHeader, sealed: Bytes): Bytes {
  const opener = new RequestOpener(session.requestSecret, header);
  const parts: Bytes[] = [];
  opener.push(sealed);
  for (let part = opener.next(); part; part = opener.next()) parts.push(new Uint8Array(part));
  parts.push(opener.end());
  return concatBytes(parts);
}

function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}
