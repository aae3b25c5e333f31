// Decodes Binary HTTP (RFC 9292) as a stream, and checks the syntax of every method, path, name and value (RFC 9110 §5,
// §9.1). A sealed message does not pass through an HTTP parser, so only this file checks it.
import { FIELD_COUNT_MAX, HEAD_MAX_BYTES } from '../constants.ts';
import { ProtocolError } from '../errors.ts';
import { FIELD_NAME, FIELD_VALUE, TOKEN } from '../http-syntax.ts';
import { type Bytes, concatBytes, emptyBytes, joinLast, readVarint, varintSize, varintSizeFromFirst } from '../wire.ts';
import {
  type Fields,
  FRAMING_INDETERMINATE_REQUEST,
  FRAMING_INDETERMINATE_RESPONSE,
  FRAMING_KNOWN_REQUEST,
  FRAMING_KNOWN_RESPONSE,
  isWhitespace,
  type RequestHead,
  type ResponseHead,
} from './parts.ts';

/** Receives the parts of one message in order. */
export interface BhttpSink<Head extends RequestHead | ResponseHead> {
  /** An informational response (100 to 199). */
  onInformational?(head: ResponseHead): void;
  onHead(head: Head): void;
  /** Content: a piece, which shares memory with the pushed bytes, or small pieces as one. */
  onContent(content: Bytes): void;
  /** Called once, by `end()`, when the message is complete. */
  onEnd(trailers: Fields): void;
}

/** Limits of a decoder. */
export interface BhttpLimits {
  /** Bytes of control data and fields in the whole message. Default 65,536. */
  readonly headMaxBytes?: number;
  /** Field lines per section. Default 256. */
  readonly fieldCountMax?: number;
}

/** The differences between requests and responses. */
interface MessageKind<Head extends RequestHead | ResponseHead> {
  readonly name: 'request' | 'response';
  readonly framing: { readonly known: number; readonly indeterminate: number };
  /** Joins small pieces of content. Undefined for responses, which come from a relay that the client has pinned. */
  readonly join?: typeof joinSmallPieces;
  /** Makes a head of a request's control data. Undefined for responses, which have a status instead. */
  readonly control?: {
    /** Throws `malformed`. */
    check(control: readonly string[]): void;
    head(control: readonly string[], headers: Fields): Head;
  };
}

type State = 'framing' | 'control' | 'fields-length' | 'fields' | 'content-length' | 'content' | 'padding';

/**
 * Decodes one message from pieces split anywhere, and buffers at most one incomplete element.
 * Call {@link MessageDecoder.push} for each piece, then {@link MessageDecoder.end}. Both throw ProtocolError
 * (`malformed`, `truncated`, `too-large`), after which the decoder must not be used.
 */
class MessageDecoder<Head extends RequestHead | ResponseHead> {
  readonly #kind: MessageKind<Head>;
  readonly #sink: BhttpSink<Head>;
  readonly #headMaxBytes: number;
  readonly #fieldCountMax: number;

  #state: State = 'framing';
  #indeterminate = false;
  #section: 'headers' | 'trailers' = 'headers';
  #control: string[] = [];
  #status = 0;
  #fields: [string, string][] = [];
  #trailers: Fields = [];
  #headBytes = 0;
  #sectionLeft = 0; // bytes left of a known-length field section
  #contentLeft = 0; // bytes left of the content, or of its current piece
  #contentBegun = false;

  #parts: Bytes[] = []; // arrived, not yet decoded
  #pushed = 0;
  #buffered = 0;
  #needed = 1;
  #bytes: Bytes = emptyBytes(); // the parts joined, while decoding
  #at = 0;

  constructor(kind: MessageKind<Head>, sink: BhttpSink<Head>, limits: BhttpLimits = {}) {
    this.#kind = kind;
    this.#sink = sink;
    this.#headMaxBytes = limits.headMaxBytes ?? HEAD_MAX_BYTES;
    this.#fieldCountMax = limits.fieldCountMax ?? FIELD_COUNT_MAX;
  }

  /** Decodes all complete elements. */
  push(bytes: Bytes): void {
    if (bytes.length === 0) return;
    this.#pushed += 1;
    joinLast(this.#parts, bytes, this.#pushed);
    this.#buffered += bytes.length;
    // Waits for the length of an incomplete element: an attempt per piece would take quadratic time.
    if (this.#buffered < this.#needed) return;
    this.#bytes = concatBytes(this.#parts);
    this.#at = 0;
    this.#needed = 1;
    let progress = true;
    while (progress && this.#at < this.#bytes.length) progress = this.#step();
    this.#parts = this.#at < this.#bytes.length ? [this.#bytes.subarray(this.#at)] : [];
    this.#buffered = this.#bytes.length - this.#at;
    this.#needed = progress ? 1 : this.#needed - this.#at;
    this.#bytes = emptyBytes();
  }

  /** The input has ended. Throws `truncated` unless that leaves a complete message (RFC 9292 §3.8). */
  end(): void {
    if (this.#buffered > 0 || !this.#mayEndHere()) throw this.#truncated();
    // An omitted section counts as empty, as do all sections after it.
    if (this.#state === 'fields-length' || this.#state === 'fields') this.#endSection();
    this.#state = 'padding';
    this.#sink.onEnd(this.#trailers);
  }

  /** True after a complete section if all missing ones may be empty. Never inside a section or after content. */
  #mayEndHere(): boolean {
    switch (this.#state) {
      case 'padding':
        return true;
      case 'content-length':
        return !this.#contentBegun;
      case 'fields-length':
      case 'fields':
        if (this.#state === 'fields' && (!this.#indeterminate || this.#fields.length > 0)) return false;
        // The final response must follow an informational one.
        return this.#kind.control !== undefined || this.#section === 'trailers' || this.#status >= 200;
      default:
        return false;
    }
  }

  /** Decodes one element. False until it has fully arrived. */
  #step(): boolean {
    switch (this.#state) {
      case 'framing':
        return this.#readFraming();
      case 'control':
        return this.#kind.control ? this.#readText(this.#kind.control) : this.#readStatus();
      case 'fields-length':
        return this.#readFieldsLength();
      case 'fields':
        return this.#readFieldLine();
      case 'content-length':
        return this.#readContentLength();
      case 'content':
        return this.#readContent();
      case 'padding':
        return this.#readPadding();
    }
  }

  #readFraming(): boolean {
    const framing = this.#varint();
    if (framing === undefined) return false;
    const { known, indeterminate } = this.#kind.framing;
    if (framing !== known && framing !== indeterminate) {
      throw new ProtocolError('malformed', `Binary HTTP framing ${framing} is not that of a ${this.#kind.name}`);
    }
    this.#indeterminate = framing === indeterminate;
    this.#state = 'control';
    return true;
  }

  /** Decodes one of method, scheme, authority and path per call. */
  #readText({ check }: Required<MessageKind<Head>>['control']): boolean {
    const text = this.#text();
    if (text === undefined) return false;
    this.#control.push(text);
    if (this.#control.length === 4) {
      check(this.#control);
      this.#beginSection('headers');
    }
    return true;
  }

  #readStatus(): boolean {
    const status = this.#varint();
    if (status === undefined) return false;
    if (status < 100 || status > 599) throw new ProtocolError('malformed', `status ${status} is not 100 to 599`);
    // Counted, so that the limit also applies to informational responses without fields.
    this.#headBytes += varintSize(status);
    if (this.#headBytes > this.#headMaxBytes) throw this.#headTooLarge();
    this.#status = status;
    this.#beginSection('headers');
    return true;
  }

  #beginSection(section: 'headers' | 'trailers'): void {
    this.#section = section;
    this.#fields = [];
    this.#state = this.#indeterminate ? 'fields' : 'fields-length';
  }

  #readFieldsLength(): boolean {
    const length = this.#varint();
    if (length === undefined) return false;
    if (length > this.#headMaxBytes) throw this.#headTooLarge();
    this.#sectionLeft = length;
    this.#state = 'fields';
    if (length === 0) this.#endSection();
    return true;
  }

  #readFieldLine(): boolean {
    const start = this.#at;
    const headBytes = this.#headBytes;
    const name = this.#text();
    if (name === undefined) return false;
    if (name === '' && this.#indeterminate) {
      this.#endSection(); // the terminator is a name length of 0
      return true;
    }
    const value = this.#text();
    if (value === undefined) {
      this.#at = start; // a line is one element, and is decoded from its start
      this.#headBytes = headBytes;
      return false;
    }
    checkField(name, value);
    if (this.#fields.length >= this.#fieldCountMax) {
      throw new ProtocolError('too-large', `more than ${this.#fieldCountMax} fields in one section`);
    }
    this.#fields.push([name, value]);
    if (!this.#indeterminate) {
      this.#sectionLeft -= this.#at - start;
      if (this.#sectionLeft < 0) throw new ProtocolError('malformed', 'a field runs beyond its section');
      if (this.#sectionLeft === 0) this.#endSection();
    }
    return true;
  }

  #endSection(): void {
    if (this.#section === 'trailers') {
      this.#trailers = this.#fields;
      this.#state = 'padding';
      return;
    }
    const { control } = this.#kind;
    if (control) {
      this.#sink.onHead(control.head(this.#control, this.#fields));
    } else if (this.#status < 200) {
      this.#sink.onInformational?.({ status: this.#status, headers: this.#fields });
      this.#state = 'control';
      return;
    } else {
      this.#sink.onHead({ status: this.#status, headers: this.#fields } as unknown as Head);
    }
    this.#state = 'content-length';
  }

  #readContentLength(): boolean {
    const joined = this.#indeterminate ? this.#kind.join?.(this.#bytes, this.#at) : undefined;
    if (joined) {
      this.#at = joined.end;
      this.#contentBegun = true;
      this.#sink.onContent(joined.content);
      return true;
    }
    const length = this.#varint();
    if (length === undefined) return false;
    this.#contentLeft = length;
    if (length === 0) {
      this.#beginSection('trailers');
    } else {
      this.#contentBegun = true;
      this.#state = 'content';
    }
    return true;
  }

  #readContent(): boolean {
    const piece = this.#bytes.subarray(this.#at, this.#at + this.#contentLeft);
    this.#at += piece.length;
    this.#contentLeft -= piece.length;
    if (this.#contentLeft === 0) {
      if (this.#indeterminate) this.#state = 'content-length';
      else this.#beginSection('trailers');
    }
    this.#sink.onContent(piece);
    return true;
  }

  #readPadding(): boolean {
    for (; this.#at < this.#bytes.length; this.#at += 1) {
      if (this.#bytes[this.#at] !== 0) throw new ProtocolError('malformed', 'padding is not all zero');
    }
    return true;
  }

  /** The varint at the cursor, or undefined until it has fully arrived. */
  #varint(): number | undefined {
    const at = this.#at;
    if (at >= this.#bytes.length) return this.#wait(at + 1);
    const size = varintSizeFromFirst(this.#bytes[at] as number);
    if (at + size > this.#bytes.length) return this.#wait(at + size);
    this.#at = at + size;
    return readVarint(this.#bytes, at, size);
  }

  /** The length-prefixed text at the cursor, or undefined until it has fully arrived. */
  #text(): string | undefined {
    const start = this.#at;
    const length = this.#varint();
    if (length === undefined) return undefined;
    const end = this.#at + length;
    if (this.#headBytes + length > this.#headMaxBytes) throw this.#headTooLarge();
    if (end > this.#bytes.length) {
      this.#at = start;
      return this.#wait(end);
    }
    const text = latin1(this.#bytes, this.#at, end);
    this.#at = end;
    this.#headBytes += end - start;
    return text;
  }

  #wait(needed: number): undefined {
    this.#needed = needed;
    return undefined;
  }

  #headTooLarge(): ProtocolError {
    return new ProtocolError('too-large', `control data and fields exceed ${this.#headMaxBytes} bytes`);
  }

  #truncated(): ProtocolError {
    return new ProtocolError('truncated', `Binary HTTP ${this.#kind.name} ended inside its ${this.#state}`);
  }
}

/** Up to this many bytes, appending characters is faster than collecting them in an array. */
const SHORT_TEXT_BYTES = 64;

function latin1(bytes: Bytes, start: number, end: number): string {
  let text = '';
  if (end - start <= SHORT_TEXT_BYTES) {
    for (let i = start; i < end; i += 1) text += String.fromCharCode(bytes[i] as number);
    return text;
  }
  for (let at = start; at < end; at += 4096) {
    text += String.fromCharCode(...bytes.subarray(at, Math.min(at + 4096, end)));
  }
  return text;
}

function checkField(name: string, value: string): void {
  if (!FIELD_NAME.test(name)) throw new ProtocolError('malformed', 'a field name is not a lower-case token');
  if (!FIELD_VALUE.test(value)) throw new ProtocolError('malformed', 'a field value has a control character');
  if (isWhitespace(value.charCodeAt(0)) || isWhitespace(value.charCodeAt(value.length - 1))) {
    throw new ProtocolError('malformed', 'a field value has surrounding whitespace');
  }
}

/** Longest piece of content that is joined with its neighbours. */
const SMALL_PIECE_BYTES = 1024;
/** Up to this many bytes a loop is faster than a view and its copy. */
const LOOPED_BYTES = 32;

/** The content of the small pieces at `at`, at least two that have arrived whole: a client may send a piece per byte. */
function joinSmallPieces(bytes: Bytes, at: number): { content: Bytes; end: number } | undefined {
  const first = smallPiece(bytes, at);
  let next = first && smallPiece(bytes, first.end);
  if (!first || !next) return undefined;
  const content = new Uint8Array(bytes.length - first.begin);
  content.set(bytes.subarray(first.begin, first.end));
  let length = first.end - first.begin;
  let end = first.end;
  while (next) {
    if (next.end - next.begin > LOOPED_BYTES) content.set(bytes.subarray(next.begin, next.end), length);
    else for (let i = next.begin; i < next.end; i += 1) content[length + i - next.begin] = bytes[i] as number;
    length += next.end - next.begin;
    end = next.end;
    next = smallPiece(bytes, end);
  }
  return { content: content.subarray(0, length), end };
}

/** Where the piece at `at` has its content, if it is small and has arrived whole. */
function smallPiece(bytes: Bytes, at: number): { begin: number; end: number } | undefined {
  if (at >= bytes.length) return undefined;
  const begin = at + varintSizeFromFirst(bytes[at] as number);
  if (begin > bytes.length) return undefined;
  const size = readVarint(bytes, at, begin - at);
  if (size === 0 || size > SMALL_PIECE_BYTES || begin + size > bytes.length) return undefined;
  return { begin, end: begin + size };
}

// ---- Responses ---------------------------------------------------------------------------------------------

const RESPONSE: MessageKind<ResponseHead> = {
  name: 'response',
  framing: { known: FRAMING_KNOWN_RESPONSE, indeterminate: FRAMING_INDETERMINATE_RESPONSE },
};

/** Decodes a response. It is the only decoder in a client's bundle. */
export class ResponseDecoder extends MessageDecoder<ResponseHead> {
  constructor(sink: BhttpSink<ResponseHead>, limits?: BhttpLimits) {
    super(RESPONSE, sink, limits);
  }
}

/** The head of a complete response. Ignores its content. */
export function decodeResponseHead(message: Bytes): ResponseHead {
  let decoded: ResponseHead | undefined;
  const decoder = new ResponseDecoder({
    onHead: (head) => {
      decoded = head;
    },
    onContent: () => undefined,
    onEnd: () => undefined,
  });
  decoder.push(message);
  decoder.end();
  return decoded as unknown as ResponseHead;
}

// ---- Requests, and either ----------------------------------------------------------------------------------

const SCHEME = /^https?$/;
const AUTHORITY = /^[\x21-\x7e]*$/;
const PATH = /^(?:\/[\x21-\x7e]*|\*)$/;

const REQUEST: MessageKind<RequestHead> = {
  name: 'request',
  framing: { known: FRAMING_KNOWN_REQUEST, indeterminate: FRAMING_INDETERMINATE_REQUEST },
  join: joinSmallPieces,
  control: {
    check(control) {
      const [method, scheme, authority, path] = control as [string, string, string, string];
      if (!TOKEN.test(method)) throw new ProtocolError('malformed', 'method is not a token');
      if (!SCHEME.test(scheme)) throw new ProtocolError('malformed', 'scheme is not http or https');
      if (!AUTHORITY.test(authority)) throw new ProtocolError('malformed', 'authority is not printable ASCII');
      if (!PATH.test(path))
        throw new ProtocolError('malformed', 'path does not start with "/" or is not printable ASCII');
    },
    head(control, headers) {
      const [method, scheme, authority, path] = control as [string, string, string, string];
      return { method, scheme, authority, path, headers };
    },
  },
};

/** Decodes a message of either kind. */
export class BhttpDecoder<Head extends RequestHead | ResponseHead> extends MessageDecoder<Head> {
  constructor(kind: 'request' | 'response', sink: BhttpSink<Head>, limits?: BhttpLimits) {
    super(
      (kind === 'request' ? REQUEST : RESPONSE) as MessageKind<RequestHead | ResponseHead> as MessageKind<Head>,
      sink,
      limits,
    );
  }
}

/** Decodes a complete message at once, for tests and tools. */
export function decodeWhole<Head extends RequestHead | ResponseHead>(
  kind: Head extends RequestHead ? 'request' : 'response',
  message: Bytes,
  limits: BhttpLimits = {},
): { head: Head; content: Bytes; trailers: Fields; informational: ResponseHead[] } {
  let head: Head | undefined;
  let trailers: Fields = [];
  const content: Bytes[] = [];
  const informational: ResponseHead[] = [];
  const decoder = new BhttpDecoder<Head>(
    kind,
    {
      onInformational: (response) => informational.push(response),
      onHead: (decoded) => {
        head = decoded;
      },
      onContent: (piece) => content.push(piece),
      onEnd: (fields) => {
        trailers = fields;
      },
    },
    limits,
  );
  decoder.push(message);
  decoder.end();
  return { head: head as unknown as Head, content: concatBytes(content), trailers, informational };
}
