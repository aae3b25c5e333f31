// Which fields cross the egress, in both directions (RFC 9110 §7.6.1): all but those of one hop and what `Connection`
// names. Lines stay apart and in order. A request's `trailer` crosses: it announces what stands behind the body.

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

/** An answer's trailers come unannounced: node:http refuses `trailer` before it knows that the body is chunked. */
const ANSWER_HOP_FIELDS: ReadonlySet<string> = new Set([...HOP_FIELDS, 'trailer']);

/** The caller's own hop: its Host names this port, where the relay's authority is meant. */
const REQUEST_HOP_FIELDS: ReadonlySet<string> = new Set([...HOP_FIELDS, 'expect', 'host', 'http2-settings']);

/** What to send on. @param raw node's flat list: name, value, name, value. */
export function requestFields(raw: readonly string[]): [string, string][] {
  const fields: [string, string][] = [];
  for (let at = 0; at < raw.length; at += 2) {
    fields.push([(raw[at] as string).toLowerCase(), raw[at + 1] as string]);
  }
  const listed = listedIn(fields);
  return fields.filter(([name]) => !REQUEST_HOP_FIELDS.has(name) && !listed.has(name));
}

/** What to answer, flat. */
export function answerFields(fields: Fields): string[] {
  const listed = listedIn(fields);
  return fields.filter(([name]) => !ANSWER_HOP_FIELDS.has(name) && !listed.has(name)).flat();
}

/** Names that `Connection` says belong to this hop. What frames the body does not, whatever it says. */
function listedIn(fields: Fields): Set<string> {
  const names = new Set<string>();
  for (const [name, value] of fields) {
    if (name === 'connection') for (const listed of value.split(',')) names.add(listed.trim().toLowerCase());
  }
  names.delete('content-length');
  return names;
}
