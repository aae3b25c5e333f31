// Names a request across the hops: the id that a proxy in front gave it, or a random one.
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** The field that carries it, in and out. */
export const REQUEST_ID_FIELD = 'x-request-id';

/** Nothing that could break a log line or a header; longer ones are no ids. */
const WELL_FORMED = /^[A-Za-z0-9._:@=+/-]{1,128}$/;

/** The id of a request on the outer hop. */
export function requestIdOf(req: IncomingMessage): string {
  const given = req.headers[REQUEST_ID_FIELD];
  return typeof given === 'string' && WELL_FORMED.test(given) ? given : randomUUID();
}
