// Encodes Binary HTTP (RFC 9292), known and indeterminate length. Requests and responses have separate functions, so that a
// client's bundle does not contain the encoder of responses.
import { CHUNK_PLAINTEXT_MAX_BYTES } from '../constants.ts';
import { ProtocolError } from '../errors.ts';
import { type Bytes, concatBytes, varintSize, writeVarint } from '../wire.ts';
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

/** Options of a whole message. */
export interface WholeMessageOptions {
  readonly trailers?: Fields;
  /** Pads with zeros to a multiple of this many bytes (RFC 9292 §3.8), within one chunk. Default 0: no padding. */
  readonly padToMultipleBytes?: number;
  /** Informational responses before the final one, in order. */
  readonly informational?: readonly ResponseHead[];
}

/** A whole request of known length. Throws `misuse` for a head that cannot be represented. */
export function encodeRequest(head: RequestHead, content: Bytes, options: WholeMessageOptions = {}): Bytes {
  const writer = new Writer(requestHeadSize(head) + content.length + 64 + (options.padToMultipleBytes ?? 0));
  writer.varint(FRAMING_KNOWN_REQUEST);
  writeRequestControl(writer, head);
  return finishKnownLength(writer, head.headers, content, options);
}

/** A whole response of known length. */
export function encodeResponse(head: ResponseHead, content: Bytes, options: WholeMessageOptions = {}): Bytes {
  const writer = new Writer(fieldsSize(head.headers) + content.length + 64 + (options.padToMultipleBytes ?? 0));
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

/** The length prefix of one piece of content, which has at least 1 byte. */
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

/**
 * The end of a message of indeterminate length: content terminator, trailer section and padding.
 * @param sentBytes length of the message before its end; only padding needs it.
 * @param padToMultipleBytes pads the whole message to a multiple of this many bytes. Default 0: no padding.
 */
export function encodeEnd(trailers: Fields = [], sentBytes = 0, padToMultipleBytes = 0): Bytes {
  const writer = new Writer(fieldsSize(trailers) + 2 + padToMultipleBytes);
  writer.varint(0);
  writeIndeterminateFields(writer, trailers);
  pad(writer, sentBytes, padToMultipleBytes);
  return writer.taken();
}

/** Pads to the multiple, or as far as the last chunk has room. */
function pad(writer: Writer, sentBytes: number, multiple: number): void {
  if (multiple === 0) return;
  const missing = (multiple - ((sentBytes + writer.length) % multiple)) % multiple;
  writer.zeros(Math.min(missing, Math.max(0, CHUNK_PLAINTEXT_MAX_BYTES - writer.length)));
}

function finishKnownLength(writer: Writer, headers: Fields, content: Bytes, options: WholeMessageOptions): Bytes {
  writeKnownFields(writer, headers);
  writer.varint(content.length);
  writer.bytes(content);
  writeKnownFields(writer, options.trailers ?? []);
  pad(writer, 0, options.padToMultipleBytes ?? 0);
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

/** Whitespace around a field value is not part of it (RFC 9110 §5.5), but HTTP/1.1 may have it. */
export function withoutOuterWhitespace(value: string): string {
  let start = 0;
  let end = value.length;
  while (start < end && isWhitespace(value.charCodeAt(start))) start += 1;
  while (end > start && isWhitespace(value.charCodeAt(end - 1))) end -= 1;
  return value.slice(start, end);
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

// Grows on demand. Callers choose a size that rarely needs it.
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
