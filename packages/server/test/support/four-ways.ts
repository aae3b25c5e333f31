// The four ways through the relay, and pairing: how each is asked, and what differs between them by nature, as data.
import type { SealedClient } from '@mte-relay/testing/sealed-client';
import { TEST_ORIGIN } from '@mte-relay/testing/settings';
import { expect } from 'vitest';
import {
  type Asked,
  type Failure,
  halfAPairing,
  pairing,
  passThroughRequest,
  passThroughWebSocket,
  type Seen,
  sealedExchange,
  sealedWebSocket,
} from './four-ways-callers.ts';

/** A way to ask the relay for something. */
export interface Route {
  readonly name: 'sealed exchange' | 'sealed WebSocket' | 'pass-through request' | 'pass-through WebSocket' | 'pairing';
  /** As the log, the metrics and spans name it. */
  readonly route: 'exchange' | 'websocket' | 'pass_through' | 'pairing';
  /** The log line names session and client. */
  readonly sealed: boolean;
  /** False where a page of an origin that is not listed gets a response without CORS fields: logins post forms that way. */
  readonly refusesOrigins: boolean;
  /** Status of the response that accepts. */
  readonly accepted: 200 | 101;
  /** The counter of what became of a request, and its labels. */
  readonly outcomes: { readonly family: string; readonly accepted: string; readonly refused: string };
  /** The setting that bounds how many are in progress. */
  readonly limit: string;
  /** CORS fields of the response to a page of a listed origin. */
  readonly corsFields: Readonly<Record<string, unknown>>;
  /** `outer` of the log line. */
  outerOf(seen: Seen): number | undefined;
  /** @param client paired, where the way is sealed. */
  request(port: number, client: SealedClient | undefined, asked: Asked): Promise<Seen>;
  /** Asks for something that stays in progress until `asked.signal` aborts; default {@link Route.request}. */
  hold?(port: number, asked: Asked): Promise<void>;
}

/** A way through the relay to the upstream. */
export interface Way extends Route {
  /** Method that the upstream sees. */
  readonly method: 'POST' | 'GET';
  /** The plane of the relay's own failures (SPEC §8). */
  readonly plane: Failure['plane'];
  /** How a request head that is too large is refused, and the setting that bounds it. */
  readonly headLimit: { readonly setting: string; readonly code: string; readonly status: number };
}

const CORS_FIELDS = {
  'access-control-allow-origin': TEST_ORIGIN,
  'access-control-allow-credentials': 'true',
  'access-control-expose-headers': expect.any(String),
};

const SEALED = {
  sealed: true,
  refusesOrigins: true,
  plane: 'inner',
  headLimit: { setting: 'REQUEST_HEAD_MAX_BYTES', code: 'request-too-large', status: 413 },
} as const;

const UNSEALED = {
  sealed: false,
  plane: 'outer',
  headLimit: { setting: 'OUTER_HEAD_MAX_BYTES', code: 'headers-too-large', status: 431 },
  outerOf: ({ outer }: Seen) => outer.status,
} as const;

const REQUEST = { accepted: 200, method: 'POST', limit: 'EXCHANGES_MAX', corsFields: CORS_FIELDS } as const;

const WEBSOCKET = {
  route: 'websocket',
  outcomes: outcomesOf('websocket', '1xx'),
  accepted: 101,
  method: 'GET',
  limit: 'WEBSOCKETS_MAX',
  corsFields: {},
} as const;

export const WAYS: readonly Way[] = [
  {
    ...SEALED,
    ...REQUEST,
    name: 'sealed exchange',
    route: 'exchange',
    outcomes: outcomesOf('exchange', '2xx'),
    outerOf: ({ outer }) => outer.status,
    request: sealedExchange,
  },
  {
    ...SEALED,
    ...WEBSOCKET,
    name: 'sealed WebSocket',
    outerOf: ({ close, outer }) => close?.code ?? outer.status,
    request: sealedWebSocket,
  },
  {
    ...UNSEALED,
    ...REQUEST,
    name: 'pass-through request',
    refusesOrigins: false,
    route: 'pass_through',
    outcomes: outcomesOf('pass_through', '2xx'),
    request: passThroughRequest,
  },
  { ...UNSEALED, ...WEBSOCKET, name: 'pass-through WebSocket', refusesOrigins: true, request: passThroughWebSocket },
];

/** The fifth route, which ends at the relay. */
export const PAIRING: Route = {
  name: 'pairing',
  route: 'pairing',
  outcomes: { family: 'pairings_total', accepted: 'outcome="paired"', refused: 'outcome="refused"' },
  sealed: false,
  refusesOrigins: true,
  accepted: 200,
  limit: 'PAIRINGS_CONCURRENT_MAX',
  corsFields: CORS_FIELDS,
  outerOf: ({ outer }) => outer.status,
  request: pairing,
  hold: halfAPairing,
};

function outcomesOf(route: string, accepted: string): Route['outcomes'] {
  const labels = (outcome: string): string => `route="${route}",outcome="${outcome}"`;
  return { family: 'requests_total', accepted: labels(accepted), refused: labels('refused') };
}
