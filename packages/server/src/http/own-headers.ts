// HEADERS: fields of the operator's own on every answer.
import type { ServerResponse } from 'node:http';
import type { Domain } from '../domain.ts';

/** Sets them; what an answer sets later under the same name stands instead. */
export function setOwnHeaders(domain: Domain, res: ServerResponse): void {
  for (const [name, value] of domain.settings.HEADERS) res.setHeader(name, value);
}
