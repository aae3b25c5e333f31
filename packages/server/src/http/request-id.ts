// The request id that names a request on every hop: from a proxy in front, or random.
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** The field of the request id, in both directions. */
export const REQUEST_ID_FIELD = 'x-request-id';

/** Characters that break neither a log line nor a header. */
const WELL_FORMED = /^[A-Za-z0-9._:@=+/-]{1,128}$/;

/** The request id of an outer request. */
export function requestIdOf(req: IncomingMessage): string {
  const given = req.headers[REQUEST_ID_FIELD];
  return typeof given === 'string' && WELL_FORMED.test(given) ? given : randomUUID();
}
