// The relay's metrics for Prometheus. docs/metrics.md is generated from the names, helps and labels of this file and of
// gauges.ts. Labels have few values, all known at the start: nothing that a client sends adds a series.
import { INNER_FAILURE, type InnerCode, OUTER_STATUS, type OuterCode } from '@mte-relay/protocol';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { addGauges, type GaugeReader, type Gauges } from './gauges.ts';
import { type Count, CounterFamily, type Family, readGauge, type Timing, TimingFamily } from './series.ts';

const PREFIX = 'mte_relay_';

/** The outcome of a request: the class of its status (the inner one of an exchange), or why it has no status. */
export const OUTCOMES = ['1xx', '2xx', '3xx', '4xx', '5xx', 'refused', 'aborted'] as const;
export type Outcome = (typeof OUTCOMES)[number];

const ROUTES = ['exchange', 'cancel', 'pass_through', 'websocket'] as const;
/** The kind of a request in metrics and log; pairings have metrics of their own. */
export type Route = (typeof ROUTES)[number] | 'pairing';
/** Routes in the metrics of requests. */
type CountedRoute = Exclude<Route, 'pairing'>;

/** The settings that bound a client. */
export const LIMITS = [
  'PAIRINGS_PER_MINUTE',
  'PAIRINGS_CONCURRENT_MAX',
  'SESSIONS_MAX',
  'SESSIONS_PER_NETWORK_MAX',
  'EXCHANGES_MAX',
  'WEBSOCKETS_MAX',
  'CONNECTIONS_MAX',
  'OUTER_HEAD_MAX_BYTES',
  'OUTER_FIELDS_MAX',
  'CLIENT_HEAD_TIMEOUT_MS',
  'CLIENT_IDLE_TIMEOUT_MS',
  'WEBSOCKET_MESSAGE_MAX_BYTES',
  'WEBSOCKET_FRAGMENTS_MAX',
  'WEBSOCKET_IDLE_TIMEOUT_MS',
  'WEBSOCKET_LIFETIME_MS',
] as const;
export type Limit = (typeof LIMITS)[number];

const STORE_OPERATIONS = ['create', 'find', 'claim'] as const;
export type StoreOperation = (typeof STORE_OPERATIONS)[number];

const REQUEST_BUCKETS_SECONDS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300,
] as const;
/** Sealing and opening a small message takes tens of microseconds, a large one milliseconds. */
const CRYPTO_BUCKETS_SECONDS = [
  0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 1,
] as const;
const PAIRING_BUCKETS_SECONDS = [0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 10] as const;
const STORE_BUCKETS_SECONDS = [
  0.000_1, 0.000_25, 0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5,
] as const;

/** The description of a family, for documentation. */
export interface FamilyDescription {
  readonly name: string;
  readonly type: 'counter' | 'histogram' | 'gauge';
  readonly help: string;
  /** Each label with its values. */
  readonly labels: Readonly<Record<string, readonly string[]>>;
  readonly bucketsSeconds?: readonly number[];
}

/** The metrics of one relay. Fields are series to add to, so that counting costs no lookup. */
export class Metrics {
  readonly registry: Registry = new Registry();
  readonly families: FamilyDescription[] = [];

  readonly requests: Readonly<Record<CountedRoute, Readonly<Record<Outcome, Count>>>>;
  readonly exchangeWhole: Timing;
  readonly exchangeStream: Timing;
  readonly passThroughTime: Timing;
  readonly upstream: Timing;
  readonly decode: Timing;
  readonly encode: Timing;
  readonly pairings: Readonly<Record<'paired' | 'refused' | 'failed', Count>>;
  readonly pairingTime: Timing;
  readonly replaysRefused: Count;
  readonly outerFailures: Readonly<Record<OuterCode, Count>>;
  readonly innerFailures: Readonly<Record<InnerCode, Count>>;
  readonly limits: Readonly<Record<Limit, Count>>;
  readonly bytesIn: Readonly<Record<CountedRoute, Count>>;
  readonly bytesOut: Readonly<Record<CountedRoute, Count>>;
  readonly store: Readonly<Record<StoreOperation, Timing>>;
  readonly storeFailures: Count;

  constructor(gauges: Gauges) {
    const requests = this.#counter('requests_total', 'Requests processed, by outcome', {
      route: ROUTES,
      outcome: OUTCOMES,
    });
    this.requests = record(ROUTES, (route) => record(OUTCOMES, (outcome) => requests.series({ route, outcome })));

    const requestTime = this.#histogram(
      'request_seconds',
      'Request time: from the request’s head to the end of its response; a stream ends when its last byte is sent',
      REQUEST_BUCKETS_SECONDS,
      { route: ['exchange', 'pass_through'], response: ['whole', 'stream'] },
    );
    this.exchangeWhole = requestTime.series({ route: 'exchange', response: 'whole' });
    this.exchangeStream = requestTime.series({ route: 'exchange', response: 'stream' });
    this.passThroughTime = requestTime.series({ route: 'pass_through', response: 'stream' });
    this.upstream = this.#histogram(
      'upstream_seconds',
      'Upstream proxy time: from sending a request to the upstream until its response begins, sealed or passed through',
      REQUEST_BUCKETS_SECONDS,
    ).series();
    this.decode = this.#histogram(
      'decode_seconds',
      'Decode time: opening all chunks of one request, key derivation included',
      CRYPTO_BUCKETS_SECONDS,
    ).series();
    this.encode = this.#histogram(
      'encode_seconds',
      'Encode time: sealing all chunks of one response, key derivation included',
      CRYPTO_BUCKETS_SECONDS,
    ).series();

    const pairings = this.#counter('pairings_total', 'Pairings; refused: by a code, failed: by a fault of the relay', {
      outcome: ['paired', 'refused', 'failed'],
    });
    this.pairings = record(['paired', 'refused', 'failed'], (outcome) => pairings.series({ outcome }));
    this.pairingTime = this.#histogram(
      'pairing_seconds',
      'Time of a pairing that succeeded, from its request’s head',
      PAIRING_BUCKETS_SECONDS,
    ).series();
    this.replaysRefused = this.#counter(
      'replays_refused_total',
      'Messages refused because their number had been used',
    ).series();

    const outerCodes = keysOf(OUTER_STATUS);
    const innerCodes = keysOf(INNER_FAILURE);
    const failures = this.#counter(
      'failures_total',
      'Requests that failed, by code; outer: refused or cut off outside the seal, inner: inside it',
      { plane: ['outer', 'inner'], code: [...outerCodes, ...innerCodes] },
    );
    this.outerFailures = record(outerCodes, (code) => failures.series({ plane: 'outer', code }));
    this.innerFailures = record(innerCodes, (code) => failures.series({ plane: 'inner', code }));
    const limits = this.#counter(
      'limited_total',
      'Requests and connections refused or cut off, by the limit they met',
      {
        limit: LIMITS,
      },
    );
    this.limits = record(LIMITS, (limit) => limits.series({ limit }));

    const bytes = this.#counter(
      'bytes_total',
      'Bytes of bodies and of open WebSockets from clients (in) and to clients (out), sealed as they are',
      {
        route: ROUTES,
        direction: ['in', 'out'],
      },
    );
    this.bytesIn = record(ROUTES, (route) => bytes.series({ route, direction: 'in' }));
    this.bytesOut = record(ROUTES, (route) => bytes.series({ route, direction: 'out' }));

    const store = this.#histogram(
      'store_seconds',
      'Response time of a session store outside this process; the store in memory is not timed',
      STORE_BUCKETS_SECONDS,
      { operation: STORE_OPERATIONS },
    );
    this.store = record(STORE_OPERATIONS, (operation) => store.series({ operation }));
    this.storeFailures = this.#counter(
      'store_failures_total',
      'Operations of the session store that failed or timed out',
    ).series();

    this.#counter(
      'event_loop_active_seconds_total',
      'Time that the event loop of the process was busy; a rate of 1 is the most that one relay can do',
    ).read(() => performance.eventLoopUtilization().active / 1000);
    addGauges(gauges, (name, help, labels, read) => this.#gauge(name, help, labels, read));
  }

  /** All metrics in Prometheus’ text format, with those of the process. */
  async text(): Promise<string> {
    return (await this.registry.metrics()) + (await processRegistry().metrics());
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  #family(type: FamilyDescription['type'], name: string, help: string, more: Partial<FamilyDescription>): Family {
    this.families.push({ name: PREFIX + name, type, help, labels: {}, ...more });
    return { name: PREFIX + name, help, registers: this.registry };
  }

  #counter(name: string, help: string, labels: FamilyDescription['labels'] = {}): CounterFamily {
    return new CounterFamily(this.#family('counter', name, help, { labels }), Object.keys(labels));
  }

  #histogram(
    name: string,
    help: string,
    bucketsSeconds: readonly number[],
    labels: FamilyDescription['labels'] = {},
  ): TimingFamily {
    const family = this.#family('histogram', name, help, { labels, bucketsSeconds });
    return new TimingFamily(family, Object.keys(labels), bucketsSeconds);
  }

  #gauge(name: string, help: string, labels: FamilyDescription['labels'], read: GaugeReader): void {
    readGauge(this.#family('gauge', name, help, { labels }), Object.keys(labels), read);
  }
}

/** The outcome of a request by the status of its response; 0 without a response. */
export function outcomeOf(status: number): Outcome {
  return OUTCOME_BY_CLASS[Math.floor(status / 100)] ?? 'aborted';
}

const OUTCOME_BY_CLASS: readonly (Outcome | undefined)[] = [undefined, '1xx', '2xx', '3xx', '4xx', '5xx'];

let ofProcess: Registry | undefined;

/** CPU, memory, event loop lag, garbage collection: once per process, which may have several relays. */
function processRegistry(): Registry {
  if (ofProcess) return ofProcess;
  ofProcess = new Registry();
  collectDefaultMetrics({ register: ofProcess });
  return ofProcess;
}

/** Starts to measure the event loop and the garbage collector, which costs time. */
export function watchProcess(): void {
  processRegistry();
}

function record<K extends string, V>(keys: readonly K[], make: (key: K) => V): Record<K, V> {
  return Object.fromEntries(keys.map((key) => [key, make(key)])) as Record<K, V>;
}

function keysOf<K extends string>(object: Readonly<Record<K, unknown>>): K[] {
  return Object.keys(object) as K[];
}
