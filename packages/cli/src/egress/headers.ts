// The fields that the egress forwards in both directions (RFC 9110 §7.6.1): all except those of one hop and those that
// `Connection` names. Field lines stay separate and in order. A request's `trailer` is forwarded, to announce the trailers.

/** Field lines: name, value. */
type Fields = ReadonlyArray<readonly [name: string, value: string]>;

const HOP_FIELDS: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
]);

/** A response's trailers are not announced: node:http rejects `trailer` before it knows that the body is chunked. */
const RESPONSE_HOP_FIELDS: ReadonlySet<string> = new Set([...HOP_FIELDS, 'trailer']);

/** Fields of the caller's hop. Its Host names this port instead of the relay's authority. */
const REQUEST_HOP_FIELDS: ReadonlySet<string> = new Set([...HOP_FIELDS, 'expect', 'host', 'http2-settings']);

/** The fields to forward. @param raw node:http's flat list: name, value, name, value. */
export function requestFields(raw: readonly string[]): [string, string][] {
  const fields: [string, string][] = [];
  for (let at = 0; at < raw.length; at += 2) {
    fields.push([(raw[at] as string).toLowerCase(), raw[at + 1] as string]);
  }
  const listed = listedIn(fields);
  return fields.filter(([name]) => !REQUEST_HOP_FIELDS.has(name) && !listed.has(name));
}

/** The fields of the response, as a flat list. */
export function responseFields(fields: Fields): string[] {
  const listed = listedIn(fields);
  return fields.filter(([name]) => !RESPONSE_HOP_FIELDS.has(name) && !listed.has(name)).flat();
}

/** Names in `Connection`, except content-length, which frames the body. */
function listedIn(fields: Fields): Set<string> {
  const names = new Set<string>();
  for (const [name, value] of fields) {
    if (name === 'connection') for (const listed of value.split(',')) names.add(listed.trim().toLowerCase());
  }
  names.delete('content-length');
  return names;
}
