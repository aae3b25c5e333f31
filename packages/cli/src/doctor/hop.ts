// The outer hop as the doctor sees it: requests whose connection, address and every header are known. fetch would hide
// them, follow redirects and undo content codings.
import { type ClientRequest, Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { isIPv6, type LookupFunction } from 'node:net';

/** Longest one request may take. */
const REQUEST_TIMEOUT_MS = 10_000;
/** An answer that the doctor asked for is never longer. */
const BODY_MAX_BYTES = 4 * 1024 * 1024;

/** One answer on the outer hop, read to its end. */
export interface OuterAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  /** Every value of a field, in order: a field that came twice is seen. */
  readonly values: (name: string) => readonly string[];
  readonly body: Buffer;
  /** From the call until the head was here, ms. */
  readonly headMs: number;
  /** Until the end, ms. */
  readonly totalMs: number;
}

export interface OuterRequest {
  readonly method: string;
  readonly target: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** On a connection of its own; default: the one that is kept. */
  readonly fresh?: boolean;
}

/** The way to one relay. */
export class Hop {
  readonly url: URL;
  readonly #signal: AbortSignal;
  readonly #kept: HttpAgent;
  /** Addresses that were reached, for fresh connections in turn; empty: any. */
  addresses: readonly string[] = [];
  /** Set once the certificate was believed: another one on a later connection is somebody else's. */
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

  /** One request and its whole answer. Rejects with the system's error, or `TimeoutError`. */
  async send(outer: OuterRequest): Promise<OuterAnswer> {
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

  /** A request that has been begun; its body is the caller's to write. */
  open({ method, target, headers, fresh, body }: OuterRequest): ClientRequest {
    const request = this.#isTls ? requestHttps : requestHttp;
    // A fresh connection asks to be kept too: one that says "close" is closed on an upload that is answered early.
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
      // The certificate has a check of its own; with a bad one, what is behind it is still looked at. Nothing that is
      // sent then needs TLS: it is public, or sealed to a pinned key.
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

/** The head of the answer. What fails behind it is the body's to tell. */
export function responseOf(req: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    req.on('response', resolve);
    req.on('error', reject); // also behind the answer, where nobody waits any more
    req.on('upgrade', (_res, socket) => {
      socket.destroy();
      reject(new Error('it switches protocols, unasked'));
    });
  });
}

export async function bodyOf(res: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of res) {
    bytes += (piece as Buffer).length;
    if (bytes > BODY_MAX_BYTES) throw new Error(`the answer is longer than ${BODY_MAX_BYTES} bytes`);
    pieces.push(piece as Buffer);
  }
  return Buffer.concat(pieces);
}

/** What the system, or the clock, said of a failure. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError' || error.name === 'AbortError') return 'no answer in time';
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
