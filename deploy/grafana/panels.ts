// The panels of the dashboard, row by row, in the order of an operator's questions. dashboard.ts writes them in Grafana's
// form.
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
  /** By Grafana's name. */
  readonly unit: string;
  readonly kind?: 'lines' | 'areas' | 'number' | 'table';
  readonly queries: readonly Query[];
  /** Upper end of the axis, where the quantity has one. */
  readonly max?: number;
  /** Shown when there is no series, which is often the good case. */
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
/** A metric of the process, for relays alone: other programs export the same name. */
const ofRelays = (expr: string): string => `${expr} and on (namespace, pod, instance) mte_relay_ready`;
const ofProcess = (name: string): string => ofRelays(`${name}${SELECTED}`);

/** Failures of the relay or its store, which have no 5xx outcome; those of the upstream have one on every route. */
const FAILED = '{namespace=~"$namespace", pod=~"$pod", plane="outer", code=~"internal|unavailable"}';

export const ROWS: readonly RowSource[] = [
  {
    title: 'Traffic',
    // Operators of the reference product know the first five by these titles.
    panels: [
      {
        title: 'Requests Processed [req/sec]',
        description: 'Exchanges, cancels, pass-through requests and WebSockets, counted at their end.',
        unit: 'reqps',
        queries: [{ legend: '{{route}}', expr: by('route', 'requests_total') }],
      },
      {
        title: 'Request Time [ms]',
        description: 'From the head of the request to the end of the response, without streamed responses.',
        unit: 'ms',
        queries: times('request_seconds', 'response="whole"'),
      },
      {
        title: 'Upstream Proxy Time [ms]',
        description: 'From handing a request to the API until its response begins.',
        unit: 'ms',
        queries: times('upstream_seconds'),
      },
      {
        title: 'Average Decode Time [ms]',
        description: 'Opening all chunks of a request, with key derivation.',
        unit: 'ms',
        queries: [{ legend: 'average', expr: average('decode_seconds') }],
      },
      {
        title: 'Average Encode Time [ms]',
        description: 'Sealing all chunks of a response, with key derivation.',
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
        description: 'Responses of the relay itself. outer: a bare refusal; inner: inside the seal.',
        unit: 'cps',
        queries: [{ legend: '{{plane}} {{code}}', expr: `${by('plane, code', 'failures_total')} > 0` }],
        empty: 'none',
      },
      {
        title: 'Error Ratio',
        description:
          'Share of requests with a 5xx response of the API or the relay, or refused with internal or unavailable.',
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
        description:
          'By class of the status, the inner one of a sealed request. refused: on the outer hop; aborted: not complete.',
        unit: 'reqps',
        kind: 'areas',
        queries: [{ legend: '{{outcome}}', expr: `${by('outcome', 'requests_total')} > 0` }],
        empty: 'none',
      },
      {
        title: 'Refused by a Limit [per sec]',
        description: 'Requests and connections rejected or aborted, by the setting of the limit.',
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
        description: 'In memory; with a shared store, those whose secrets a relay caches.',
        unit: 'short',
        queries: [
          { legend: 'in memory', expr: `sum(${series('sessions')})` },
          { legend: 'cached {{pod}}', expr: series('sessions_cached') },
        ],
      },
      {
        title: 'Pairings [per sec]',
        description:
          'refused: because of the request, its origin or a limit; failed: a fault of the relay, its store, or SESSIONS_MAX.',
        unit: 'cps',
        queries: [{ legend: '{{outcome}}', expr: by('outcome', 'pairings_total') }],
      },
      {
        title: 'Pairing Time [ms]',
        description: 'Of pairings that succeeded; mostly the key agreement.',
        unit: 'ms',
        queries: times('pairing_seconds'),
      },
      {
        title: 'Replays Refused [per sec]',
        description: 'Messages whose number was used before. Proxies that retry cause a few, an attacker many.',
        unit: 'cps',
        queries: [{ legend: 'replays', expr: total('replays_refused_total') }],
      },
      {
        title: 'Store Latency [ms]',
        description: 'Response time of a session store outside the process, by operation.',
        unit: 'ms',
        queries: [
          { legend: 'p50 {{operation}}', expr: quantile(0.5, 'store_seconds', 'operation') },
          { legend: 'p99 {{operation}}', expr: quantile(0.99, 'store_seconds', 'operation') },
        ],
        empty: 'sessions are in memory',
      },
      {
        title: 'Store Failures [per sec]',
        description: 'Each is a sealed request that was rejected with 503 and did not run.',
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
        description: 'Share of each limit that the fullest pod uses.',
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
        description: 'Requests in progress, by kind.',
        unit: 'short',
        queries: [{ legend: '{{kind}}', expr: `sum by (kind) (${series('in_flight')})` }],
      },
      {
        title: 'Event-Loop Busy',
        description: 'Share of time that the event loop is busy. At 1 the relay is at its capacity: add pods.',
        unit: 'percentunit',
        max: 1,
        queries: [{ legend: '{{pod}}', expr: rate(series('event_loop_active_seconds_total')) }],
      },
      {
        title: 'Event-Loop Lag [ms]',
        description: 'Delay of one turn in a hundred. About 10 ms is idle: the timer’s resolution.',
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
        description: 'Resident memory of each relay, and the used heap within it.',
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
        description: 'Open connections of clients.',
        unit: 'short',
        queries: [{ legend: '{{pod}}', expr: series('connections') }],
      },
      {
        title: 'Bytes [per sec]',
        description: 'Bodies and open WebSockets, from clients (in) and to clients (out), sealed bytes included.',
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
        description: 'Relays that accept traffic.',
        unit: 'short',
        kind: 'number',
        queries: [{ legend: 'ready', expr: `sum(${series('ready')})` }],
      },
      {
        title: 'Draining',
        description: 'Relays that shut down: they finish requests in progress.',
        unit: 'short',
        kind: 'number',
        queries: [{ legend: 'draining', expr: `sum(1 - ${series('ready_check', 'check="serving"')})` }],
      },
      {
        title: 'Restarts',
        description: 'In the time shown. An update starts new pods without a restart.',
        unit: 'short',
        kind: 'number',
        queries: [
          { legend: 'restarts', expr: `sum(${ofRelays(`changes(process_start_time_seconds${SELECTED}[$__range])`)})` },
        ],
      },
      {
        title: 'Readiness by Check',
        description: 'The minimum of all pods; 0 is not ready. serving: no shutdown has begun.',
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
        description: 'Relays of one deployment have one version and one newest pin, except during an update.',
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
