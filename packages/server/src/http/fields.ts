// Which header fields cross the relay, in both directions (RFC 9110 §7.6.1). Inner names are lower case already
// and free of control characters: the Binary HTTP decoder has seen to that.
import { CLIENT_ID_FIELD, type Fields } from '@mte-relay/protocol';
import { type ForwardedWay, forwardingFields } from './forwarding.ts';

/** Fields that belong to one hop, and those that only the relay itself may say. */
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
  'content-length', // said anew by whoever frames the body
  'http2-settings',
  'forwarded',
  'x-real-ip',
  // Some frameworks and IIS serve the path that these name, which no rule has seen (CVE-2018-14773).
  'x-original-url',
  'x-rewrite-url',
  CLIENT_ID_FIELD,
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
  'mte-relay-failure', // only the relay itself marks an answer as its own
  CLIENT_ID_FIELD,
]);

/** Fields that end here, under whatever alias: many servers read `X_Forwarded_For` as `X-Forwarded-For`. */
export function isDropped(name: string): boolean {
  const plain = name.includes('_') ? name.replaceAll('_', '-') : name;
  return REQUEST_DROPPED.has(plain) || plain.startsWith('x-forwarded-');
}

/**
 * The fields to send upstream, flat: name, value, name, value.
 * @param fields already rid of what `connection` lists, by {@link endToEndFields}.
 */
export function upstreamRequestHeaders(fields: Fields, way: ForwardedWay): string[] {
  const traced = hasOneTrace(fields);
  const flat: string[] = [];
  for (const [name, value] of fields) {
    if (isDropped(name)) continue;
    if (!traced && (name === 'traceparent' || name === 'tracestate')) continue;
    flat.push(name, value);
  }
  for (const text of forwardingFields(way)) flat.push(text);
  return flat;
}

const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** W3C Trace Context §3.2: one `traceparent` that is well formed. Several, or a broken one, belong to no trace. */
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
 * The fields without `connection` and those that it lists: before anything is added, lest a client's list reach what a
 * hook or HEADERS sets.
 */
export function endToEndFields(fields: Fields): Fields {
  const listed = listedIn(connectionValues(fields));
  return listed ? fields.filter(([name]) => name !== 'connection' && !listed.has(name)) : fields;
}

/** Header fields as undici parsed them: names in lower case, a value or several. */
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

/** True for the status of an answer; what is none of RFC 9110 §15 cannot be sealed (RFC 9292 §3.5). */
export function isFinalStatus(status: number): boolean {
  return Number.isInteger(status) && status >= 200 && status <= 599;
}

/** One line per value. */
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

/** The items of a comma-separated field that may stand in several lines. */
export function listItems(fields: Fields, name: string): string[] {
  return fields
    .filter(([candidate]) => candidate === name)
    .flatMap(([, value]) => value.split(','))
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

/** The fields with some set anew: what stood under their names before is gone. */
export function overrideFields(fields: Fields, overrides: Fields): Fields {
  if (overrides.length === 0) return fields;
  const names = new Set(overrides.map(([name]) => name));
  return [...fields.filter(([name]) => !names.has(name)), ...overrides];
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

/** Names that `Connection` lists as belonging to this hop; undefined when it lists none that could be there. */
function listedIn(connection: string | readonly string[] | undefined): Set<string> | undefined {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return undefined;
  const values = typeof connection === 'string' ? [connection] : connection;
  return new Set(values.flatMap((value) => value.split(',')).map((name) => name.trim().toLowerCase()));
}

/** Fields that carry the WebSocket handshake itself (RFC 6455 §11.3). */
export function isHandshakeField(name: string): boolean {
  return name.startsWith('sec-websocket-');
}
