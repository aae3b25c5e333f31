// Binary HTTP (RFC 9292), both directions, known and indeterminate length, as a stream. Encoding first, then
// decoding. The decoder also checks the syntax of every method, path, name and value (RFC 9110 §5, §9.1): what
// comes out of a sealed message never met an HTTP parser, so this is the only place that looks.
import { FIELD_COUNT_MAX, HEAD_MAX_BYTES } from './constants.ts';
import { ProtocolError } from './errors.ts';
import {
  type Bytes,
  concatBytes,
  emptyBytes,
  readVarint,
  varintSize,
  varintSizeFromFirst,
  writeVarint,
} from './wire.ts';

/** Field lines in order; names in lower case, values with one character per byte (latin-1). */
export type Fields = ReadonlyArray<readonly [name: string, value: string]>;

/** Control data and header section of a request. */
export interface RequestHead {
  readonly method: string;
  readonly scheme: string;
  readonly authority: string;
  /** Path and query as sent, starting with "/", or "*" for OPTIONS. */
  readonly path: string;
  readonly headers: Fields;
}

/** Status and header section of a response. */
export interface ResponseHead {
  /** 200 to 599 for the final response, 100 to 199 for an informational one. */
  readonly status: number;
  readonly headers: Fields;
}

// Framing indicators, RFC 9292 §3.3
const FRAMING_KNOWN_REQUEST = 0;
const FRAMING_KNOWN_RESPONSE = 1;
const FRAMING_INDETERMINATE_REQUEST = 2;
const FRAMING_INDETERMINATE_RESPONSE = 3;

// ---- Encoding ----------------------------------------------------------------------------------------------

/** Options of a whole message. */
export interface WholeMessageOptions {
  readonly trailers?: Fields;
  /** Pads with zeros to a multiple of this many bytes (RFC 9292 §3.8); 0, the default, pads nothing. */
  readonly padToMultipleBytes?: number;
  /** Informational responses before the final one, in order. */
  readonly informational?: readonly ResponseHead[];
}

/** A whole request of known length. Throws `misuse` for a head that cannot be represented. */
export function encodeRequest(head: RequestHead, content: Bytes, options: WholeMessageOptions = {}): Bytes {
  const writer = new Writer(requestHeadSize(head) + content.length + 64);
  writer.varint(FRAMING_KNOWN_REQUEST);
  writeRequestControl(writer, head);
  return finishKnownLength(writer, head.headers, content, options);
}

/** A whole response of known length. */
export function encodeResponse(head: ResponseHead, content: Bytes, options: WholeMessageOptions = {}): Bytes {
  const writer = new Writer(fieldsSize(head.headers) + content.length + 64);
  writer.varint(FRAMING_KNOWN_RESPONSE);
  for (const informational of options.informational ?? []) {
    writer.varint(informational.status);
    writeKnownFields(writer, informational.headers);
  }
  writer.varint(head.status);
  return finishKnownLength(writer, head.headers, content, options);
}

/** The start of a request of indeterminate length: {@link encodeContent} and {@link encodeEnd} follow. */
export function encodeRequestStart(head: RequestHead): Bytes {
  const writer = new Writer(requestHeadSize(head) + 64);
  writer.varint(FRAMING_INDETERMINATE_REQUEST);
  writeRequestControl(writer, head);
  writeIndeterminateFields(writer, head.headers);
  return writer.taken();
}

/** The start of a response of indeterminate length. */
export function encodeResponseStart(head: ResponseHead, informational: readonly ResponseHead[] = []): Bytes {
  const writer = new Writer(fieldsSize(head.headers) + 64);
  writer.varint(FRAMING_INDETERMINATE_RESPONSE);
  for (const response of [...informational, head]) {
    writer.varint(response.status);
    writeIndeterminateFields(writer, response.headers);
  }
  return writer.taken();
}

/** The length in front of one piece of content; 1 byte or more. */
export function contentPrefix(contentBytes: number): Bytes {
  if (contentBytes === 0) throw new ProtocolError('misuse', 'a piece of content carries at least 1 byte');
  const prefix = new Uint8Array(varintSize(contentBytes));
  writeVarint(prefix, 0, contentBytes);
  return prefix;
}

/** One piece of content of a message of indeterminate length. */
export function encodeContent(content: Bytes): Bytes {
  return concatBytes([contentPrefix(content.length), content]);
}

/** The end of a message of indeterminate length: content terminator and trailer section. */
export function encodeEnd(trailers: Fields = []): Bytes {
  const writer = new Writer(fieldsSize(trailers) + 2);
  writer.varint(0);
  writeIndeterminateFields(writer, trailers);
  return writer.taken();
}

function finishKnownLength(writer: Writer, headers: Fields, content: Bytes, options: WholeMessageOptions): Bytes {
  writeKnownFields(writer, headers);
  writer.varint(content.length);
  writer.bytes(content);
  writeKnownFields(writer, options.trailers ?? []);
  const multiple = options.padToMultipleBytes ?? 0;
  if (multiple > 0) writer.zeros((multiple - (writer.length % multiple)) % multiple);
  return writer.taken();
}

function writeRequestControl(writer: Writer, head: RequestHead): void {
  writer.text(head.method);
  writer.text(head.scheme);
  writer.text(head.authority);
  writer.text(head.path);
}

function writeKnownFields(writer: Writer, fields: Fields): void {
  writer.varint(fieldsSize(fields));
  writeLines(writer, fields);
}

function writeIndeterminateFields(writer: Writer, fields: Fields): void {
  writeLines(writer, fields);
  writer.varint(0);
}

function writeLines(writer: Writer, fields: Fields): void {
  for (const [name, value] of fields) {
    writer.text(name);
    writer.text(withoutOuterWhitespace(value));
  }
}

/** Whitespace around a field value is no part of it (RFC 9110 §5.5), though HTTP/1.1 may have brought some along. */
function withoutOuterWhitespace(value: string): string {
  let start = 0;
  let end = value.length;
  while (start < end && isWhitespace(value.charCodeAt(start))) start += 1;
  while (end > start && isWhitespace(value.charCodeAt(end - 1))) end -= 1;
  return value.slice(start, end);
}

function isWhitespace(unit: number): boolean {
  return unit === 0x20 || unit === 0x09;
}

function textSize(text: string): number {
  return varintSize(text.length) + text.length;
}

function fieldsSize(fields: Fields): number {
  let size = 0;
  for (const [name, value] of fields) size += textSize(name) + textSize(withoutOuterWhitespace(value));
  return size;
}

function requestHeadSize(head: RequestHead): number {
  const { method, scheme, authority, path } = head;
  return textSize(method) + textSize(scheme) + textSize(authority) + textSize(path) + fieldsSize(head.headers);
}

// Grows as needed; callers size it so that it seldom does.
class Writer {
  #target: Bytes;
  length = 0;

  constructor(capacity: number) {
    this.#target = new Uint8Array(capacity);
  }

  varint(value: number): void {
    this.#reserve(8);
    this.length = writeVarint(this.#target, this.length, value);
  }

  bytes(bytes: Bytes): void {
    this.#reserve(bytes.length);
    this.#target.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** A length and the text, one byte per character. */
  text(text: string): void {
    this.varint(text.length);
    this.#reserve(text.length);
    const target = this.#target;
    let at = this.length;
    for (let i = 0; i < text.length; i += 1) {
      const unit = text.charCodeAt(i);
      if (unit > 0xff) throw new ProtocolError('misuse', 'control data and fields carry one byte per character');
      target[at] = unit;
      at += 1;
    }
    this.length = at;
  }

  zeros(count: number): void {
    this.#reserve(count);
    this.length += count;
  }

  taken(): Bytes {
    return this.#target.subarray(0, this.length);
  }

  #reserve(bytes: number): void {
    if (this.length + bytes <= this.#target.length) return;
    const grown = new Uint8Array(Math.max(this.#target.length * 2, this.length + bytes));
    grown.set(this.#target);
    this.#target = grown;
  }
}

// ---- Decoding ----------------------------------------------------------------------------------------------

/** Receives the parts of one message in order. */
export interface BhttpSink<Head extends RequestHead | ResponseHead> {
  /** An informational response (100 to 199). */
  onInformational?(head: ResponseHead): void;
  onHead(head: Head): void;
  /** A piece of content; shares memory with what was pushed. */
  onContent(content: Bytes): void;
  /** The message is complete: called once, by `end()`. */
  onEnd(trailers: Fields): void;
}

/** Bounds of a decoder. */
export interface BhttpLimits {
  /** Bytes of control data and fields in the whole message. Default 65,536. */
  readonly headMaxBytes?: number;
  /** Field lines per section. Default 256. */
  readonly fieldCountMax?: number;
}

type State = 'framing' | 'control' | 'fields-length' | 'fields' | 'content-length' | 'content' | 'padding';

/**
 * Decodes one message from pieces cut anywhere, holding back at most one incomplete element.
 * Call {@link BhttpDecoder.push} for each piece, then {@link BhttpDecoder.end}; both throw ProtocolError
 * (`malformed`, `truncated`, `too-large`), after which the decoder is of no more use.
 */
export class BhttpDecoder<Head extends RequestHead | ResponseHead> {
  readonly #kind: 'request' | 'response';
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
  #contentLeft = 0; // bytes left of the content, or of its present piece
  #contentBegun = false;

  #parts: Bytes[] = []; // arrived, not yet decoded
  #held = 0;
  #needed = 1;
  #bytes: Bytes = emptyBytes(); // the parts joined, while decoding
  #at = 0;

  constructor(kind: 'request' | 'response', sink: BhttpSink<Head>, limits: BhttpLimits = {}) {
    this.#kind = kind;
    this.#sink = sink;
    this.#headMaxBytes = limits.headMaxBytes ?? HEAD_MAX_BYTES;
    this.#fieldCountMax = limits.fieldCountMax ?? FIELD_COUNT_MAX;
  }

  /** Decodes as far as these bytes go. */
  push(bytes: Bytes): void {
    if (bytes.length === 0) return;
    this.#parts.push(bytes);
    this.#held += bytes.length;
    // An element longer than what is here is not tried again with every piece: that would cost its length squared.
    if (this.#held < this.#needed) return;
    this.#bytes = concatBytes(this.#parts);
    this.#at = 0;
    this.#needed = 1;
    let progress = true;
    while (progress && this.#at < this.#bytes.length) progress = this.#step();
    this.#parts = this.#at < this.#bytes.length ? [this.#bytes.subarray(this.#at)] : [];
    this.#held = this.#bytes.length - this.#at;
    this.#needed = progress ? 1 : this.#needed - this.#at;
    this.#bytes = emptyBytes();
  }

  /** The input has ended. Throws `truncated` unless that leaves a complete message (RFC 9292 §3.8). */
  end(): void {
    if (this.#held > 0 || !this.#mayEndHere()) throw this.#truncated();
    // An omitted section counts as empty, and so does everything behind it.
    if (this.#state === 'fields-length' || this.#state === 'fields') this.#endSection();
    this.#state = 'padding';
    this.#sink.onEnd(this.#trailers);
  }

  /** True behind a whole section when all that is missing is empty; never inside a section or behind content. */
  #mayEndHere(): boolean {
    switch (this.#state) {
      case 'padding':
        return true;
      case 'content-length':
        return !this.#contentBegun;
      case 'fields-length':
      case 'fields':
        if (this.#state === 'fields' && (!this.#indeterminate || this.#fields.length > 0)) return false;
        // An informational response is no message: the final one must follow.
        return this.#kind === 'request' || this.#section === 'trailers' || this.#status >= 200;
      default:
        return false;
    }
  }

  /** Decodes one element; false when it is not all here. */
  #step(): boolean {
    switch (this.#state) {
      case 'framing':
        return this.#readFraming();
      case 'control':
        return this.#kind === 'request' ? this.#readRequestControl() : this.#readStatus();
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
    const known = this.#kind === 'request' ? FRAMING_KNOWN_REQUEST : FRAMING_KNOWN_RESPONSE;
    const indeterminate = this.#kind === 'request' ? FRAMING_INDETERMINATE_REQUEST : FRAMING_INDETERMINATE_RESPONSE;
    if (framing !== known && framing !== indeterminate) {
      throw new ProtocolError('malformed', `Binary HTTP framing ${framing} is not that of a ${this.#kind}`);
    }
    this.#indeterminate = framing === indeterminate;
    this.#state = 'control';
    return true;
  }

  /** Method, scheme, authority, path: one a step. */
  #readRequestControl(): boolean {
    const text = this.#text();
    if (text === undefined) return false;
    this.#control.push(text);
    if (this.#control.length === 4) {
      const [method, scheme, authority, path] = this.#control as [string, string, string, string];
      checkRequestControl(method, scheme, authority, path);
      this.#beginSection('headers');
    }
    return true;
  }

  #readStatus(): boolean {
    const status = this.#varint();
    if (status === undefined) return false;
    if (status < 100 || status > 599) throw new ProtocolError('malformed', `status ${status} is not 100 to 599`);
    // Counted, so that informational responses without fields come to an end too.
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
      this.#at = start; // a line is one element, read again from its start
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
    if (this.#kind === 'request') {
      const [method, scheme, authority, path] = this.#control as [string, string, string, string];
      this.#sink.onHead({ method, scheme, authority, path, headers: this.#fields } as unknown as Head);
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

  /** The varint at the cursor, or undefined while it is not all here. */
  #varint(): number | undefined {
    const at = this.#at;
    if (at >= this.#bytes.length) return this.#wait(at + 1);
    const size = varintSizeFromFirst(this.#bytes[at] as number);
    if (at + size > this.#bytes.length) return this.#wait(at + size);
    this.#at = at + size;
    return readVarint(this.#bytes, at, size);
  }

  /** The length-prefixed text at the cursor, or undefined while it is not all here. */
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
    return new ProtocolError('truncated', `Binary HTTP ${this.#kind} ended inside its ${this.#state}`);
  }
}

/** Up to this many bytes, appending characters is faster than gathering them in an array. */
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

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/; // RFC 9110 §5.6.2
const FIELD_NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/; // RFC 9292 §3.6: lower case
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/; // RFC 9110 §5.5, RFC 9113 §8.2.1
const SCHEME = /^https?$/;
const AUTHORITY = /^[\x21-\x7e]*$/;
const PATH = /^(?:\/[\x21-\x7e]*|\*)$/;

function checkRequestControl(method: string, scheme: string, authority: string, path: string): void {
  if (!TOKEN.test(method)) throw new ProtocolError('malformed', 'method is not a token');
  if (!SCHEME.test(scheme)) throw new ProtocolError('malformed', 'scheme is not http or https');
  if (!AUTHORITY.test(authority)) throw new ProtocolError('malformed', 'authority is not printable ASCII');
  if (!PATH.test(path)) throw new ProtocolError('malformed', 'path does not start with "/" or is not printable ASCII');
}

function checkField(name: string, value: string): void {
  if (!FIELD_NAME.test(name)) throw new ProtocolError('malformed', 'a field name is not a lower-case token');
  if (!FIELD_VALUE.test(value)) throw new ProtocolError('malformed', 'a field value has a control character');
  if (isWhitespace(value.charCodeAt(0)) || isWhitespace(value.charCodeAt(value.length - 1))) {
    throw new ProtocolError('malformed', 'a field value has whitespace around it');
  }
}

/** Decodes a whole message at once; for tests and tools. */
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
