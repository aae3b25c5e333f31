// A small relay for tests, over a real socket, with a hostile box in front of it that a test may set: the box sees
// every outer request, may forward it or not, and answers what it likes.
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  acceptPairing,
  BhttpDecoder,
  type Bytes,
  concatBytes,
  copyBytes,
  decodeCancel,
  encodeCancelResult,
  encodeContent,
  encodeEnd,
  encodeResponse,
  encodeResponseStart,
  type Fields,
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
  type SessionParameters,
  type SyncExpandKey,
} from '@mte-relay/protocol';
import { nodeSuite, xwingKeyPairFromSeed } from '@mte-relay/protocol/node';

const suite = nodeSuite();

/** What the backend sees. */
export interface InnerCall extends RequestHead {
  readonly content: Buffer;
}

/** What the backend answers. */
export interface InnerAnswer {
  readonly status?: number;
  readonly headers?: Fields;
  readonly content?: string | Uint8Array | AsyncIterable<Uint8Array>;
}

/** An outer answer; `cutAtBytes` sends that many bytes of the body and destroys the connection. */
export interface OuterAnswer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: Bytes | AsyncIterable<Bytes>;
  readonly cutAtBytes?: number;
}

/** An outer request as the box sees it. */
export interface OuterCall {
  readonly path: string;
  readonly body: Bytes;
  /** Undefined unless it is a sealed message. */
  readonly header: MessageHeader | undefined;
  /** Lets the relay have it. */
  forward(): Promise<OuterAnswer>;
}

interface StoredSession {
  readonly requestSecret: SyncExpandKey;
  readonly responseSecret: SyncExpandKey;
  readonly window: ReplayWindow;
}

export class TestRelay {
  readonly #server = createServer((request, response) => void this.#serve(request, response));
  #identity!: RelayIdentity;
  #sessions = new Map<string, StoredSession>();
  #epochMs = Date.now() - 60_000;
  #sids = 0;

  /** The backend. */
  upstream: (call: InnerCall) => InnerAnswer | Promise<InnerAnswer> = () => ({ content: 'ok' });
  /** The hostile box; gives the answer, or undefined to reset the connection. */
  box: ((call: OuterCall) => Promise<OuterAnswer | undefined>) | undefined;
  /** Overrides of the session parameters. */
  parameters: Partial<SessionParameters> = {};
  /** Everything the backend has run. */
  readonly ran: InnerCall[] = [];
  /** Outer requests by path. */
  readonly outer: string[] = [];
  /** Outer requests whose connection the client ended. */
  closedEarly = 0;

  static async start(seed = 1): Promise<TestRelay> {
    const relay = new TestRelay();
    await relay.useKey(seed);
    await new Promise<void>((resolve) => relay.#server.listen(0, '127.0.0.1', resolve));
    return relay;
  }

  async useKey(seed: number): Promise<void> {
    const keyPair = xwingKeyPairFromSeed(new Uint8Array(32).fill(seed));
    this.#identity = { keyPair, keyId: await keyIdOf(suite, keyPair.publicKey) };
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get pin(): string {
    return `sha256-${createHash('sha256').update(this.#identity.keyPair.publicKey).digest('base64')}`;
  }

  count(path: string): number {
    return this.outer.filter((seen) => seen === path).length;
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

  /** Refuses new connections; those that are open go on. */
  refuseConnections(): void {
    this.#server.close();
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? '';
    this.outer.push(path);
    response.on('close', () => {
      if (!response.writableFinished) this.closedEarly += 1;
    });
    try {
      const parts: Buffer[] = [];
      for await (const part of request) parts.push(part);
      const body = copyBytes(Buffer.concat(parts));
      const header = path === '/api/mte' && body.length >= MESSAGE_HEADER_BYTES ? parseMessageHeader(body) : undefined;
      const forward = (): Promise<OuterAnswer> => this.#handle(path, body);
      const answer = await (this.box ? this.box({ path, body, header, forward }) : forward());
      if (!answer) return void request.socket.destroy();
      await write(response, answer);
    } catch {
      request.socket.destroy();
    }
  }

  #handle(path: string, body: Bytes): Promise<OuterAnswer> {
    if (path === '/api/mte-relay') return Promise.resolve(this.#discovery());
    if (path === '/api/mte-pair') return this.#pair(body);
    return this.#exchange(body);
  }

  #discovery(): OuterAnswer {
    const { keyPair, keyId } = this.#identity;
    const document = {
      versions: [1],
      suite: 1,
      keyId: Buffer.from(keyId).toString('hex'),
      publicKey: Buffer.from(keyPair.publicKey).toString('base64'),
      endpoints: { pair: '/api/mte-pair', exchange: '/api/mte' },
    };
    return { status: 200, headers: { 'content-type': 'application/json' }, body: bytes(JSON.stringify(document)) };
  }

  async #pair(body: Bytes): Promise<OuterAnswer> {
    try {
      this.#sids += 1;
      const parameters: SessionParameters = {
        sid: copyBytes(suite.randomBytes(16)),
        lifetimeMs: 3_600_000,
        idleMs: 900_000,
        messageLimit: 1_048_576,
        window: 1024,
        requestBodyMaxBytes: 100_000_000,
        storeEpochMs: this.#epochMs,
        storeAgeMs: Date.now() - this.#epochMs,
        clientId: bytes(`client-${this.#sids}`),
        ...this.parameters,
      };
      const accepted = await acceptPairing(suite, this.#identity, parsePairingRequest(body), () => parameters);
      this.#sessions.set(hex(parameters.sid), {
        requestSecret: suite.importExpandKey(accepted.secrets.request),
        responseSecret: suite.importExpandKey(accepted.secrets.response),
        window: new ReplayWindow(),
      });
      return { status: 200, headers: { 'content-type': 'application/mte-relay-pairing' }, body: accepted.reply };
    } catch (error) {
      return refusal(error instanceof ProtocolError && error.code === 'key-unknown' ? 'key-unknown' : 'malformed');
    }
  }

  async #exchange(body: Bytes): Promise<OuterAnswer> {
    const header = parseMessageHeader(body);
    const session = this.#sessions.get(hex(header.sid));
    if (!session) return refusal('session-unknown');
    const plaintext = open(session, header, body.subarray(MESSAGE_HEADER_BYTES));
    if (session.window.claim(header.n) !== 'fresh') return refusal('replayed');
    const sealer = new ResponseSealer(suite, session.responseSecret, header);
    if (header.type === MESSAGE_TYPE_CANCEL) {
      const n = decodeCancel(plaintext);
      return sealedAnswer(sealer.sealFinal(encodeCancelResult(n, session.window.claim(n) === 'fresh')));
    }
    const call = decodeCall(plaintext);
    this.ran.push(call);
    const answer = await this.upstream(call);
    const head = { status: answer.status ?? 200, headers: answer.headers ?? [] };
    const content = answer.content ?? '';
    if (typeof content === 'string' || content instanceof Uint8Array) {
      const whole = encodeResponse(head, typeof content === 'string' ? bytes(content) : copyBytes(content));
      const parts: Bytes[] = [];
      let at = 0;
      for (; whole.length - at > 65_536; at += 65_536) parts.push(sealer.seal(whole.subarray(at, at + 65_536)));
      return sealedAnswer(concatBytes([...parts, sealer.sealFinal(whole.subarray(at))]));
    }
    return sealedAnswer(sealPieces(sealer, encodeResponseStart(head), content));
  }
}

async function* sealPieces(
  sealer: ResponseSealer,
  start: Bytes,
  content: AsyncIterable<Uint8Array>,
): AsyncGenerator<Bytes> {
  yield sealer.seal(start);
  for await (const piece of content) yield sealer.seal(encodeContent(copyBytes(piece)));
  yield sealer.sealFinal(encodeEnd());
}

function open(session: StoredSession, header: MessageHeader, sealed: Bytes): Bytes {
  const opener = new RequestOpener(session.requestSecret, header);
  const parts: Bytes[] = [];
  opener.push(sealed);
  for (let part = opener.next(); part; part = opener.next()) {
    if (part.length > 65_536) throw new Error('chunk too large');
    parts.push(part);
  }
  parts.push(opener.end());
  return concatBytes(parts);
}

function decodeCall(plaintext: Bytes): InnerCall {
  let head: RequestHead | undefined;
  const content: Bytes[] = [];
  const decoder = new BhttpDecoder<RequestHead>('request', {
    onHead: (decoded) => {
      head = decoded;
    },
    onContent: (piece) => content.push(copyBytes(piece)),
    onEnd: () => undefined,
  });
  decoder.push(plaintext);
  decoder.end();
  return { ...(head as RequestHead), content: Buffer.concat(content) };
}

async function write(response: ServerResponse, answer: OuterAnswer): Promise<void> {
  response.writeHead(answer.status, answer.headers);
  response.flushHeaders();
  let left = answer.cutAtBytes ?? Number.POSITIVE_INFINITY;
  const closed = new Promise((resolve) => response.once('close', resolve));
  const pieces = answer.body instanceof Uint8Array ? [answer.body] : answer.body;
  for await (const piece of pieces) {
    if (response.destroyed) return;
    const part = piece.subarray(0, left);
    left -= part.length;
    if (!response.write(part)) await Promise.race([closed, new Promise((resolve) => response.once('drain', resolve))]);
    if (left === 0) break;
  }
  if (left > 0) return void response.end();
  await new Promise((resolve) => setTimeout(resolve, 20)); // what was written arrives before the cut
  response.destroy();
}

export function sealedAnswer(body: Bytes | AsyncIterable<Bytes>): OuterAnswer {
  return { status: 200, headers: { 'content-type': 'application/mte-relay' }, body };
}

/** An outer refusal as a relay makes it; anybody on the way can make the same. */
export function refusal(code: OuterCode, headers: Record<string, string> = {}): OuterAnswer {
  const status = OUTER_STATUS[code];
  const body = bytes(JSON.stringify({ status, code }));
  return { status, headers: { 'content-type': 'application/problem+json', ...headers }, body };
}

export function bytes(text: string): Bytes {
  return copyBytes(Buffer.from(text));
}

function hex(value: Uint8Array): string {
  return Buffer.from(value).toString('hex');
}

/** A header of a call, joined as fetch joins them. */
export function field(call: InnerCall | undefined, name: string): string | undefined {
  const values = call?.headers.filter(([candidate]) => candidate === name).map(([, value]) => value);
  return values?.length ? values.join(', ') : undefined;
}
