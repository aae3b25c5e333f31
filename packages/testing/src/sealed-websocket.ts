// A bare sealed WebSocket for tests: the client's half of the protocol over `ws`, which also sends what no honest client
// would, and records what it saw on both hops.
import { once } from 'node:events';
import {
  type Bytes,
  decodeWhole,
  encodeFrame,
  encodeRequest,
  type Fields,
  FrameReader,
  framesOf,
  type ResponseHead,
  SealedWebSocket,
  type WebSocketFrame,
  type WebSocketKeys,
} from '@mte-relay/protocol';
import { nodeSuite } from '@mte-relay/protocol/node';
import { type ClientOptions, WebSocket } from 'ws';
import { type SealedClient, withSentTime } from './sealed-client.ts';

const suite = nodeSuite();

export interface InnerUpgrade {
  readonly path?: string;
  readonly method?: string;
  /** Default https. */
  readonly scheme?: string;
  /** Default: that of the client's pairing. */
  readonly authority?: string;
  readonly headers?: Fields;
  readonly body?: Bytes;
}

/** The response to the opening message. */
export interface InnerUpgradeResponse {
  readonly head: ResponseHead;
  readonly text: string;
  header(name: string): string | undefined;
}

/** The end of the outer WebSocket. */
export interface OuterClose {
  readonly code: number;
  readonly reason: string;
}

/** Opens the outer hop alone. Rejects with the status of a refused handshake in the message. */
export async function openOuter(
  port: number,
  headers: Record<string, string> = {},
  options: ClientOptions = {},
): Promise<WebSocket> {
  const outer = new WebSocket(`ws://127.0.0.1:${port}/api/mte-ws`, ['mte-relay.1'], { headers, ...options });
  await once(outer, 'open');
  return outer;
}

/** One sealed WebSocket of a session. */
export class TestWebSocket {
  readonly outer: WebSocket;
  /** The opening message as it was sent. */
  opening: Bytes = new Uint8Array(0);
  /** Every outer message from the relay, the response first. */
  readonly received: Buffer[] = [];
  /** Opened frames that no test has taken. */
  readonly frames: WebSocketFrame[] = [];
  readonly outerClosed: Promise<OuterClose>;
  #sealed: SealedWebSocket | undefined;
  #keys: WebSocketKeys | undefined;
  readonly #reader = new FrameReader();
  #failure: Error | undefined;
  #wake: () => void = () => undefined;
  #work = Promise.resolve();
  #ended = false;

  constructor(outer: WebSocket) {
    this.outer = outer;
    outer.on('message', (message: Buffer) => {
      this.received.push(message);
      if (this.#keys) this.#read(new Uint8Array(message));
      this.#wake();
    });
    this.outerClosed = new Promise((resolve) => {
      outer.on('close', (code, reason) => {
        this.#ended = true;
        resolve({ code, reason: reason.toString() });
        this.#wake();
      });
    });
  }

  /** Opens both hops; throws unless the upgrade was accepted. */
  static async open(
    client: SealedClient,
    upgrade: InnerUpgrade = {},
    outerHeaders: Record<string, string> = {},
  ): Promise<TestWebSocket> {
    const socket = new TestWebSocket(await openOuter(client.port, outerHeaders));
    const { head } = await socket.begin(client, upgrade);
    if (head.status !== 200) throw new Error(`upgrade refused: ${head.status}`);
    return socket;
  }

  /** Seals the opening message. */
  async sealOpening(client: SealedClient, upgrade: InnerUpgrade = {}, n = client.nextN++): Promise<Bytes> {
    this.#sealed = new SealedWebSocket(suite, client.keys, n);
    const request = encodeRequest(
      {
        method: upgrade.method ?? 'GET',
        scheme: upgrade.scheme ?? 'https',
        authority: upgrade.authority ?? client.authority,
        path: upgrade.path ?? '/',
        headers: withSentTime(upgrade.headers),
      },
      upgrade.body ?? new Uint8Array(0),
    );
    this.opening = await this.#sealed.sealRequest(request);
    return this.opening;
  }

  /** Sends the opening message and opens the response. */
  async begin(client: SealedClient, upgrade: InnerUpgrade = {}): Promise<InnerUpgradeResponse> {
    this.outer.send(await this.sealOpening(client, upgrade));
    return this.response();
  }

  /** Opens the response to the opening message. */
  async response(): Promise<InnerUpgradeResponse> {
    await this.#until(() => this.received.length > 0);
    const [message, ...early] = this.received as [Buffer, ...Buffer[]];
    const { response, ...keys } = await (this.#sealed as SealedWebSocket).openResponse(new Uint8Array(message));
    this.#keys = keys;
    for (const frame of early) this.#read(new Uint8Array(frame));
    const { head, content } = decodeWhole<ResponseHead>('response', response);
    return {
      head,
      text: Buffer.from(content).toString(),
      header: (name) => head.headers.find(([candidate]) => candidate === name)?.[1],
    };
  }

  /** Seals one frame without sending it. */
  async seal(frame: WebSocketFrame): Promise<Bytes> {
    return (this.#keys as WebSocketKeys).sealer.seal(encodeFrame(frame));
  }

  /** Seals any plaintext as a frame, without sending it. */
  async sealPlaintext(plaintext: Bytes): Promise<Bytes> {
    return (this.#keys as WebSocketKeys).sealer.seal(plaintext);
  }

  /** Seals and sends one frame. */
  async send(frame: WebSocketFrame): Promise<void> {
    this.outer.send(await this.seal(frame));
  }

  /** Seals and sends a whole message, in as many frames as it takes. */
  async sendMessage(message: string | Bytes): Promise<void> {
    const bytes = typeof message === 'string' ? new TextEncoder().encode(message) : message;
    for (const frame of framesOf(typeof message === 'string' ? 'text' : 'binary', bytes)) await this.send(frame);
  }

  /** The next frame. Rejects when the outer hop ends before it, or when it does not open. */
  async next(): Promise<WebSocketFrame> {
    await this.#until(() => this.frames.length > 0 || this.#failure !== undefined);
    if (this.#failure) throw this.#failure;
    return this.frames.shift() as WebSocketFrame;
  }

  /** The next whole message. */
  async nextMessage(): Promise<{ kind: 'text' | 'binary'; data: Buffer; pieces: number }> {
    const pieces: Bytes[] = [];
    let kind: 'text' | 'binary' = 'binary';
    for (;;) {
      const frame = await this.next();
      if (!('final' in frame)) throw new Error(`expected a message, got ${frame.kind}`);
      if (frame.kind !== 'more') kind = frame.kind;
      pieces.push(frame.data);
      if (frame.final) return { kind, data: Buffer.concat(pieces), pieces: pieces.length };
    }
  }

  #read(message: Bytes): void {
    const { opener } = this.#keys as WebSocketKeys;
    this.#work = this.#work.then(async () => {
      try {
        this.frames.push(this.#reader.read(await opener.open(message)));
      } catch (error) {
        this.#failure = error as Error;
      }
      this.#wake();
    });
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.#ended) {
        await this.#work;
        if (condition()) return;
        throw new Error('the outer WebSocket ended');
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
