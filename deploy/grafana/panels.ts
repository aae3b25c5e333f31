// The panels of the dashboard, row by row: what an operator asks, in the order of asking. dashboard.ts makes Grafana's
// form of them.
const SELECTED = '{namespace=~"$namespace", pod=~"$pod"}';

/** One line, or one family of lines, of a panel. */
export interface Query {
  /** With labels as {{label}}. */
  readonly legend: string;
  readonly expr: string;
}

/** One panel. */
export interface PanelSource {
  readonly title: string;
  readonly description: string;
  /** Grafana's name of it. */
  readonly unit: string;
  readonly kind?: 'lines' | 'areas' | 'number' | 'table';
  readonly queries: readonly Query[];
  /** Upper end of the axis, where one is given by nature. */
  readonly max?: number;
  /** Said when there is no series, which is often the good case. */
  readonly empty?: string;
}

/** Panels under one heading; they share its width. */
export interface RowSource {
  readonly title: string;
  readonly panels: readonly PanelSource[];
}

const series = (name: string, ...matchers: string[]): string =>
  `mte_relay_${name}${[SELECTED.slice(0, -1), ...matchers].join(', ')}}`;
const rate = (selector: string): string => `rate(${selector}[$__rate_interval])`;
const by = (labels: string, name: string, ...matchers: string[]): string =>
  `sum by (${labels}) (${rate(series(name, ...matchers))})`;
const total = (name: string, ...matchers: string[]): string => `sum(${rate(series(name, ...matchers))})`;
/** Milliseconds, of a histogram in seconds. */
const average = (name: string, ...matchers: string[]): string =>
  `1000 * ${total(`${name}_sum`, ...matchers)} / ${total(`${name}_count`, ...matchers)}`;
const quantile = (q: number, name: string, labels: string, ...matchers: string[]): string =>
  `1000 * histogram_quantile(${q}, ${by(labels === '' ? 'le' : `le, ${labels}`, `${name}_bucket`, ...matchers)})`;
const times = (name: string, ...matchers: string[]): Query[] => [
  { legend: 'average', expr: average(name, ...matchers) },
  { legend: 'p50', expr: quantile(0.5, name, '', ...matchers) },
  { legend: 'p99', expr: quantile(0.99, name, '', ...matchers) },
];
/** A metric of the process, which others have under the same name, for relays alone. */
const ofRelays = (expr: string): string => `${expr} and on (namespace, pod, instance) mte_relay_ready`;
const ofProcess = (name: string): string => ofRelays(`${name}${SELECTED}`);

const FAILED = '{namespace=~"$namespace", pod=~"$pod", plane="outer", code=~"internal|unavailable|upstream-.*"}';

export const ROWS: readonly RowSource[] = [
  {
    title: 'Traffic',
    // The first five have the names that operators of the reference product know.
    panels: [
      {
        title: 'Requests Processed [req/sec]',
        description: 'Exchanges, cancels, pass-through requests and WebSockets, each when it is over.',
        unit: 'reqps',
        queries: [{ legend: '{{route}}', expr: by('route', 'requests_total') }],
      },
      {
        title: 'Request Time [ms]',
        description: 'From the request’s head to the end of its answer, without answers that are streams.',
        unit: 'ms',
        queries: times('request_seconds', 'response="whole"'),
      },
      {
        title: 'Upstream Proxy Time [ms]',
        description: 'From handing a request to the API until its answer begins.',
        unit: 'ms',
        queries: times('upstream_seconds'),
      },
      {
        title: 'Average Decode Time [ms]',
        description: 'Opening all chunks of a request, key derivation included.',
        unit: 'ms',
        queries: [{ legend: 'average', expr: average('decode_seconds') }],
      },
      {
        title: 'Average Encode Time [ms]',
        description: 'Sealing all chunks of an answer, key derivation included.',
        unit: 'ms',
        queries: [{ legend: 'average', expr: average('encode_seconds') }],
      },
    ],
  },
  {
    title: 'Errors',
    panels: [
      {
        title: 'Errors by Code [per sec]',
        description: 'Answers that the relay made itself. outer: a bare refusal; inner: inside the seal.',
        unit: 'cps',
        queries: [{ legend: '{{plane}} {{code}}', expr: `${by('plane, code', 'failures_total')} > 0` }],
        empty: 'none',
      },
      {
        title: 'Error Ratio',
        description: '5xx of the API or the relay, and refusals that are no client’s fault, of all requests.',
        unit: 'percentunit',
        queries: [
          {
            legend: 'errors',
            expr: `(${total('requests_total', 'outcome="5xx"')} + sum(${rate(`mte_relay_failures_total${FAILED}`)})) / ${total('requests_total')}`,
          },
        ],
      },
      {
        title: 'Outcomes [req/sec]',
        description: 'By class of the status that the client opened; refused and aborted requests have none.',
        unit: 'reqps',
        kind: 'areas',
        queries: [{ legend: '{{outcome}}', expr: `${by('outcome', 'requests_total')} > 0` }],
        empty: 'none',
      },
      {
        title: 'Refused by a Limit [per sec]',
        description: 'Requests and connections refused or cut off, by the setting that bounds them.',
        unit: 'cps',
        queries: [{ legend: '{{limit}}', expr: `${by('limit', 'limited_total')} > 0` }],
        empty: 'none',
      },
    ],
  },
  {
    title: 'Sessions',
    panels: [
      {
        title: 'Sessions',
        description: 'Held in memory; with a shared store, those whose secrets are at hand, per relay.',
        unit: 'short',
        queries: [
          { legend: 'in memory', expr: `sum(${series('sessions')})` },
          { legend: 'at hand {{pod}}', expr: series('sessions_cached') },
        ],
      },
      {
        title: 'Pairings [per sec]',
        description: 'refused: by a code, so by the client’s doing; failed: by a fault of relay or store.',
        unit: 'cps',
        queries: [{ legend: '{{outcome}}', expr: by('outcome', 'pairings_total') }],
      },
      {
        title: 'Pairing Time [ms]',
        description: 'Of pairings that succeeded. It is mostly the key agreement.',
        unit: 'ms',
        queries: times('pairing_seconds'),
      },
      {
        title: 'Replays Refused [per sec]',
        description: 'Messages whose number was used before. A few come from proxies that send again; many do not.',
        unit: 'cps',
        queries: [{ legend: 'replays', expr: total('replays_refused_total') }],
      },
      {
        title: 'Store Latency [ms]',
        description: 'Answers of a session store outside the process, by operation.',
        unit: 'ms',
        queries: [
          { legend: 'p50 {{operation}}', expr: quantile(0.5, 'store_seconds', 'operation') },
          { legend: 'p99 {{operation}}', expr: quantile(0.99, 'store_seconds', 'operation') },
        ],
        empty: 'sessions are in memory',
      },
      {
        title: 'Store Failures [per sec]',
        description: 'Each is an exchange refused with 503, of which nothing ran.',
        unit: 'cps',
        queries: [{ legend: 'failures', expr: total('store_failures_total') }],
      },
    ],
  },
  {
    title: 'Capacity',
    panels: [
      {
        title: 'Saturation',
        description: 'How much of each limit the fullest pod uses.',
        unit: 'percentunit',
        max: 1,
        queries: [
          {
            legend: '{{limit}}',
            expr: `max by (limit) (${series('limit_used')} / ${series('limit')})`,
          },
        ],
      },
      {
        title: 'In Flight',
        description: 'What is under way now.',
        unit: 'short',
        queries: [{ legend: '{{kind}}', expr: `sum by (kind) (${series('in_flight')})` }],
      },
      {
        title: 'Event-Loop Busy',
        description: 'Share of its time that a relay works. At 1 it can do no more: add pods.',
        unit: 'percentunit',
        max: 1,
        queries: [{ legend: '{{pod}}', expr: rate(series('event_loop_active_seconds_total')) }],
      },
      {
        title: 'Event-Loop Lag [ms]',
        description: 'How late one turn in a hundred is. About 10 ms is idle: the clock ticks no finer.',
        unit: 'ms',
        queries: [{ legend: '{{pod}}', expr: `1000 * (${ofProcess('nodejs_eventloop_lag_p99_seconds')})` }],
      },
      {
        title: 'CPU [cores]',
        description: 'Processor time of each relay.',
        unit: 'short',
        queries: [{ legend: '{{pod}}', expr: ofRelays(rate(`process_cpu_seconds_total${SELECTED}`)) }],
      },
      {
        title: 'Memory',
        description: 'Resident memory of each relay, and of it the heap in use.',
        unit: 'bytes',
        queries: [
          { legend: '{{pod}}', expr: ofProcess('process_resident_memory_bytes') },
          { legend: 'heap {{pod}}', expr: ofProcess('nodejs_heap_size_used_bytes') },
        ],
      },
    ],
  },
  {
    title: 'Connections',
    panels: [
      {
        title: 'WebSockets',
        description: 'Open now, sealed and passed through.',
        unit: 'short',
        queries: [{ legend: '{{pod}}', expr: series('in_flight', 'kind="websocket"') }],
      },
      {
        title: 'Connections',
        description: 'Of clients, open now.',
        unit: 'short',
        queries: [{ legend: '{{pod}}', expr: series('connections') }],
      },
      {
        title: 'Bytes [per sec]',
        description: 'Of bodies from clients (in) and to clients (out), sealed as they are.',
        unit: 'Bps',
        queries: [{ legend: '{{direction}} {{route}}', expr: by('direction, route', 'bytes_total') }],
      },
    ],
  },
  {
    title: 'Relays',
    panels: [
      {
        title: 'Ready',
        description: 'Relays that take traffic.',
        unit: 'short',
        kind: 'number',
        queries: [{ legend: 'ready', expr: `sum(${series('ready')})` }],
      },
      {
        title: 'Draining',
        description: 'Relays that end: they finish what they have and take nothing new.',
        unit: 'short',
        kind: 'number',
        queries: [{ legend: 'draining', expr: `sum(1 - ${series('ready_check', 'check="serving"')})` }],
      },
      {
        title: 'Restarts',
        description: 'Within the time shown. An update makes new pods and no restarts.',
        unit: 'short',
        kind: 'number',
        queries: [
          { legend: 'restarts', expr: `sum(${ofRelays(`changes(process_start_time_seconds${SELECTED}[$__range])`)})` },
        ],
      },
      {
        title: 'Readiness by Check',
        description: 'The least of all pods; 0 is not ready. serving: no shutdown has begun.',
        unit: 'short',
        max: 1,
        queries: [{ legend: '{{check}}', expr: `min by (check) (${series('ready_check')})` }],
      },
      {
        title: 'Up Since',
        description: 'Age of each process.',
        unit: 's',
        queries: [{ legend: '{{pod}}', expr: `time() - (${ofProcess('process_start_time_seconds')})` }],
      },
      {
        title: 'Versions and Pins',
        description: 'Relays of one deployment show one version and one newest pin, except during an update.',
        unit: 'short',
        kind: 'table',
        queries: [
          { legend: 'version', expr: `count by (version, protocol, node) (${series('build_info')})` },
          { legend: 'pin', expr: `count by (domain, pin, newest) (${series('identity')})` },
        ],
      },
    ],
  },
];
