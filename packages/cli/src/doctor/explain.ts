// What an answer that is not the expected one means, and what to do: first whether the relay itself speaks, or a box in
// front of it.
import { CONTENT_TYPE_MESSAGE, OUTER_STATUS, type OuterCode } from '@mte-relay/protocol';
import type { OuterAnswer } from './hop.ts';

/** What was seen, and what to do about it. */
export interface Explanation {
  readonly saw: string;
  readonly todo: string;
}

const OF_THE_RELAY: Readonly<Record<OuterCode, string>> = {
  malformed: 'the bytes were changed on the way: let boxes pass the bodies of /api/mte* as they are',
  unopenable: 'the bytes were changed on the way: let boxes pass the bodies of /api/mte* as they are',
  'session-unknown':
    'the pod that answered does not know the session: give all pods one REDIS_URL and one CLIENT_ID_SECRET',
  'origin-refused': 'add the origin to CORS_ORIGINS exactly: scheme://host[:port], without a slash at the end',
  'not-found': 'the path was rewritten on the way: the ingress must pass /api/mte* unchanged',
  'method-not-allowed': 'the method was changed on the way, most likely by a redirect: use the URL that it leads to',
  timeout: 'the request arrived too slowly: look at the way to the relay, and at CLIENT_IDLE_TIMEOUT_MS',
  replayed: 'a box sends requests twice: switch its retries off for POST',
  'too-large': 'raise REQUEST_BODY_MAX_BYTES, or send less',
  'media-type-unsupported': 'a box rewrites content-type: let it pass application/mte-relay and -pairing unchanged',
  'domain-unknown': 'no domain of DOMAIN_MAP has this host: add it, or let the ingress pass Host as it came',
  'key-unknown':
    'pods hold different keys: give all one CLIENT_ID_SECRET (or RELAY_IDENTITY_SEED), and finish the rollout',
  'version-unsupported': 'relay and client speak different protocol versions: bring the older one up to date',
  'upgrade-required': 'a box drops Connection and Upgrade: let WebSockets through on /api/mte-ws',
  'too-many': 'PAIRINGS_PER_MINUTE is used up: behind a proxy set TRUSTED_PROXIES, or all clients count as one',
  'headers-too-large': 'a box adds many header fields: see OUTER_HEAD_MAX_BYTES and OUTER_FIELDS_MAX',
  internal: 'a fault of the relay: find "fault" in its log',
  'upstream-unreachable': 'the relay does not reach UPSTREAM: see "upstream failed" in its log',
  'upstream-failed': 'UPSTREAM broke off before it answered: see "upstream failed" in the relay’s log',
  unavailable:
    'the relay is without its session store (/readyz says "sessions":false: look at Redis), full (mte_relay_limited_total) or draining',
  'upstream-timeout': 'UPSTREAM answers too slowly: see mte_relay_upstream_seconds',
};

const OF_A_BOX: Readonly<Record<number, string>> = {
  400: 'a box refuses the request: exempt /api/mte* from its inspection',
  401: 'a box asks for a login in front of the relay: exempt /api/mte*',
  403: 'a firewall refuses the request: exempt /api/mte* from its inspection of bodies, which are sealed',
  404: 'the ingress does not send this path to the relay: route /api/mte* there',
  405: 'what answers takes no POST here: route /api/mte* to the relay',
  408: 'a box gives up on slow requests: raise its timeout',
  411: 'a box wants content-length: let it pass chunked requests',
  413: 'a box limits bodies: raise it (nginx: client_max_body_size, annotation proxy-body-size; gateways: request body limit)',
  415: 'a box knows only certain content types: let it pass application/mte-relay',
  421: 'a box does not serve this host: add the host to it',
  426: 'a box wants another HTTP version',
  429: 'a box limits requests: raise its limit for /api/mte*',
  502: 'the ingress does not reach the relay: are pods ready, is the service on PORT (8080), do NSG and NetworkPolicy allow it?',
  503: 'the ingress has no relay to send to: no pod is ready; see /readyz and the pods’ logs',
  504: 'the relay did not answer the ingress in time: see its log; raise the ingress’ timeout for long answers',
};

/** The code of a refusal in the relay's own words, or undefined. */
export function relayCodeOf({ headers, body }: OuterAnswer): OuterCode | undefined {
  if (!headers['content-type']?.startsWith('application/problem+json')) return undefined;
  const code = jsonOf(body)?.['code'];
  return typeof code === 'string' && Object.hasOwn(OUTER_STATUS, code) ? (code as OuterCode) : undefined;
}

/** Explains an answer that is not the wanted one. */
export function explain(answer: OuterAnswer): Explanation {
  const code = relayCodeOf(answer);
  if (code) return { saw: `the relay refused with ${answer.status} ${code}`, todo: OF_THE_RELAY[code] };
  const { status, headers } = answer;
  const server = headers['server'] ? ` (server: ${headers['server']})` : '';
  if (status >= 300 && status < 400) {
    const to = headers.location ?? 'nowhere';
    return {
      saw: `not the relay but a redirect answers: ${status} to ${to}${server}`,
      todo: 'use the URL it leads to',
    };
  }
  const type = headers['content-type'] ?? 'no type';
  const coding = headers['content-encoding'];
  if (type === CONTENT_TYPE_MESSAGE && coding !== undefined) {
    return {
      saw: `a box compresses sealed answers (${coding})`,
      todo: 'exempt application/mte-relay from compression: it gains nothing, and streams are held back',
    };
  }
  const elsewhere = 'the URL leads to another server: route /api/mte* to the relay';
  const stripped =
    headers['content-type'] === undefined ? '; or a box takes content-type off answers: let it pass' : '';
  return {
    saw: `not the relay but something else answers: ${status}, ${type}${server}`,
    todo: OF_A_BOX[status] ?? elsewhere + stripped,
  };
}

/** A value of somebody's JSON as text, whatever it is. */
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
