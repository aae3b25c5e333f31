// SPEC §5.5: the Binary HTTP profile, whole messages at once.
import { type Bytes, Cursor, join, text, textOf, varint } from './bytes.ts';
import { require } from './refused.ts';

export type Field = [name: string, value: string];

/** A message taken apart. Requests have the first four, responses the status. */
export interface Message {
  method?: string;
  scheme?: string;
  authority?: string;
  path?: string;
  informational?: { status: number; headers: Field[] }[];
  status?: number;
  headers: Field[];
  content: Bytes;
  trailers: Field[];
}

const HEAD_MAX = 65_536;
const FIELDS_MAX = 256;

// ---- Encoding

function lengthAndText(value: string): Bytes {
  return join(varint(value.length), text(value));
}

function fieldLines(fields: Field[]): Bytes {
  return join(...fields.map(([name, value]) => join(lengthAndText(name), lengthAndText(value))));
}

function knownSection(fields: Field[]): Bytes {
  const lines = fieldLines(fields);
  return join(varint(lines.length), lines);
}

function indeterminateSection(fields: Field[]): Bytes {
  return join(fieldLines(fields), varint(0));
}

function heads(message: Message, section: (fields: Field[]) => Bytes): Bytes {
  if (message.status === undefined) {
    const control = [message.method, message.scheme, message.authority, message.path] as string[];
    return join(...control.map(lengthAndText), section(message.headers));
  }
  const responses = [...(message.informational ?? []), { status: message.status, headers: message.headers }];
  return join(...responses.map(({ status, headers }) => join(varint(status), section(headers))));
}

/** Framing 0 or 1, padded with zeros to a multiple. */
export function encodeKnown(message: Message, padToMultiple = 1): Bytes {
  const encoded = join(
    varint(message.status === undefined ? 0 : 1),
    heads(message, knownSection),
    varint(message.content.length),
    message.content,
    knownSection(message.trailers),
  );
  const over = encoded.length % padToMultiple;
  return over === 0 ? encoded : join(encoded, new Uint8Array(padToMultiple - over));
}

/** Framing 2 or 3, the content in these pieces. */
export function encodeIndeterminate(message: Message, pieces: Bytes[]): Bytes {
  return join(
    varint(message.status === undefined ? 2 : 3),
    heads(message, indeterminateSection),
    ...pieces.map((piece) => join(varint(piece.length), piece)),
    varint(0),
    indeterminateSection(message.trailers),
  );
}

// ---- Decoding

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** Decodes one message; `kind` is what the receiver expects. */
export function decode(kind: 'request' | 'response', bytes: Bytes): Message {
  const cursor = new Cursor(bytes);
  const framing = cursor.varint();
  require(framing === (kind === 'request' ? 0 : 1) || framing === (kind === 'request' ? 2 : 3), 'malformed');
  const known = framing < 2;
  const budget = { left: HEAD_MAX };
  const section = () => (known ? readKnownSection(cursor, budget) : readIndeterminateSection(cursor, budget));
  const head =
    kind === 'request' ? readRequestHead(cursor, budget, section) : readResponseHead(cursor, budget, section);
  const content = known ? readKnownContent(cursor) : readIndeterminateContent(cursor);
  const trailers = section();
  require(cursor.rest().every((byte) => byte === 0), 'malformed');
  return { ...head, content, trailers };
}

function readRequestHead(cursor: Cursor, budget: { left: number }, section: () => Field[]) {
  const method = readText(cursor, budget);
  const scheme = readText(cursor, budget);
  const authority = readText(cursor, budget);
  const path = readText(cursor, budget);
  require(TOKEN.test(method), 'malformed');
  require(scheme === 'http' || scheme === 'https', 'malformed');
  require(/^[!-~]*$/.test(authority), 'malformed');
  require(path === '*' || /^\/[!-~]*$/.test(path), 'malformed');
  return { method, scheme, authority, path, headers: section() };
}

function readResponseHead(cursor: Cursor, budget: { left: number }, section: () => Field[]) {
  const informational: { status: number; headers: Field[] }[] = [];
  for (;;) {
    const status = cursor.varint();
    require(status >= 100 && status <= 599, 'malformed');
    budget.left -= varint(status).length;
    require(budget.left >= 0, 'too-large');
    if (status >= 200) return { informational, status, headers: section() };
    // Only behind the final response may a section be omitted.
    require(cursor.left > 0, 'truncated');
    informational.push({ status, headers: section() });
  }
}

/** A length and that many bytes, counted against the budget for control data and fields. */
function readText(cursor: Cursor, budget: { left: number }): string {
  const before = cursor.at;
  const length = cursor.varint();
  require(length <= budget.left, 'too-large');
  const value = textOf(cursor.take(length));
  budget.left -= cursor.at - before;
  return value;
}

function readField(name: string, cursor: Cursor, budget: { left: number }, fields: Field[]): void {
  const value = readText(cursor, budget);
  require(TOKEN.test(name) && name === name.toLowerCase(), 'malformed');
  require([...text(value)].every((byte) => byte === 0x09 || (byte >= 0x20 && byte !== 0x7f)), 'malformed');
  require(value === withoutWhitespaceAround(value), 'malformed');
  require(fields.length < FIELDS_MAX, 'too-large');
  fields.push([name, value]);
}

function readKnownSection(cursor: Cursor, budget: { left: number }): Field[] {
  const fields: Field[] = [];
  if (cursor.left === 0) return fields; // omitted
  const length = cursor.varint();
  require(length <= HEAD_MAX, 'too-large');
  const end = cursor.at + length;
  while (cursor.at < end) readField(readText(cursor, budget), cursor, budget, fields);
  require(cursor.at === end, 'malformed');
  return fields;
}

function readIndeterminateSection(cursor: Cursor, budget: { left: number }): Field[] {
  const fields: Field[] = [];
  if (cursor.left === 0) return fields; // omitted
  for (;;) {
    const name = readText(cursor, budget);
    if (name === '') return fields;
    readField(name, cursor, budget, fields);
  }
}

function readKnownContent(cursor: Cursor): Bytes {
  return cursor.left === 0 ? new Uint8Array(0) : cursor.take(cursor.varint());
}

function readIndeterminateContent(cursor: Cursor): Bytes {
  const pieces: Bytes[] = [];
  if (cursor.left === 0) return new Uint8Array(0); // omitted
  for (;;) {
    const length = cursor.varint();
    if (length === 0) return join(...pieces);
    pieces.push(cursor.take(length));
  }
}

/** Only space and tab count: 0xA0 is a letter like any other. */
function withoutWhitespaceAround(value: string): string {
  return value.replace(/^[ \t]+/, '').replace(/[ \t]+$/, '');
}
