// A connection to the relay that carries many requests at once: a batch is written whole, and its responses are read in
// order. After a response that closes the connection the next batch opens another.
import { connect, type Socket } from 'node:net';

/** One response on the outer hop. */
export interface Reply {
  readonly status: number;
  /** Without the empty line. */
  readonly head: string;
  readonly body: Buffer;
}

/** What came of a batch. */
export interface Batch {
  /** In the order of the requests; fewer when the connection was closed before the rest. */
  readonly replies: readonly Reply[];
  /** True if the relay has neither responded to all nor closed the connection in time. */
  readonly isHung: boolean;
  /** What cannot be read as HTTP. */
  readonly fault?: string;
}

/** More than any timeout of the relay under test, on a machine that is busy. */
export const HUNG_AFTER_MS = 30_000;

/** One connection after the other. */
export class Lane {
  readonly #port: number;
  readonly #isLoose: boolean;
  #socket: Socket | undefined;
  #reader: ReplyReader;
  #wake: () => void = () => undefined;
  #closed = false;

  /** @param isLoose true if all bytes up to the end count as one response: nobody knows which methods were asked for. */
  constructor(port: number, isLoose = false) {
    this.#port = port;
    this.#isLoose = isLoose;
    this.#reader = new ReplyReader(isLoose);
  }

  /**
   * Sends requests at once, in pieces as given.
   * @param count of the responses to wait for. @param ends true to send no more on this connection.
   */
  async exchange(pieces: readonly Uint8Array[], count: number, ends = false): Promise<Batch> {
    const socket = this.#socket && !this.#closed ? this.#socket : await this.#open();
    const replies: Reply[] = [];
    const untilMs = performance.now() + HUNG_AFTER_MS;
    for (const piece of pieces) socket.write(piece);
    if (ends) socket.end();
    for (;;) {
      try {
        replies.push(...this.#reader.most(count - replies.length, this.#closed || (this.#isLoose && !ends)));
      } catch (error) {
        this.close();
        return { replies, isHung: false, fault: (error as Error).message };
      }
      if (replies.length >= count && !ends) return { replies, isHung: false };
      if (this.#closed) return { replies, isHung: false };
      const leftMs = untilMs - performance.now();
      if (leftMs <= 0) {
        this.close();
        return { replies, isHung: true };
      }
      await this.#more(leftMs);
    }
  }

  close(): void {
    this.#closed = true;
    this.#socket?.destroy();
    this.#wake();
  }

  async #open(): Promise<Socket> {
    const socket = connect({ port: this.#port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    this.#reader = new ReplyReader(this.#isLoose);
    this.#closed = false;
    this.#socket = socket;
    const reader = this.#reader;
    const isCurrent = (): boolean => this.#socket === socket;
    socket.on('data', (bytes: Buffer) => {
      reader.push(bytes);
      if (isCurrent()) this.#wake();
    });
    const over = (): void => {
      socket.destroy();
      if (!isCurrent()) return;
      this.#closed = true;
      this.#wake();
    };
    socket.on('end', over);
    socket.on('error', over);
    socket.on('close', over);
    return socket;
  }

  async #more(leftMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, leftMs);
    this.#wake = resolve;
    await promise;
    clearTimeout(timer);
  }
}

/** Reads responses one behind the other. */
class ReplyReader {
  readonly #isLoose: boolean;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(isLoose: boolean) {
    this.#isLoose = isLoose;
  }

  push(bytes: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? bytes : Buffer.concat([this.#bytes, bytes]);
  }

  /** Whole final responses, so many at most. @throws Error for what is not HTTP */
  *most(count: number, isClosed: boolean): Generator<Reply, void, undefined> {
    for (let left = count; left > 0; ) {
      const reply = this.#one(isClosed);
      if (!reply) return;
      if (reply.status < 200) continue;
      left -= 1;
      yield reply;
    }
  }

  #one(isClosed: boolean): Reply | undefined {
    const bytes = this.#bytes;
    const headEnd = bytes.indexOf('\r\n\r\n');
    if (headEnd < 0) return undefined;
    const head = bytes.toString('latin1', 0, headEnd);
    const status = /^HTTP\/1\.1 ([1-9]\d\d)[ \r]/.exec(`${head}\r`)?.[1];
    if (status === undefined) throw new Error(`not a response: ${JSON.stringify(head.slice(0, 200))}`);
    const from = headEnd + 4;
    const found = this.#body(head, Number(status), from, isClosed);
    if (!found) return undefined;
    this.#bytes = bytes.subarray(found.end);
    return { status: Number(status), head, body: found.body };
  }

  #body(head: string, status: number, from: number, isClosed: boolean): { body: Buffer; end: number } | undefined {
    const bytes = this.#bytes;
    if (this.#isLoose) return isClosed ? { body: bytes.subarray(from), end: bytes.length } : undefined;
    if (status < 200 || status === 204 || status === 304) return { body: bytes.subarray(from, from), end: from };
    if (/\r\ntransfer-encoding: *chunked/i.test(head)) return this.#chunked(from);
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
    if (length === undefined) return isClosed ? { body: bytes.subarray(from), end: bytes.length } : undefined;
    const end = from + Number(length);
    return bytes.length < end ? undefined : { body: bytes.subarray(from, end), end };
  }

  #chunked(from: number): { body: Buffer; end: number } | undefined {
    const bytes = this.#bytes;
    const pieces: Buffer[] = [];
    for (let at = from; ; ) {
      const lineEnd = bytes.indexOf('\r\n', at);
      if (lineEnd < 0) return undefined;
      const size = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16);
      if (!(size >= 0)) throw new Error('a chunk size is not a number');
      const start = lineEnd + 2;
      if (size === 0) {
        const end = bytes.indexOf('\r\n', start);
        if (end < 0) return undefined;
        if (end === start) return { body: Buffer.concat(pieces), end: end + 2 };
        const trailersEnd = bytes.indexOf('\r\n\r\n', start);
        return trailersEnd < 0 ? undefined : { body: Buffer.concat(pieces), end: trailersEnd + 4 };
      }
      if (bytes.length < start + size + 2) return undefined;
      pieces.push(bytes.subarray(start, start + size));
      at = start + size + 2;
    }
  }
}
