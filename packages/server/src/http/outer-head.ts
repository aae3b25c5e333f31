// Which heads of outer requests the relay refuses although node:http parses them: a recipient behind or in front of the relay
// could read them differently (RFC 9112 §2.3, §3.2, §6.1).
import type { IncomingMessage } from 'node:http';
import { isPlainlyChunked } from './fields.ts';

/** `uri-host [ ":" port ]` (RFC 9110 §7.2), not empty. */
const HOST = /^(?:\[[0-9A-Fa-f:.]+\]|(?:[\w\-.~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+)(?::\d*)?$/;

/** True for HTTP/1.0 or 1.1 with a valid Host in one line, which 1.0 may lack, and no transfer coding besides `chunked`. */
export function isUnambiguous({ httpVersion, headers, rawHeaders }: IncomingMessage): boolean {
  const coding = headers['transfer-encoding'];
  if (httpVersion === '1.0') {
    if (coding !== undefined) return false;
  } else if (httpVersion !== '1.1' || headers.host === undefined) {
    return false;
  }
  if (coding !== undefined && !isPlainlyChunked(coding)) return false;
  return headers.host === undefined || (HOST.test(headers.host) && hasOneHost(rawHeaders));
}

/** True for no expectation, or that of a `100 Continue`, the only one that a server can meet (RFC 9110 §10.1.1). */
export function meetsExpectation({ headers }: IncomingMessage): boolean {
  return headers.expect === undefined || headers.expect.trim().toLowerCase() === '100-continue';
}

function hasOneHost(rawHeaders: readonly string[]): boolean {
  let lines = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    if (name.length === 4 && name.toLowerCase() === 'host') lines += 1;
  }
  return lines === 1;
}
