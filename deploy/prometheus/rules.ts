// Every recording and alerting rule, once. `npm run docs` writes them as a file for Prometheus, as an object for its
// operator and as a template for Azure Monitor (formats.ts), and the table of docs/observability.md.
//
// An alert keeps its quantity apart from its threshold, so that tests and graphs have the quantity while it is silent.

/** Labels that identify a deployment; Azure Monitor adds `cluster`. */
const DEPLOYMENT = 'cluster, namespace';
const POD = `${DEPLOYMENT}, pod`;

/** A series that Prometheus computes once, for alerts and for graphs of a long time. */
export interface Recording {
  readonly record: string;
  readonly expr: string;
}

/** One alert. */
export interface Alert {
  readonly name: string;
  /** critical: page the operator; warning: look at it today. */
  readonly severity: 'critical' | 'warning';
  /** PromQL; the alert holds while every quantity is past the threshold. */
  readonly when: readonly string[];
  readonly above?: number;
  readonly below?: number;
  /** PromQL that follows, "and …" or "unless …": keeps the alert silent although the threshold is passed. */
  readonly besides?: string;
  /** How long the condition must hold before the alert fires. */
  readonly forMinutes: number;
  readonly summary: string;
  readonly description: string;
}

/** Rules that are evaluated together. */
export interface Group {
  readonly name: string;
  readonly recordings: readonly Recording[];
  readonly alerts: readonly Alert[];
}

/** Requests that failed: 5xx responses, and outer refusals by a fault of the relay or its store, which have no 5xx outcome. */
function errors(window: string): string {
  const responses = `sum by (${DEPLOYMENT}) (rate(mte_relay_requests_total{outcome="5xx"}[${window}]))`;
  const refusals = `sum by (${DEPLOYMENT}) (rate(mte_relay_failures_total{plane="outer", code=~"internal|unavailable"}[${window}]))`;
  return `${responses} + ${refusals}`;
}

/** Their share of all requests, which spends the error budget. */
function errorRatio(window: string): Recording {
  const all = `sum by (${DEPLOYMENT}) (rate(mte_relay_requests_total[${window}]))`;
  return { record: `mte_relay:errors:ratio_rate${window}`, expr: `(${errors(window)}) / (${all} > 0)` };
}

function quantile(name: string, q: number, selector = ''): Recording {
  const buckets = `sum by (${DEPLOYMENT}, le) (rate(mte_relay_${name}_bucket${selector}[5m]))`;
  return { record: `mte_relay:${name}:p${q * 100}_5m`, expr: `histogram_quantile(${q}, ${buckets})` };
}

/** The objective is 99.9 % of requests without an error; the budget of 30 days is the rest. */
const ERROR_BUDGET = 0.001;
// Burn rates of "The Site Reliability Workbook", chapter 5: 2 % of the budget in an hour, 5 % in six.
const FAST_BURN = 14.4;
const SLOW_BURN = 6;
/** With few requests, a single failure is a large share; it must not page anybody. */
const ERRORS_LEAST = 10;
const CERTIFICATE_NOTICE_SECONDS = 14 * 86_400;

const failures = (codes: string, window: string): string =>
  `sum by (${DEPLOYMENT}) (rate(mte_relay_failures_total{code=~"${codes}"}[${window}]))`;
const requests = (window: string): string => `sum by (${DEPLOYMENT}) (rate(mte_relay_requests_total[${window}]))`;
/** At least ERRORS_LEAST failures in the last `hours`. */
const enough = (rate: string, hours: number): string => `and (${rate}) * ${hours * 3600} >= ${ERRORS_LEAST}`;
/** Share of the highest rate in six hours; without a sample where no request came. */
const shareOfTraffic = (offset = ''): string =>
  `mte_relay:requests:rate5m${offset} / max_over_time(mte_relay:requests:rate5m[6h]${offset})`;
/** A metric of the process, for relays alone: other programs export the same name. */
const ofRelays = (expr: string): string => `${expr} and on (cluster, namespace, pod, instance) mte_relay_ready`;

export const GROUPS: readonly Group[] = [
  {
    name: 'mte-relay-recordings',
    recordings: [
      { record: 'mte_relay:requests:rate5m', expr: `sum by (${DEPLOYMENT}) (rate(mte_relay_requests_total[5m]))` },
      ...['5m', '30m', '1h', '6h'].map(errorRatio),
      quantile('request_seconds', 0.5, '{response="whole"}'),
      quantile('request_seconds', 0.99, '{response="whole"}'),
      quantile('upstream_seconds', 0.99),
      { record: 'mte_relay:limit_used:ratio', expr: `max by (${POD}, limit) (mte_relay_limit_used / mte_relay_limit)` },
      {
        record: 'mte_relay:event_loop_active:ratio_rate5m',
        expr: `max by (${POD}) (rate(mte_relay_event_loop_active_seconds_total[5m]))`,
      },
    ],
    alerts: [],
  },
  {
    name: 'mte-relay-service',
    recordings: [],
    alerts: [
      {
        name: 'MteRelayNoneReady',
        severity: 'critical',
        // A deployment without series counts as 0 if it had a relay within a day.
        when: [
          `count by (${DEPLOYMENT}) (mte_relay_ready == 1) or 0 * count by (${DEPLOYMENT}) (last_over_time(mte_relay_ready[1d]))`,
        ],
        below: 1,
        forMinutes: 1,
        summary: 'No relay is ready',
        description: 'No pod of the relay in {{ $labels.namespace }} accepts traffic: every sealed call fails.',
      },
      {
        name: 'MteRelayNotReady',
        severity: 'warning',
        when: [`min by (${POD}) (mte_relay_ready)`],
        below: 1,
        forMinutes: 5,
        summary: 'A relay is not ready',
        description: '{{ $labels.pod }} has not been ready for five minutes; a shutdown takes less.',
      },
      {
        name: 'MteRelayErrorsFast',
        severity: 'critical',
        when: ['mte_relay:errors:ratio_rate1h', 'mte_relay:errors:ratio_rate5m'],
        above: FAST_BURN * ERROR_BUDGET,
        besides: enough(errors('1h'), 1),
        forMinutes: 2,
        summary: 'Errors use up the budget of a month in two days',
        description: '{{ $value | humanizePercentage }} of the requests of an hour failed in {{ $labels.namespace }}.',
      },
      {
        name: 'MteRelayErrorsSlow',
        severity: 'warning',
        when: ['mte_relay:errors:ratio_rate6h', 'mte_relay:errors:ratio_rate30m'],
        above: SLOW_BURN * ERROR_BUDGET,
        besides: enough(errors('6h'), 6),
        forMinutes: 15,
        summary: 'Errors use up the budget of a month in five days',
        description:
          '{{ $value | humanizePercentage }} of the requests of six hours failed in {{ $labels.namespace }}.',
      },
      {
        name: 'MteRelayUpstreamUnreachable',
        severity: 'critical',
        when: [`${failures('upstream-unreachable', '5m')} / (${requests('5m')} > 0)`],
        above: 0.05,
        besides: enough(failures('upstream-unreachable', '15m'), 0.25),
        forMinutes: 5,
        summary: 'The API behind the relay cannot be reached',
        description:
          'For {{ $value | humanizePercentage }} of the requests of {{ $labels.namespace }} no connection was made.',
      },
      {
        name: 'MteRelayUpstreamSlow',
        severity: 'warning',
        when: ['mte_relay:upstream_seconds:p99_5m'],
        above: 2.5,
        forMinutes: 10,
        summary: 'The API behind the relay is slow',
        description:
          'One response in a hundred begins after {{ $value | humanizeDuration }} in {{ $labels.namespace }}.',
      },
      {
        name: 'MteRelayInternalFaults',
        severity: 'warning',
        when: [failures('internal', '15m')],
        above: 0,
        forMinutes: 0,
        summary: 'The relay itself failed',
        description: 'The relay rejected requests of {{ $labels.namespace }} with "internal"; the log has the fault.',
      },
      {
        name: 'MteRelayNoTraffic',
        severity: 'warning',
        when: [shareOfTraffic()],
        below: 0.01,
        // Silent where traffic ceased at the same hour last week, as in an office at night.
        besides: `unless ${shareOfTraffic(' offset 1w')} < 0.01`,
        forMinutes: 15,
        summary: 'Traffic has stopped',
        description: '{{ $labels.namespace }} receives less than a hundredth of the peak of the last six hours.',
      },
      {
        name: 'MteRelayRestarts',
        severity: 'warning',
        when: [`max by (${POD}) (${ofRelays('changes(process_start_time_seconds[30m])')})`],
        above: 2,
        forMinutes: 0,
        summary: 'A relay restarts repeatedly',
        description: '{{ $labels.pod }} started {{ $value }} times in half an hour.',
      },
    ],
  },
  {
    name: 'mte-relay-sessions',
    recordings: [],
    alerts: [
      {
        name: 'MteRelayStoreUnavailable',
        severity: 'critical',
        // Of all pods: a single pod without the store gets no requests, and MteRelayNotReady reports it.
        when: [`max by (${DEPLOYMENT}) (mte_relay_ready_check{check="sessions"})`],
        below: 1,
        forMinutes: 1,
        summary: 'The session store does not respond',
        description: 'The relay rejects every exchange of {{ $labels.namespace }} with 503 until Redis responds again.',
      },
      {
        name: 'MteRelayStoreFailing',
        severity: 'warning',
        when: [`sum by (${DEPLOYMENT}) (rate(mte_relay_store_failures_total[5m]))`],
        above: 0.1,
        forMinutes: 5,
        summary: 'The session store fails intermittently',
        description: '{{ $value | humanize }} operations a second fail in {{ $labels.namespace }}.',
      },
      {
        name: 'MteRelayStoreSlow',
        severity: 'warning',
        when: [
          `histogram_quantile(0.99, sum by (${DEPLOYMENT}, le) (rate(mte_relay_store_seconds_bucket{operation="claim"}[5m])))`,
        ],
        above: 0.1,
        forMinutes: 10,
        summary: 'The session store is slow',
        description: 'One claim in a hundred takes {{ $value | humanizeDuration }} in {{ $labels.namespace }}.',
      },
      {
        name: 'MteRelaySessionsNearLimit',
        severity: 'warning',
        when: ['mte_relay:limit_used:ratio{limit="SESSIONS_MAX"}'],
        above: 0.8,
        forMinutes: 5,
        summary: 'The table of sessions is nearly full',
        description:
          '{{ $labels.pod }} has used {{ $value | humanizePercentage }} of SESSIONS_MAX; beyond it, pairings fail.',
      },
      {
        name: 'MteRelayReplays',
        severity: 'warning',
        when: [`sum by (${DEPLOYMENT}) (rate(mte_relay_replays_refused_total[5m]))`],
        above: 0.2,
        forMinutes: 5,
        summary: 'Messages are replayed',
        description: '{{ $labels.namespace }} rejects {{ $value | humanize }} replayed messages a second.',
      },
      {
        name: 'MteRelayPairingsRefused',
        severity: 'warning',
        when: [
          `sum by (${DEPLOYMENT}) (rate(mte_relay_pairings_total{outcome!="paired"}[10m])) / sum by (${DEPLOYMENT}) (rate(mte_relay_pairings_total[10m]))`,
        ],
        above: 0.2,
        besides: enough(`sum by (${DEPLOYMENT}) (rate(mte_relay_pairings_total{outcome!="paired"}[30m]))`, 0.5),
        forMinutes: 10,
        summary: 'Pairings are refused or fail',
        description: '{{ $value | humanizePercentage }} of the pairings of {{ $labels.namespace }} do not succeed.',
      },
      {
        name: 'MteRelayKeyUnknown',
        severity: 'warning',
        when: [failures('key-unknown', '10m')],
        above: 0.02,
        forMinutes: 5,
        summary: 'Clients seal to a key that the relay does not hold',
        description: 'In {{ $labels.namespace }} a key was changed without overlap, or pods hold different ones.',
      },
      {
        name: 'MteRelayIdentitiesDiffer',
        severity: 'warning',
        when: [
          `count by (${DEPLOYMENT}, domain) (count by (${DEPLOYMENT}, domain, pin) (mte_relay_identity{newest="true"}))`,
        ],
        above: 1,
        forMinutes: 30,
        summary: 'Relays of one domain have different keys',
        description: 'Pods of {{ $labels.namespace }} have {{ $value }} pins for {{ $labels.domain }}.',
      },
    ],
  },
  {
    name: 'mte-relay-capacity',
    recordings: [],
    alerts: [
      {
        name: 'MteRelaySaturated',
        severity: 'warning',
        when: ['mte_relay:limit_used:ratio{limit!="SESSIONS_MAX"}'],
        above: 0.8,
        forMinutes: 5,
        summary: 'A limit is nearly reached',
        description: '{{ $labels.pod }} uses {{ $value | humanizePercentage }} of {{ $labels.limit }}.',
      },
      {
        name: 'MteRelayLimited',
        severity: 'warning',
        when: [`sum by (${DEPLOYMENT}, limit) (rate(mte_relay_limited_total[10m]))`],
        above: 0.1,
        forMinutes: 10,
        summary: 'A limit rejects clients',
        description:
          '{{ $labels.limit }} stops {{ $value | humanize }} requests or connections a second in {{ $labels.namespace }}.',
      },
      {
        name: 'MteRelayEventLoopBusy',
        severity: 'warning',
        when: ['mte_relay:event_loop_active:ratio_rate5m'],
        above: 0.85,
        forMinutes: 10,
        summary: 'A relay is at its capacity',
        description:
          'The event loop of {{ $labels.pod }} is busy {{ $value | humanizePercentage }} of the time: add pods.',
      },
      {
        name: 'MteRelayEventLoopLag',
        severity: 'warning',
        when: [`max by (${POD}) (${ofRelays('nodejs_eventloop_lag_p99_seconds')})`],
        above: 0.25,
        forMinutes: 10,
        summary: 'The event loop of a relay is blocked',
        description:
          'One turn of the event loop of {{ $labels.pod }} in a hundred takes {{ $value | humanizeDuration }}.',
      },
      {
        name: 'MteRelayCertificateExpires',
        severity: 'warning',
        when: [`min by (${DEPLOYMENT}, domain, setting) (mte_relay_certificate_expires_seconds - time())`],
        below: CERTIFICATE_NOTICE_SECONDS,
        forMinutes: 0,
        summary: 'A certificate expires soon',
        description: '{{ $labels.setting }} of {{ $labels.domain }} expires in {{ $value | humanizeDuration }}.',
      },
    ],
  },
];

/** Every alert, in order. */
export const ALERTS: readonly Alert[] = GROUPS.flatMap(({ alerts }) => alerts);

/** The whole condition of an alert. */
export function conditionOf({ when, above, below, besides }: Alert): string {
  const comparison = above === undefined ? `< ${below}` : `> ${above}`;
  const past = when.map((quantity) => `${isWhole(quantity) ? quantity : `(${quantity})`} ${comparison}`).join(' and ');
  return besides === undefined ? past : `${past} ${besides}`;
}

/** The section of the guide for this alert: its heading is the alert's name. */
export function runbookOf({ name }: Alert): string {
  return `docs/operations.md#${name.toLowerCase()}`;
}

/** True for a single name with its selector, which needs no parentheses before a comparison. */
function isWhole(quantity: string): boolean {
  return /^[a-z_:0-9]+(?:\{[^}]*\})?$/.test(quantity);
}
