// Which fields of an unsealed request and its response cross the relay, for requests and WebSockets alike.
import type { IncomingMessage } from 'node:http';
import type { Fields, OuterCode } from '@mte-relay/protocol';
import type { RelayContext } from '../context.ts';
import type { Domain } from '../domain.ts';
import {
  downstreamFields,
  endToEndFields,
  overrideFields,
  type ParsedHeaders,
  rawFields,
  upstreamRequestHeaders,
} from '../http/fields.ts';
import { REQUEST_ID_FIELD } from '../http/request-id.ts';
import type { UpstreamFailure } from '../upstream/failures.ts';

/** The client's fields that may cross, before the operator's own replace any. */
export function clientFields(req: IncomingMessage): Fields {
  return endToEndFields(rawFields(req.rawHeaders)).filter(([name]) => name !== REQUEST_ID_FIELD);
}

/** The fields to send upstream, flat: name, value, name, value. @param given by {@link clientFields}. */
export function upstreamHeaders(
  { trustedProxies }: RelayContext,
  domain: Domain,
  req: IncomingMessage,
  given: Fields,
  requestId: string,
): string[] {
  const headers = upstreamRequestHeaders(overrideFields(given, domain.settings.HEADERS), trustedProxies.read(req));
  headers.push(REQUEST_ID_FIELD, requestId);
  return headers;
}

/**
 * The upstream's fields for the client. Left out is what the relay says itself: HEADERS, the request's id, and CORS, which
 * CORS_ORIGINS decides alone.
 */
export function fieldsForClient({ settings, upstream }: Domain, headers: ParsedHeaders): [string, string][] {
  const own = new Set(settings.HEADERS.map(([name]) => name)).add(REQUEST_ID_FIELD);
  const fields: [string, string][] = [];
  for (const [name, value] of downstreamFields(headers)) {
    if (own.has(name) || name.startsWith('access-control-')) continue;
    fields.push([name, upstream.clientValues.of(name, value)]);
  }
  return fields;
}

/** What an upstream's failure is called on the outer hop. */
export function outerCodeOfFailure(failure: UpstreamFailure): OuterCode {
  return failure === 'request-malformed' ? 'malformed' : failure;
}
