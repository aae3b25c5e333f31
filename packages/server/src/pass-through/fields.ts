// Which fields of an unsealed request and its response cross the relay, for requests and WebSockets alike.
import type { IncomingMessage } from 'node:http';
import type { Fields, OuterCode } from '@mte-relay/protocol';
import type { RelayContext } from '../context.ts';
import type { Domain } from '../domain.ts';
import { plainName } from '../http/caller-fields.ts';
import {
  downstreamFields,
  endToEndFields,
  type ParsedHeaders,
  rawFields,
  upstreamRequestHeaders,
} from '../http/fields.ts';
import { REQUEST_ID_FIELD } from '../http/request-id.ts';
import { setsJarKey, withoutJarKeys } from '../secrets/jar-keys.ts';
import type { UpstreamFailure } from '../upstream/failures.ts';

/** The client's and the trusted proxies' fields that may cross, before the operator's replace any. */
export function clientFields({ trustedProxies }: RelayContext, { crossing }: Domain, req: IncomingMessage): Fields {
  const fields: (readonly [string, string])[] = [];
  for (const field of endToEndFields(rawFields(req.rawHeaders))) {
    const [name, value] = field;
    if (plainName(name) === REQUEST_ID_FIELD) continue;
    const kept = name === 'cookie' ? withoutJarKeys(value) : value; // jar keys are between browser and relay
    if (kept !== undefined) fields.push(kept === value ? field : [name, kept]);
  }
  return crossing.unsealed(fields, req, trustedProxies);
}

/** The fields to send upstream, flat: name, value, name, value. @param given by {@link clientFields}. */
export function upstreamHeaders(
  { trustedProxies }: RelayContext,
  domain: Domain,
  req: IncomingMessage,
  given: Fields,
  requestId: string,
): string[] {
  const headers = upstreamRequestHeaders(domain.requestFields.over(given), trustedProxies.read(req), domain.via);
  headers.push(REQUEST_ID_FIELD, requestId);
  return headers;
}

/**
 * The upstream's fields for the client, without those that the relay sets itself: the operator's, the request id, and CORS,
 * which CORS_ORIGINS alone decides.
 */
export function fieldsForClient({ responseFields, upstream, via }: Domain, headers: ParsedHeaders): [string, string][] {
  const fields = downstreamFields(headers);
  let kept = 0; // in place: this is on the path of every response
  for (const field of fields) {
    const [name, value] = field;
    if (responseFields.has(name) || name === REQUEST_ID_FIELD || name.startsWith('access-control-')) continue;
    if (name === 'set-cookie' && setsJarKey(value)) continue;
    field[1] = upstream.clientValues.of(name, value);
    fields[kept] = field;
    kept += 1;
  }
  fields.length = kept;
  fields.push(['via', via.value]);
  return fields;
}

/** The outer code of an upstream's failure. */
export function outerCodeOfFailure(failure: UpstreamFailure): OuterCode {
  return failure === 'request-malformed' ? 'malformed' : failure;
}
