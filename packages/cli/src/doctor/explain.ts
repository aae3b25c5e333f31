// Explains an unexpected response and what to do about it. First it decides whether the response is from the relay or from
// an intermediary.
import { CONTENT_TYPE_MESSAGE, OUTER_STATUS, type OuterCode } from '@mte-relay/protocol';
import type { OuterResponse } from './hop.ts';

/** The observation, and what to do about it. */
export interface Explanation {
  readonly saw: string;
  readonly todo: string;
}

const OF_THE_RELAY: Readonly<Record<OuterCode, string>> = {
  malformed: 'an intermediary changes bytes: let it forward the bodies of /api/mte* unchanged',
  unopenable: 'an intermediary changes bytes: let it forward the bodies of /api/mte* unchanged',
  'session-unknown':
    'the pod that responded does not know the session: give all pods one REDIS_URL and one CLIENT_ID_SECRET',
  'origin-refused': 'add the origin to CORS_ORIGINS exactly: scheme://host[:port], without a slash at the end',
  'not-found': 'an intermediary rewrites the path: the ingress must forward /api/mte* unchanged',
  'method-not-allowed': 'the method was changed, most likely by a redirect: use the URL that it leads to',
  timeout: 'the request arrived too slowly: check the network to the relay, and CLIENT_IDLE_TIMEOUT_MS',
  replayed: 'an intermediary resends requests: switch its retries off for POST',
  'too-large': 'raise REQUEST_BODY_MAX_BYTES, or send less',
  'media-type-unsupported':
    'an intermediary rewrites content-type: let it forward application/mte-relay and -pairing unchanged',
  'domain-unknown': 'DOMAIN_MAP does not have this host: add it, or let the ingress forward Host unchanged',
  'key-unknown':
    'pods hold different keys: give all one CLIENT_ID_SECRET (or RELAY_IDENTITY_SEED), and finish the rollout',
  'version-unsupported': 'relay and client speak different protocol versions: bring the older one up to date',
  'upgrade-required': 'an intermediary drops Connection and Upgrade: allow WebSockets on /api/mte-ws',
  'too-many': 'PAIRINGS_PER_MINUTE is used up: behind a proxy set TRUSTED_PROXIES, or all clients count as one',
  'headers-too-large': 'an intermediary adds many header fields: see OUTER_HEAD_MAX_BYTES and OUTER_FIELDS_MAX',
  internal: 'the relay failed: find "fault" in its log',
  'upstream-unreachable': 'the relay does not reach UPSTREAM: see "upstream failed" in its log',
  'upstream-failed':
    'UPSTREAM closed the connection before its response was complete: see "upstream failed" in the relay’s log',
  unavailable:
    'the relay is without its session store (/readyz has "sessions":false: check Redis), full (mte_relay_limited_total) or draining',
  'upstream-timeout': 'UPSTREAM responds too slowly: see mte_relay_upstream_seconds',
  'loop-detected': 'UPSTREAM leads back to the relay, perhaps through an ingress: let it name the API itself',
};

const OF_AN_INTERMEDIARY: Readonly<Record<number, string>> = {
  400: 'an intermediary refuses the request: exempt /api/mte* from its inspection',
  401: 'an intermediary asks for a login in front of the relay: exempt /api/mte*',
  403: 'a firewall refuses the request: exempt /api/mte* from its inspection of bodies, which are sealed',
  404: 'the ingress does not send this path to the relay: route /api/mte* there',
  405: 'this server does not take POST here: route /api/mte* to the relay',
  408: 'an intermediary times out on slow requests: raise its timeout',
  411: 'an intermediary requires content-length: let it forward chunked requests',
  413: 'an intermediary limits bodies: raise its limit (nginx: client_max_body_size, annotation proxy-body-size; gateways: request body limit)',
  415: 'an intermediary allows only certain content types: add application/mte-relay',
  421: 'an intermediary does not serve this host: add the host to it',
  426: 'an intermediary requires another HTTP version',
  429: 'an intermediary limits requests: raise its limit for /api/mte*',
  502: 'the ingress does not reach the relay: are pods ready, is the service on PORT (8080), do NSG and NetworkPolicy allow it?',
  503: 'the ingress does not have a ready pod to send to: see /readyz and the pods’ logs',
  504: 'the relay did not respond to the ingress in time: see its log; raise the ingress’ timeout for long responses',
};

/** The code of the relay's own refusal, or undefined. */
export function relayCodeOf({ headers, body }: OuterResponse): OuterCode | undefined {
  if (!headers['content-type']?.startsWith('application/problem+json')) return undefined;
  const code = jsonOf(body)?.['code'];
  return typeof code === 'string' && Object.hasOwn(OUTER_STATUS, code) ? (code as OuterCode) : undefined;
}

/** Explains an unexpected response. */
export function explain(response: OuterResponse): Explanation {
  const code = relayCodeOf(response);
  if (code) return { saw: `the relay refused with ${response.status} ${code}`, todo: OF_THE_RELAY[code] };
  const { status, headers } = response;
  const server = headers['server'] ? ` (server: ${headers['server']})` : '';
  if (status >= 300 && status < 400) {
    const to = headers.location ?? 'nowhere';
    return {
      saw: `a redirect, not a response of the relay: ${status} to ${to}${server}`,
      todo: 'use the URL it leads to',
    };
  }
  const type = headers['content-type'] ?? 'no type';
  const coding = headers['content-encoding'];
  if (type === CONTENT_TYPE_MESSAGE && coding !== undefined) {
    return {
      saw: `an intermediary compresses sealed responses (${coding})`,
      todo: 'exempt application/mte-relay from compression, which saves nothing and buffers streams',
    };
  }
  const elsewhere = 'the URL leads to another server: route /api/mte* to the relay';
  const stripped =
    headers['content-type'] === undefined ? '; or an intermediary drops content-type: let it forward the field' : '';
  return {
    saw: `not a response of the relay: ${status}, ${type}${server}`,
    todo: OF_AN_INTERMEDIARY[status] ?? elsewhere + stripped,
  };
}

/** A JSON value of any type as text. */
export function textOf(value: unknown): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** The JSON object in a body, or undefined. */
export function jsonOf(body: Buffer): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(body.toString());
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
