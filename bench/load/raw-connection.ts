// A keep-alive HTTP/1.1 client connection that costs as little as Node allows: bare socket, whole request per write,
// one request in flight. It understands the framing of the subjects (a length or chunked coding) and nothing more.
import { Buffer } from 'node:buffer';
import net from 'node:net';

const RECEIVE_BUFFER_BYTES = 65_536;
const RESPONSE_MAX_BYTES = 1_048_576;
const HEAD_END = '\r\n\r\n';

/** One whole response; `body` is valid only until the handler returns. */
export interface RawResponse {
  readonly status: number;
  readonly body: Buffer;
  /** Head and body as they came. */
  readonly wireBytes: number;
}

interface RawHandlers {
  onResponse(response: RawResponse): void;
  /** The connection ended or carried what cannot be parsed; called at most once, never after `close()`. */
  onFailure(reason: string): void;
}

export class RawConnection {
  readonly #socket: net.Socket;
  readonly #handlers: RawHandlers;
  #buffered: Buffer | undefined;
  #over = false;

  private constructor(port: number, handlers: RawHandlers) {
    this.#handlers = handlers;
    this.#socket = net.connect({
      host: '127.0.0.1',
      port,
      noDelay: true,
      // Reads land in one buffer per connection instead of a new one and a stream event each.
      onread: {
        buffer: Buffer.allocUnsafeSlow(RECEIVE_BUFFER_BYTES),
        callback: (length, buffer) => {
          this.#receive((buffer as Buffer).subarray(0, length));
          return true;
        },
      },
    });
    this.#socket.on('error', (error) => this.#fail(error.message));
    this.#socket.on('close', () => this.#fail('connection closed'));
  }

  static async open(port: number, handlers: RawHandlers): Promise<RawConnection> {
    const connection = new RawConnection(port, handlers);
    await new Promise<void>((resolve, reject) => {
      connection.#socket.once('connect', resolve);
      connection.#socket.once('error', reject);
    });
    return connection;
  }

  /** Sends a whole request; the bytes may be reused once its response has come. */
  send(request: Uint8Array): void {
    this.#socket.write(request);
  }

  close(): void {
    this.#over = true;
    this.#socket.destroy();
  }

  #receive(arrived: Buffer): void {
    if (this.#over) return;
    const bytes = this.#buffered ? Buffer.concat([this.#buffered, arrived]) : arrived;
    this.#buffered = undefined;
    let response: RawResponse | undefined;
    try {
      response = parseResponse(bytes);
    } catch (error) {
      this.#fail((error as Error).message);
      return;
    }
    if (response) {
      if (response.wireBytes !== bytes.length) this.#fail('bytes behind the response');
      else this.#handlers.onResponse(response);
    } else if (bytes.length > RESPONSE_MAX_BYTES) {
      this.#fail(`response exceeds ${RESPONSE_MAX_BYTES} bytes`);
    } else {
      this.#buffered = bytes === arrived ? Buffer.from(arrived) : bytes;
    }
  }

  #fail(reason: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#socket.destroy();
    this.#handlers.onFailure(reason);
  }
}

/** The response that these bytes start with, or undefined while it is not all here. */
function parseResponse(bytes: Buffer): RawResponse | undefined {
  const headEnd = bytes.indexOf(HEAD_END, 0, 'latin1');
  if (headEnd < 0) return undefined;
  const head = bytes.toString('latin1', 0, headEnd);
  if (!head.startsWith('HTTP/1.1 ')) throw new Error(`not an HTTP/1.1 response: ${JSON.stringify(head.slice(0, 40))}`);
  const status = Number(head.slice(9, 12));
  const bodyStart = headEnd + HEAD_END.length;
  const length = /\r\ncontent-length: *(\d+)/i.exec(head);
  if (length) {
    const wireBytes = bodyStart + Number(length[1]);
    if (bytes.length < wireBytes) return undefined;
    return { status, body: bytes.subarray(bodyStart, wireBytes), wireBytes };
  }
  if (/\r\ntransfer-encoding: *chunked/i.test(head)) return parseChunked(bytes, bodyStart, status);
  throw new Error(`response ${status} has neither length nor chunked coding`);
}

function parseChunked(bytes: Buffer, bodyStart: number, status: number): RawResponse | undefined {
  const pieces: Buffer[] = [];
  let at = bodyStart;
  while (true) {
    const lineEnd = bytes.indexOf('\r\n', at, 'latin1');
    if (lineEnd < 0) return undefined;
    const size = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16);
    if (!(size >= 0)) throw new Error('chunk size is not a number');
    const end = lineEnd + 2 + size + 2;
    if (bytes.length < end) return undefined;
    if (size === 0) return { status, body: Buffer.concat(pieces), wireBytes: end };
    pieces.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + size));
    at = end;
  }
}
