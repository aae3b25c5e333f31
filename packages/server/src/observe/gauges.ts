// The gauges: state, use and limits of the relay, read when Prometheus scrapes it and never counted per request.
import { X509Certificate } from 'node:crypto';
import { PROTOCOL_VERSION } from '@mte-relay/protocol';
import type { Settings } from '../config/settings.ts';
import type { Checks } from './health.ts';
import { PACKAGE } from './package.ts';
import type { Labels } from './series.ts';

/** Limits on things at once, whose use gauges show. */
const CAPACITIES = [
  'EXCHANGES_MAX',
  'PAIRINGS_CONCURRENT_MAX',
  'SESSIONS_MAX',
  'WEBSOCKETS_MAX',
  'CONNECTIONS_MAX',
] as const;
export type Capacity = (typeof CAPACITIES)[number];

const KINDS = ['exchange', 'pairing', 'pass_through', 'websocket'] as const;
const UPSTREAM_CERTIFICATES = ['UPSTREAM_CA', 'UPSTREAM_CERT'] as const;
const CHECKS = ['listening', 'serving', 'sessions'] as const;

/** An inbound domain, for the gauges. */
export interface GaugedDomain {
  readonly name: string;
  readonly settings: { readonly UPSTREAM_CA: string | undefined; readonly UPSTREAM_CERT: string | undefined };
  /** Newest first. */
  readonly pins: readonly string[];
}

/** The sources of the gauges. */
export interface Gauges {
  readonly inFlight: () => Readonly<Record<(typeof KINDS)[number], number>>;
  readonly connections: () => number;
  /** Undefined if the store does not know. */
  readonly sessions: () => number | undefined;
  /** Undefined for a store without a cache. */
  readonly sessionsCached: () => number | undefined;
  readonly checks: () => Checks;
  readonly limits: Pick<Settings, Capacity>;
  readonly domains: readonly GaugedDomain[];
  /** REDIS_CA. */
  readonly redisCa: string | undefined;
}

type Sample = readonly [Labels, number | undefined];
/** Reads the series of one gauge; a series whose value is undefined is left out. */
export type GaugeReader = () => readonly Sample[];

type Add = (name: string, help: string, labels: Readonly<Record<string, readonly string[]>>, read: GaugeReader) => void;

/** Adds every gauge. @param add takes a name without its prefix, and each label with its values if they are few. */
export function addGauges(gauges: Gauges, add: Add): void {
  const { checks, connections, inFlight, limits, sessions, sessionsCached } = gauges;
  const certificates = [
    ...gauges.domains.flatMap(({ name, settings }) =>
      UPSTREAM_CERTIFICATES.flatMap((setting) => firstExpiry({ domain: name, setting }, settings[setting])),
    ),
    ...firstExpiry({ domain: '*', setting: 'REDIS_CA' }, gauges.redisCa),
  ];
  add('in_flight', 'Exchanges, pairings, pass-through requests and WebSockets in progress', { kind: KINDS }, () => {
    const counts = inFlight();
    return KINDS.map((kind) => [{ kind }, counts[kind]]);
  });
  add('connections', 'Open connections of clients', {}, () => [[{}, connections()]]);
  add('sessions', 'Sessions in this process’s memory; absent with a shared store', {}, () => [[{}, sessions()]]);
  add(
    'sessions_cached',
    'Sessions of a shared store whose secrets this relay has cached; absent without a shared store',
    {},
    () => [[{}, sessionsCached()]],
  );
  add('limit', 'Value of a limit on things at once; SESSIONS_MAX is absent with a shared store', capacities, () =>
    CAPACITIES.map((limit) => [{ limit }, usedOf(gauges, limit) === undefined ? undefined : limits[limit]]),
  );
  add('limit_used', 'How much of a limit is used', capacities, () =>
    CAPACITIES.map((limit) => [{ limit }, usedOf(gauges, limit)]),
  );
  add('ready', '1 while /readyz responds with 200', {}, () => [[{}, Object.values(checks()).every(Boolean) ? 1 : 0]]);
  add(
    'ready_check',
    '1 while a check of /readyz passes; serving is 0 from the beginning of a shutdown',
    { check: CHECKS },
    () => {
      const passed = checks();
      return CHECKS.map((check) => [{ check }, passed[check] ? 1 : 0]);
    },
  );
  add(
    'build_info',
    'Always 1; versions of the relay, its protocol and Node',
    { version: [], protocol: [], node: [] },
    () => [[BUILD, 1]],
  );
  add('identity', 'Always 1; pins that clients may trust, one per key', identityLabels, () =>
    gauges.domains.flatMap(shownIdentities),
  );
  add(
    'certificate_expires_seconds',
    'When the certificates of a setting expire, Unix time; of several, the first',
    { domain: [], setting: [...UPSTREAM_CERTIFICATES, 'REDIS_CA'] },
    () => certificates,
  );
}

const capacities = { limit: CAPACITIES };
const identityLabels = { domain: [], pin: [], newest: ['true', 'false'] };

function usedOf({ connections, inFlight, sessions }: Gauges, limit: Capacity): number | undefined {
  const counts = inFlight();
  switch (limit) {
    case 'EXCHANGES_MAX':
      return counts.exchange + counts.pairing + counts.pass_through; // as it is enforced
    case 'PAIRINGS_CONCURRENT_MAX':
      return counts.pairing;
    case 'WEBSOCKETS_MAX':
      return counts.websocket;
    case 'CONNECTIONS_MAX':
      return connections();
    case 'SESSIONS_MAX':
      return sessions();
  }
}

const BUILD: Labels = {
  version: PACKAGE.version,
  protocol: `mte-relay/${PROTOCOL_VERSION}`,
  node: process.version,
};

function shownIdentities({ name: domain, pins }: GaugedDomain): Sample[] {
  return pins.map((pin, at) => [{ domain, pin, newest: String(at === 0) }, 1]);
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

function firstExpiry(labels: Labels, pem: string | undefined): Sample[] {
  const expiries = (pem?.match(CERTIFICATE) ?? []).map(expirySeconds).filter((time) => time > 0);
  return expiries.length === 0 ? [] : [[labels, Math.min(...expiries)]];
}

/** 0 for a certificate that cannot be parsed: the connection that uses it reports that. */
function expirySeconds(pem: string): number {
  try {
    return new X509Certificate(pem).validToDate.getTime() / 1000;
  } catch {
    return 0;
  }
}
