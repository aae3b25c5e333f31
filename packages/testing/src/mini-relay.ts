// A relay of the protocol's relay side alone, in front of an API that is a function. It opens no socket and uses nothing
// but the language, for engines that have no more. The server's own rules, limits and fields are not here.
import {
  type Awaitable,
  acceptPairing,
  asciiBytes,
  type Bytes,
  concatBytes,
  decodeCancel,
  decodeWhole,
  encodeCancelResult,
  encodeContent,
  encodeEnd,
  encodeResponse,
  encodeResponseStart,
  type Fields,
  INNER_FAILURE,
  INNER_FAILURE_FIELD,
  type InnerCode,
  type KemKeyPair,
  keyIdOf,
  MESSAGE_HEADER_BYTES,
  MESSAGE_TYPE_CANCEL,
  type MessageHeader,
  OUTER_STATUS,
  type OuterCode,
  ProtocolError,
  parseMessageHeader,
  parsePairingRequest,
  type RelayIdentity,
  ReplayWindow,
  type RequestHead,
  RequestOpener,
  ResponseSealer,
  SENT_FIELD,
  type SessionParameters,
  type SyncExpandKey,
  type SyncSuite,
  TIME_FIELD,
} from '@mte-relay/protocol';

const CHUNK_BYTES = 65_536;

/** A request as the API sees it. */
export interface ApiRequest extends RequestHead {
  readonly content: Bytes;
  /** When the request was sealed, in the relay's time, ms since 1970. */
  readonly sentMs: number;
}

export interface ApiResponse {
  /** Default: 200. */
  readonly status?: number;
  readonly headers?: Fields;
  /** Default: none. Each piece of a stream is sealed by itself. */
  readonly content?: Bytes | AsyncIterable<Bytes>;
}

/** Undefined: no response ever comes. */
export type Api = (request: ApiRequest) => Awaitable<ApiResponse | undefined>;

/** A response on the outer hop. */
export interface OuterResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Bytes | AsyncIterable<Bytes>;
}

/** A provider of cryptography, and its way from a seed to a key pair. */
export interface Provider {
  readonly suite: SyncSuite;
  readonly keyPair: (seed: Bytes) => Awaitable<KemKeyPair>;
}

interface StoredSession {
  /** Of the pairing; every request must name it (SPEC §9.3). */
  readonly authority: string;
  readonly requestSecret: SyncExpandKey;
  readonly responseSecret: SyncExpandKey;
  readonly window: ReplayWindow;
}

const MESSAGE_LIMIT = 1_048_576;
/** How old a request may be. */
const MESSAGE_AGE_MAX_MS = 120_000;

export class MiniRelay {
  readonly #provider: Provider;
  readonly #api: Api;
  #identity: RelayIdentity | undefined;
  #pin = '';
  #sessions = new Map<string, StoredSession>();
  #epochMs = Date.now() - 60_000;
  #pairings = 0;
  /** Over its own session parameters. */
  parameters: Partial<SessionParameters> = {};
  /** How far its clock is ahead of this machine's, ms. */
  aheadMs = 0;

  /** It has a key once {@link useKey} has resolved. */
  constructor(provider: Provider, api: Api) {
    this.#provider = provider;
    this.#api = api;
  }

  /** @param seed 32 bytes that its key is made of: the same seed has the same pin */
  static async start(provider: Provider, api: Api, seed: Bytes): Promise<MiniRelay> {
    const relay = new MiniRelay(provider, api);
    await relay.useKey(seed);
    return relay;
  }

  /** From now on its key is that of this seed, of 32 bytes. */
  async useKey(seed: Bytes): Promise<void> {
    const { suite } = this.#provider;
    const keyPair = await this.#provider.keyPair(seed);
    this.#identity = { keyPair, keyId: await keyIdOf(suite, keyPair.publicKey) };
    this.#pin = `sha256-${base64(await suite.hash(keyPair.publicKey))}`;
  }

  get pin(): string {
    return this.#pin;
  }

  /** A restart with an empty store, which is as old as given. */
  restart(storeAgeMs = 0): void {
    this.#sessions = new Map();
    this.#epochMs = Date.now() - storeAgeMs;
  }

  /** Sessions are lost but the store stays: nothing proves what ran. */
  forgetSessions(): void {
    this.#sessions = new Map();
  }

  /** Undefined: no response ever comes. @throws ProtocolError when a message does not open */
  async respond(path: string, body: Bytes): Promise<OuterResponse | undefined> {
    if (path === '/api/mte-relay') return this.#discovery();
    if (path === '/api/mte-pair') return await this.#pair(body);
    return await this.#exchange(body);
  }

  #discovery(): OuterResponse {
    const { keyPair, keyId } = this.#identity as RelayIdentity;
    const document = {
      versions: [1],
      suite: 1,
      keyId: [...keyId].map((byte) => byte.toString(16).padStart(2, '0')).join(''),
      publicKey: base64(keyPair.publicKey),
      endpoints: { pair: '/api/mte-pair', exchange: '/api/mte' },
    };
    return { status: 200, headers: { 'content-type': 'application/json' }, body: asciiBytes(JSON.stringify(document)) };
  }

  async #pair(body: Bytes): Promise<OuterResponse> {
    const { suite } = this.#provider;
    this.#pairings += 1;
    const parameters: SessionParameters = {
      sid: suite.randomBytes(16),
      lifetimeMs: 3_600_000,
      idleMs: 900_000,
      messageLimit: MESSAGE_LIMIT,
      window: 1024,
      requestBodyMaxBytes: 100_000_000,
      storeEpochMs: this.#epochMs,
      storeAgeMs: Date.now() - this.#epochMs,
      lineage: asciiBytes('a sole instance.'),
      relayTimeMs: this.#timeMs,
      messageAgeMaxMs: MESSAGE_AGE_MAX_MS,
      padToBytes: 0,
      clientId: asciiBytes(`client-${this.#pairings}`),
      cookiesFromScript: [],
      ...this.parameters,
    };
    try {
      const request = parsePairingRequest(body);
      const accepted = await acceptPairing(suite, this.#identity as RelayIdentity, request, () => parameters);
      this.#sessions.set(parameters.sid.join(), {
        authority: request.authority,
        requestSecret: suite.importExpandKey(accepted.secrets.request),
        responseSecret: suite.importExpandKey(accepted.secrets.response),
        window: new ReplayWindow(),
      });
      return { status: 200, headers: { 'content-type': 'application/mte-relay-pairing' }, body: accepted.reply };
    } catch (error) {
      return refusal(error instanceof ProtocolError && error.code === 'key-unknown' ? 'key-unknown' : 'malformed');
    }
  }

  async #exchange(body: Bytes): Promise<OuterResponse | undefined> {
    const header = parseMessageHeader(body);
    const session = this.#sessions.get(header.sid.join());
    if (!session || header.n >= MESSAGE_LIMIT) return refusal('session-unknown');
    const plaintext = open(session, header, body.subarray(MESSAGE_HEADER_BYTES));
    if (session.window.claim(header.n) !== 'fresh') return refusal('replayed');
    const sealer = new ResponseSealer(this.#provider.suite, session.responseSecret, header);
    if (header.type === MESSAGE_TYPE_CANCEL) {
      const n = decodeCancel(plaintext);
      return sealedResponse(sealer.sealFinal(encodeCancelResult(n, session.window.claim(n) === 'fresh')));
    }
    const { head, content } = decodeWhole<RequestHead>('request', plaintext);
    if (head.authority !== session.authority)
      throw new Error(`authority ${head.authority}, paired ${session.authority}`);
    const sent = head.headers.find(([name]) => name === SENT_FIELD)?.[1] ?? '';
    if (!/^\d{1,15}$/.test(sent)) return sealedResponse(sealed(sealer, failure('request-malformed')));
    const sentMs = Number(sent);
    if (Math.abs(this.#timeMs - sentMs) > MESSAGE_AGE_MAX_MS) {
      const stale = failure('request-stale', [[TIME_FIELD, String(this.#timeMs)]]);
      return sealedResponse(sealed(sealer, stale));
    }
    const headers = head.headers.filter(([name]) => name !== SENT_FIELD);
    const given = await this.#api({ ...head, headers, content, sentMs });
    return given && sealedResponse(sealed(sealer, given));
  }

  get #timeMs(): number {
    return Date.now() + this.aheadMs;
  }
}

function failure(code: InnerCode, fields: Fields = []): ApiResponse {
  return { status: INNER_FAILURE[code].status, headers: [[INNER_FAILURE_FIELD, code], ...fields] };
}

function sealed(
  sealer: ResponseSealer,
  { status = 200, headers = [], content = new Uint8Array(0) }: ApiResponse,
): Bytes | AsyncIterable<Bytes> {
  if (!(content instanceof Uint8Array)) return sealPieces(sealer, encodeResponseStart({ status, headers }), content);
  const whole = encodeResponse({ status, headers }, content);
  const chunks: Bytes[] = [];
  let at = 0;
  for (; whole.length - at > CHUNK_BYTES; at += CHUNK_BYTES)
    chunks.push(sealer.seal(whole.subarray(at, at + CHUNK_BYTES)));
  return concatBytes([...chunks, sealer.sealFinal(whole.subarray(at))]);
}

async function* sealPieces(sealer: ResponseSealer, start: Bytes, content: AsyncIterable<Bytes>): AsyncGenerator<Bytes> {
  yield sealer.seal(start);
  for await (const piece of content) yield sealer.seal(encodeContent(piece));
  yield sealer.sealFinal(encodeEnd());
}

function open(session: StoredSession, header: MessageHeader, sealedChunks: Bytes): Bytes {
  const opener = new RequestOpener(session.requestSecret, header);
  const parts: Bytes[] = [];
  opener.push(sealedChunks);
  for (let part = opener.next(); part; part = opener.next()) {
    if (part.length > CHUNK_BYTES) throw new Error(`a chunk of ${part.length} bytes`);
    parts.push(new Uint8Array(part));
  }
  parts.push(opener.end());
  return concatBytes(parts);
}

/** A sealed response on the outer hop, or bytes in its place. */
export function sealedResponse(body: Bytes | AsyncIterable<Bytes>): OuterResponse {
  return { status: 200, headers: { 'content-type': 'application/mte-relay' }, body };
}

/** An outer refusal as a relay makes it, and as any intermediary can. */
export function refusal(code: OuterCode, headers: Readonly<Record<string, string>> = {}): OuterResponse {
  const status = OUTER_STATUS[code];
  const body = asciiBytes(JSON.stringify({ status, code }));
  return { status, headers: { 'content-type': 'application/problem+json', ...headers }, body };
}

function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}
