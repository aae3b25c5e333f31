// A bare client for tests: seals messages with the protocol package and sends exactly the bytes that it is given,
// over node:http, so that a test can also send what no honest client would.
import { type Agent, type IncomingMessage, request } from 'node:http';
import {
  type Bytes,
  type ClientKeys,
  CONTENT_TYPE_MESSAGE,
  CONTENT_TYPE_PAIRING,
  concatBytes,
  decodeCancelResult,
  decodeWhole,
  encodeCancel,
  encodeRequest,
  type Fields,
  MESSAGE_TYPE_CANCEL,
  MESSAGE_TYPE_EXCHANGE,
  type MessageType,
  type PairingAttempt,
  type ResponseHead,
  SENT_FIELD,
  SealedExchange,
  type SessionParameters,
  type SyncExpandKey,
  startPairing,
} from '@mte-relay/protocol';
import { nodeSuite } from '@mte-relay/protocol/node';

const suite = nodeSuite();

/** A response on the outer hop. */
export interface OuterResponse {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Bytes;
  /** The `code` of a problem document. */
  readonly code: string | undefined;
}

/** An opened response. */
export interface InnerResponse {
  readonly outer: OuterResponse;
  readonly head: ResponseHead;
  readonly trailers: Fields;
  readonly informational: readonly ResponseHead[];
  readonly body: Bytes;
  readonly text: string;
  header(name: string): string | undefined;
}

export interface InnerRequest {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Fields;
  readonly body?: Bytes | string;
  readonly authority?: string;
  readonly scheme?: string;
}

/** Sends raw bytes; rejects when the connection breaks before the response is whole. */
export function send(
  port: number,
  path: string,
  options: {
    method?: string;
    headers?: Record<string, string>;
    body?: Uint8Array;
    agent?: Agent;
    signal?: AbortSignal;
  } = {},
): Promise<OuterResponse> {
  return new Promise((resolve, reject) => {
    const req = request(
      {
        port,
        host: '127.0.0.1',
        path,
        method: options.method ?? 'POST',
        headers: options.headers ?? {},
        agent: options.agent,
        ...(options.signal && { signal: options.signal }),
      },
      (res) => readResponse(res).then(resolve, reject),
    );
    req.on('error', reject);
    req.end(options.body);
  });
}

/** Rejects when the connection breaks before the response is whole. */
export function readResponse(res: IncomingMessage): Promise<OuterResponse> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    res.on('data', (part: Buffer) => parts.push(part));
    res.on('error', reject);
    res.on('end', () => {
      const body = new Uint8Array(Buffer.concat(parts));
      resolve({ status: res.statusCode ?? 0, headers: res.headers, body, code: problemCode(body) });
    });
  });
}

function problemCode(body: Bytes): string | undefined {
  try {
    const problem: unknown = JSON.parse(Buffer.from(body).toString());
    return (problem as { code?: string }).code;
  } catch {
    return undefined;
  }
}

/** The authority that a test's client addresses: of its pairing and of its requests. */
const TEST_AUTHORITY = 'relay.example';

export interface PairingOptions {
  /** Default: none. */
  readonly flags?: number;
  /** The authority that the client addresses; default relay.example. */
  readonly authority?: string;
  /** Of the outer requests. */
  readonly headers?: Record<string, string>;
  /** Default: the one that discovery shows first. */
  readonly publicKey?: Bytes;
}

/** An attempt to pair with the relay of this port; its message is not sent yet. */
export async function beginPairing(port: number, options: PairingOptions = {}): Promise<PairingAttempt> {
  const { flags = 0, authority = TEST_AUTHORITY, headers = {} } = options;
  const publicKey = options.publicKey ?? (await discoveredKey(port, headers));
  return await startPairing(suite, publicKey, { authority, flags });
}

/** Posts a pairing request, or any bytes in its place. */
export function postPairing(
  port: number,
  message: Uint8Array,
  headers: Record<string, string> = {},
): Promise<OuterResponse> {
  return send(port, '/api/mte-pair', { headers: { 'content-type': CONTENT_TYPE_PAIRING, ...headers }, body: message });
}

/** The keys of a session that can be used at once. */
interface SessionKeys extends ClientKeys {
  readonly requestSecret: SyncExpandKey;
  readonly responseSecret: SyncExpandKey;
}

/** One session with a relay on this machine. */
export class SealedClient {
  readonly port: number;
  readonly keys: SessionKeys;
  readonly parameters: SessionParameters;
  /** Of the outer response to the pairing. */
  readonly pairingHeaders: OuterResponse['headers'];
  /** The authority of the pairing, and of each request that names no other. */
  readonly authority: string;
  nextN = 0;

  /** @param pairing what an attempt to pair has given. @param of the pairing: its response's fields and its authority */
  constructor(
    port: number,
    { parameters, secrets }: Awaited<ReturnType<PairingAttempt['finish']>>,
    of: { readonly pairingHeaders?: OuterResponse['headers']; readonly authority?: string | undefined } = {},
  ) {
    this.port = port;
    this.pairingHeaders = of.pairingHeaders ?? {};
    this.authority = of.authority ?? TEST_AUTHORITY;
    this.parameters = parameters;
    this.keys = {
      sid: parameters.sid,
      requestSecret: suite.importExpandKey(secrets.request),
      responseSecret: suite.importExpandKey(secrets.response),
    };
  }

  /** @throws Error with the status of a refusal */
  static async pair(port: number, options: PairingOptions = {}): Promise<SealedClient> {
    const attempt = await beginPairing(port, options);
    const response = await postPairing(port, attempt.message, options.headers);
    if (response.status !== 200) throw new Error(`pairing refused: ${response.status} ${response.code}`);
    const { authority } = options;
    return new SealedClient(port, await attempt.finish(response.body), { pairingHeaders: response.headers, authority });
  }

  /** A sealed message of one chunk, and the exchange that opens its response. */
  async seal(
    plaintext: Bytes,
    type: MessageType = MESSAGE_TYPE_EXCHANGE,
    n: number = this.nextN++,
  ): Promise<{ exchange: SealedExchange; message: Bytes; n: number }> {
    const exchange = await SealedExchange.begin(suite, this.keys, type, n);
    return { exchange, message: concatBytes([exchange.header, await exchange.sealFinal(plaintext)]), n };
  }

  /** Posts message bytes. */
  post(message: Bytes, headers: Record<string, string> = {}): Promise<OuterResponse> {
    return send(this.port, '/api/mte', {
      headers: { 'content-type': CONTENT_TYPE_MESSAGE, ...headers },
      body: message,
    });
  }

  /** Seals a request, posts it and opens the response. */
  async fetch(request: InnerRequest, outerHeaders: Record<string, string> = {}): Promise<InnerResponse> {
    const { exchange, message } = await this.seal(plaintextOf({ authority: this.authority, ...request }));
    const outer = await this.post(message, outerHeaders);
    if (outer.status !== 200) throw new Error(`exchange refused: ${outer.status} ${outer.code}`);
    return openResponse(exchange, outer);
  }

  /** Cancels a message number. */
  async cancel(n: number): Promise<boolean> {
    const { exchange, message } = await this.seal(encodeCancel(n), MESSAGE_TYPE_CANCEL);
    const outer = await this.post(message);
    if (outer.status !== 200) throw new Error(`cancel refused: ${outer.status} ${outer.code}`);
    return decodeCancelResult(await opened(exchange, outer.body), n);
  }
}

/** The key that discovery shows first. @throws Error with the status of a refusal */
export async function discoveredKey(port: number, headers: Record<string, string> = {}): Promise<Bytes> {
  const { status, code, body } = await send(port, '/api/mte-relay', { method: 'GET', headers });
  if (status !== 200) throw new Error(`discovery refused: ${status} ${code}`);
  const { publicKey } = JSON.parse(Buffer.from(body).toString()) as { publicKey: string };
  return new Uint8Array(Buffer.from(publicKey, 'base64'));
}

/** The fields with the time at which the request is sealed (SPEC §7): now, unless they have one. */
export function withSentTime(headers: Fields = []): Fields {
  if (headers.some(([name]) => name === SENT_FIELD)) return headers;
  return [...headers, [SENT_FIELD, String(Date.now())]];
}

/** Binary HTTP of a request. */
export function plaintextOf(request: InnerRequest): Bytes {
  const body = typeof request.body === 'string' ? new TextEncoder().encode(request.body) : request.body;
  return encodeRequest(
    {
      method: request.method ?? 'GET',
      scheme: request.scheme ?? 'http',
      authority: request.authority ?? TEST_AUTHORITY,
      path: request.path ?? '/',
      headers: withSentTime(request.headers),
    },
    body ?? new Uint8Array(0),
  );
}

export async function openResponse(exchange: SealedExchange, outer: OuterResponse): Promise<InnerResponse> {
  const { head, content, trailers, informational } = decodeWhole<ResponseHead>(
    'response',
    await opened(exchange, outer.body),
  );
  return {
    outer,
    head,
    trailers,
    informational,
    body: content,
    text: Buffer.from(content).toString(),
    header: (name) => head.headers.find(([candidate]) => candidate === name)?.[1],
  };
}

/** The plaintext of a response. */
export async function opened(exchange: SealedExchange, body: Bytes): Promise<Bytes> {
  const parts: Bytes[] = [];
  async function* source(): AsyncGenerator<Bytes> {
    yield body;
  }
  for await (const part of exchange.openResponse(source())) parts.push(part);
  return concatBytes(parts);
}
