// The doctor's outer hop: requests with known connection, address and headers. fetch would hide them, follow redirects and
// decode content.
import { type ClientRequest, Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { isIPv6, type LookupFunction } from 'node:net';

/** Timeout of one request. */
const REQUEST_TIMEOUT_MS = 10_000;
/** Responses to the doctor's requests are never longer. */
const BODY_MAX_BYTES = 4 * 1024 * 1024;

/** A complete response on the outer hop. */
export interface OuterResponse {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  /** All values of a field, in order, so that a repeated field shows. */
  readonly values: (name: string) => readonly string[];
  readonly body: Buffer;
  /** From the call to the head, ms. */
  readonly headMs: number;
  /** From the call to the end, ms. */
  readonly totalMs: number;
}

export interface OuterRequest {
  readonly method: string;
  readonly target: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** True for a new connection. Default: the kept one. */
  readonly fresh?: boolean;
}

/** Connections to one relay. */
export class Hop {
  readonly url: URL;
  readonly #signal: AbortSignal;
  readonly #kept: HttpAgent;
  /** Reached addresses, for fresh connections in turn. Empty: any. */
  addresses: readonly string[] = [];
  /** Set once the certificate is trusted. Then later connections must have a trusted one too. */
  authorities: string[] | undefined;
  #turn = 0;

  /** @param signal ends every request. */
  constructor(url: URL, signal: AbortSignal) {
    this.url = url;
    this.#signal = signal;
    this.#kept = this.#oneConnection();
  }

  close(): void {
    this.#kept.destroy();
  }

  /** Host without the brackets of an IPv6 address. */
  get host(): string {
    return this.url.hostname.replace(/^\[|\]$/g, '');
  }

  get port(): number {
    return Number(this.url.port) || (this.#isTls ? 443 : 80);
  }

  get #isTls(): boolean {
    return this.url.protocol === 'https:';
  }

  /** One request and its complete response. Rejects with the system's error, or `TimeoutError`. */
  async send(outer: OuterRequest): Promise<OuterResponse> {
    const beganMs = performance.now();
    const req = this.open(outer);
    req.end(outer.body);
    const res = await responseOf(req);
    const headMs = performance.now() - beganMs;
    const body = await bodyOf(res);
    return {
      status: res.statusCode as number,
      headers: res.headers,
      values: (name) => valuesOf(res, name),
      body,
      headMs,
      totalMs: performance.now() - beganMs,
    };
  }

  /** Begins a request. The caller writes its body. */
  open({ method, target, headers, fresh, body }: OuterRequest): ClientRequest {
    const request = this.#isTls ? requestHttps : requestHttp;
    // keep-alive on fresh connections too: with "close", an early response would end the upload.
    const agent = fresh ? this.#oneConnection() : this.#kept;
    const length = body && { 'content-length': String(body.length) };
    const req = request({
      hostname: this.host,
      port: this.port,
      method,
      path: target,
      headers: { host: this.url.host, ...length, ...headers },
      agent,
      signal: AbortSignal.any([this.#signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]),
      // A separate check covers the certificate. With a bad one the other checks still run, and send only public data or
      // data sealed to a pinned key.
      ...(this.authorities ? { ca: this.authorities } : { rejectUnauthorized: false }),
      ...(fresh && this.addresses.length > 0 && { lookup: lookupTo(this.#nextAddress()) }),
    });
    if (fresh) req.on('close', () => agent.destroy());
    return req;
  }

  #oneConnection(): HttpAgent {
    const options = { keepAlive: true, maxSockets: 1 };
    return this.#isTls ? new HttpsAgent(options) : new HttpAgent(options);
  }

  #nextAddress(): string {
    this.#turn += 1;
    return this.addresses[this.#turn % this.addresses.length] as string;
  }
}

/** Resolves with the head of the response. Reading the body reports later failures. */
export function responseOf(req: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    req.on('response', resolve);
    req.on('error', reject); // has no effect after the response
    req.on('upgrade', (_res, socket) => {
      socket.destroy();
      reject(new Error('the server switches protocols without being asked'));
    });
  });
}

export async function bodyOf(res: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of res) {
    bytes += (piece as Buffer).length;
    if (bytes > BODY_MAX_BYTES) throw new Error(`the response is longer than ${BODY_MAX_BYTES} bytes`);
    pieces.push(piece as Buffer);
  }
  return Buffer.concat(pieces);
}

/** The reason of a failure, from the system or a timeout. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError' || error.name === 'AbortError') return 'timed out';
  const { code } = error as { code?: string };
  return code && !error.message.includes(code) ? `${code}: ${error.message}` : error.message;
}

function valuesOf({ rawHeaders }: IncomingMessage, name: string): string[] {
  return rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === name);
}

function lookupTo(address: string): LookupFunction {
  const family = isIPv6(address) ? 6 : 4;
  return (_host, options, callback) => {
    if (options.all) callback(null, [{ address, family }]);
    else callback(null, address, family);
  };
}
