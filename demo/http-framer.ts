// Finds where each HTTP/1.1 message of one direction of a connection begins and ends (RFC 9112 §6), copying only heads.
// It looks on and never speaks: what it does not understand, it stops looking at.

const HEAD_MAX_BYTES = 65_536;
const LINE_MAX_BYTES = 1024;
const LF = 0x0a;

/** How the body after a head is delimited. `open` runs until the connection ends. */
export type BodyLength = number | 'chunked' | 'open';

export interface FramerEvents {
  head(head: string): BodyLength;
  /** Every byte of the message as it stands on the wire, head and chunk lines included. */
  bytes(bytes: Buffer): void;
  end?(): void;
}

type State = 'head' | 'length' | 'chunk-line' | 'chunk-data' | 'trailer' | 'open' | 'blind';

export class HttpFramer {
  readonly #events: FramerEvents;
  #state: State = 'head';
  #pending: Buffer = Buffer.alloc(0);
  #remainingBytes = 0;

  constructor(events: FramerEvents) {
    this.#events = events;
  }

  /** From here on all bytes belong to the message begun last (a protocol switch, RFC 9110 §15.2.2). */
  switchToOpen(): void {
    this.#state = 'open';
  }

  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length && this.#state !== 'blind') at += this.#step(chunk.subarray(at));
  }

  /** Takes one step in `bytes` and returns how many of them it took. */
  #step(bytes: Buffer): number {
    switch (this.#state) {
      case 'head':
        return this.#takeHead(bytes);
      case 'length':
        return this.#takeCounted(bytes, () => this.#finish());
      case 'chunk-data':
        return this.#takeCounted(bytes, () => {
          this.#state = 'chunk-line';
        });
      case 'chunk-line':
        return this.#takeLine(bytes, (line) => this.#beginChunk(line));
      case 'trailer':
        return this.#takeLine(bytes, (line) => {
          if (line === '') this.#finish();
        });
      default:
        this.#events.bytes(bytes);
        return bytes.length;
    }
  }

  #takeHead(bytes: Buffer): number {
    const seen = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
    const end = seen.indexOf('\r\n\r\n');
    if (end < 0) {
      this.#pending = seen;
      if (seen.length > HEAD_MAX_BYTES) this.#state = 'blind';
      return bytes.length;
    }
    const head = seen.subarray(0, end + 4);
    const taken = head.length - this.#pending.length;
    this.#pending = Buffer.alloc(0);
    const length = this.#events.head(head.toString('latin1'));
    this.#events.bytes(head);
    this.#beginBody(length);
    return taken;
  }

  #beginBody(length: BodyLength): void {
    if (length === 'chunked') this.#state = 'chunk-line';
    else if (length === 'open') this.#state = 'open';
    else if (length > 0) {
      this.#remainingBytes = length;
      this.#state = 'length';
    } else this.#finish();
  }

  #beginChunk(line: string): void {
    const sizeBytes = Number.parseInt(line, 16);
    if (!(sizeBytes >= 0)) {
      this.#state = 'blind';
      return;
    }
    this.#remainingBytes = sizeBytes + 2; // and the CRLF that follows the data
    this.#state = sizeBytes === 0 ? 'trailer' : 'chunk-data';
  }

  #takeCounted(bytes: Buffer, done: () => void): number {
    const taken = Math.min(bytes.length, this.#remainingBytes);
    this.#events.bytes(bytes.subarray(0, taken));
    this.#remainingBytes -= taken;
    if (this.#remainingBytes === 0) done();
    return taken;
  }

  #takeLine(bytes: Buffer, done: (line: string) => void): number {
    const end = bytes.indexOf(LF);
    const taken = end < 0 ? bytes.length : end + 1;
    const part = bytes.subarray(0, taken);
    this.#events.bytes(part);
    const line = Buffer.concat([this.#pending, part]);
    if (end < 0) {
      this.#pending = line;
      if (line.length > LINE_MAX_BYTES) this.#state = 'blind';
      return taken;
    }
    this.#pending = Buffer.alloc(0);
    done(line.toString('latin1').trim());
    return taken;
  }

  #finish(): void {
    this.#state = 'head';
    this.#events.end?.();
  }
}
