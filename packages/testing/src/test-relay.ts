// A small relay over a real socket, behind a hostile intermediary that a test may set: it sees every outer request,
// forwards it or not, and responds as the test decides.
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  type Bytes,
  copyBytes,
  type Fields,
  MESSAGE_HEADER_BYTES,
  type MessageHeader,
  parseMessageHeader,
  type RequestHead,
} from '@mte-relay/protocol';
import { xwingKeyPairFromSeed as keyPair, nodeSuite } from '@mte-relay/protocol/node';
import { contentOf } from './content.ts';
import { type ApiRequest, type ApiResponse, MiniRelay, type OuterResponse } from './mini-relay.ts';
import { listen, serverOf, urlOf } from './servers.ts';

/** A request as the backend sees it. */
export interface InnerCall extends RequestHead {
  readonly content: Buffer;
  /** When it was sealed, in the relay's time, ms since 1970. */
  readonly sentMs: number;
}

/** The backend's response. */
export interface InnerResponse {
  readonly status?: number;
  readonly headers?: Fields;
  readonly content?: string | Uint8Array | AsyncIterable<Uint8Array>;
}

/** An outer response; `cutAtBytes` sends that many bytes of the body and destroys the connection. */
export interface IntermediaryResponse extends OuterResponse {
  readonly cutAtBytes?: number;
}

/** An outer request as the intermediary sees it. */
export interface OuterCall {
  readonly path: string;
  readonly body: Bytes;
  /** Undefined unless it is a sealed message. */
  readonly header: MessageHeader | undefined;
  /** Lets the relay have it. */
  forward(): Promise<IntermediaryResponse>;
}

export class TestRelay {
  readonly #server = serverOf((request, response) => this.#serve(request, response));
  readonly #relay = new MiniRelay({ suite: nodeSuite(), keyPair }, (request) => this.#run(request));
  #port = 0;

  /** The backend. */
  upstream: (call: InnerCall) => InnerResponse | Promise<InnerResponse> = () => ({ content: 'ok' });
  /** The hostile intermediary; gives the response, or undefined to reset the connection. */
  intermediary: ((call: OuterCall) => Promise<IntermediaryResponse | undefined>) | undefined;
  /** Everything the backend has run. */
  readonly ran: InnerCall[] = [];
  /** Outer requests by path. */
  readonly outer: string[] = [];
  /** Outer requests whose connection the client ended. */
  closedEarly = 0;

  static async start(seed = 1): Promise<TestRelay> {
    const relay = new TestRelay();
    await relay.useKey(seed);
    relay.#port = await listen(relay.#server);
    return relay;
  }

  /** From now on its key is that of this seed, one byte 32 times. */
  useKey(seed: number): Promise<void> {
    return this.#relay.useKey(new Uint8Array(32).fill(seed));
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return urlOf(this.#port);
  }

  get pin(): string {
    return this.#relay.pin;
  }

  /** Overrides of the session parameters. */
  set parameters(parameters: MiniRelay['parameters']) {
    this.#relay.parameters = parameters;
  }

  /** See {@link MiniRelay.aheadMs}. */
  set aheadMs(aheadMs: number) {
    this.#relay.aheadMs = aheadMs;
  }

  count(path: string): number {
    return this.outer.filter((seen) => seen === path).length;
  }

  /** See {@link MiniRelay.restart}. */
  restart(storeAgeMs = 0): void {
    this.#relay.restart(storeAgeMs);
  }

  /** See {@link MiniRelay.forgetSessions}. */
  forgetSessions(): void {
    this.#relay.forgetSessions();
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
      const body = copyBytes(await contentOf(request));
      const header = path === '/api/mte' && body.length >= MESSAGE_HEADER_BYTES ? parseMessageHeader(body) : undefined;
      const forward = async (): Promise<IntermediaryResponse> =>
        (await this.#relay.respond(path, body)) as OuterResponse;
      const given = await (this.intermediary ? this.intermediary({ path, body, header, forward }) : forward());
      if (!given) return void request.socket.destroy();
      await write(response, given);
    } catch {
      request.socket.destroy();
    }
  }

  async #run(request: ApiRequest): Promise<ApiResponse> {
    const call = { ...request, content: Buffer.from(request.content) };
    this.ran.push(call);
    const { content = '', ...head } = await this.upstream(call);
    if (typeof content === 'string') return { ...head, content: bytes(content) };
    return { ...head, content: content instanceof Uint8Array ? copyBytes(content) : copied(content) };
  }
}

async function* copied(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Bytes> {
  for await (const piece of pieces) yield copyBytes(piece);
}

async function write(response: ServerResponse, given: IntermediaryResponse): Promise<void> {
  response.writeHead(given.status, given.headers);
  response.flushHeaders();
  let left = given.cutAtBytes ?? Number.POSITIVE_INFINITY;
  const closed = new Promise((resolve) => response.once('close', resolve));
  const pieces = given.body instanceof Uint8Array ? [given.body] : given.body;
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

export function bytes(text: string): Bytes {
  return copyBytes(Buffer.from(text));
}

/** A header of a call, joined as fetch joins them. */
export function field(call: InnerCall | undefined, name: string): string | undefined {
  const values = call?.headers.filter(([candidate]) => candidate === name).map(([, value]) => value);
  return values?.length ? values.join(', ') : undefined;
}
