// Which header fields cross the relay, in both directions (RFC 9110 §7.6.1). The Binary HTTP decoder has checked that
// inner names are in lower case and contain no control characters.
import type { IncomingMessage } from 'node:http';
import { type Fields, OWN_FIELDS } from '@mte-relay/protocol';
import { plainName } from './caller-fields.ts';
import { type ForwardedWay, forwardingFields } from './forwarding.ts';
import type { Via } from './via.ts';

/** Fields that belong to one hop, and those that the relay alone may set. */
const REQUEST_DROPPED: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authorization',
  'proxy-authenticate',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'expect',
  'host',
  'content-length', // set by the code that frames the body
  'http2-settings',
  'forwarded', // set by the relay, as the next three
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'proxy', // CGI programs take it for their own proxy (CVE-2016-5385)
  // Some frameworks and IIS serve the path that these name, which no rule has checked (CVE-2018-14773).
  'x-original-url',
  'x-rewrite-url',
  ...OWN_FIELDS,
]);

const RESPONSE_DROPPED: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'mte-relay-failure', // the relay alone marks a response as its own
  ...OWN_FIELDS,
]);

/** True for a field that is not forwarded, whoever has set it, or its alias. @param name in lower case. */
export function isDropped(name: string): boolean {
  return REQUEST_DROPPED.has(plainName(name));
}

/**
 * The fields to send upstream, flat: name, value, name, value.
 * @param fields without those that `connection` lists, by {@link endToEndFields}.
 */
export function upstreamRequestHeaders(fields: Fields, way: ForwardedWay, via: Via): string[] {
  const traced = hasOneTrace(fields);
  const flat: string[] = [];
  for (const [name, value] of fields) {
    if (isDropped(name)) continue;
    if (!traced && (name === 'traceparent' || name === 'tracestate')) continue;
    flat.push(name, value);
  }
  for (const text of forwardingFields(way)) flat.push(text);
  flat.push('via', via.value); // behind those of earlier hops
  return flat;
}

const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** True for exactly one well-formed `traceparent`; others are dropped (W3C Trace Context §3.2). */
function hasOneTrace(fields: Fields): boolean {
  let valid = 0;
  for (const [name, value] of fields) {
    if (name !== 'traceparent') continue;
    if (!TRACEPARENT.test(value)) return false;
    valid += 1;
  }
  return valid === 1;
}

/**
 * The fields without `connection` and those that it lists. Called before a hook or HEADERS sets fields, which a client
 * must not be able to list.
 */
export function endToEndFields(fields: Fields): Fields {
  const listed = listedIn(connectionValues(fields));
  return listed ? fields.filter(([name]) => name !== 'connection' && !listed.has(name)) : fields;
}

/** Header fields as undici parses them: names in lower case, one value or several. */
export type ParsedHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** The upstream's fields that go back to the client. */
export function downstreamFields(headers: ParsedHeaders): [string, string][] {
  const listed = listedIn(headers['connection']);
  const fields: [string, string][] = [];
  for (const name of Object.keys(headers)) {
    if (RESPONSE_DROPPED.has(name) || listed?.has(name)) continue;
    const value = headers[name];
    if (typeof value === 'string') fields.push([name, value]);
    else for (const single of value ?? []) fields.push([name, single]);
  }
  return fields;
}

/** True for the status of a final response (RFC 9110 §15); no other can be sealed as one (RFC 9292 §3.5). */
export function isFinalStatus(status: number): boolean {
  return Number.isInteger(status) && status >= 200 && status <= 599;
}

/** The fields as pairs, one per value. */
export function flatten(headers: ParsedHeaders | undefined): [string, string][] {
  return Object.entries(headers ?? {}).flatMap(([name, value]) =>
    [value ?? []].flat().map((single): [string, string] => [name.toLowerCase(), single]),
  );
}

/** Raw fields of node:http as pairs, names in lower case. */
export function rawFields(rawHeaders: readonly string[]): [string, string][] {
  const fields: [string, string][] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    fields.push([(rawHeaders[i] as string).toLowerCase(), rawHeaders[i + 1] as string]);
  }
  return fields;
}

/** True for a request that announces content (RFC 9112 §6.3). */
export function hasContent({ headers }: IncomingMessage): boolean {
  return (headers['content-length'] ?? '0') !== '0' || headers['transfer-encoding'] !== undefined;
}

/** True for `Transfer-Encoding: chunked`, the only coding that node:http and undici undo. @param coding all its lines. */
export function isPlainlyChunked(coding: string): boolean {
  return coding.trim().toLowerCase() === 'chunked';
}

/** The items of a comma-separated field, of all its lines. */
export function listItems(fields: Fields, name: string): string[] {
  return fields
    .filter(([candidate]) => candidate === name)
    .flatMap(([, value]) => value.split(','))
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

/** The value of the first field of this name. */
export function fieldValue(fields: Fields, name: string): string | undefined {
  for (const [candidate, value] of fields) if (candidate === name) return value;
  return undefined;
}

function connectionValues(fields: Fields): string[] | undefined {
  let values: string[] | undefined;
  for (const [name, value] of fields) {
    if (name !== 'connection') continue;
    values ??= [];
    values.push(value);
  }
  return values;
}

/** Names that `Connection` lists; undefined if it lists no field. */
function listedIn(connection: string | readonly string[] | undefined): Set<string> | undefined {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return undefined;
  const values = typeof connection === 'string' ? [connection] : connection;
  return new Set(values.flatMap((value) => value.split(',')).map((name) => name.trim().toLowerCase()));
}

/** Fields that carry the WebSocket handshake itself (RFC 6455 §11.3). */
export function isHandshakeField(name: string): boolean {
  return name.startsWith('sec-websocket-');
}
