// Every recording and alerting rule, once. `npm run docs` writes them as a file for Prometheus, as an object for its
// operator and as a template for Azure Monitor (formats.ts), and the table of docs/observability.md.
//
// An alert is a quantity and a threshold, apart, so that the quantity can be drawn and tested while nothing is wrong.

/** Labels that tell deployments apart; `cluster` is there where Azure Monitor scrapes. */
const DEPLOYMENT = 'cluster, namespace';
const POD = `${DEPLOYMENT}, pod`;

/** A series that is computed once and read by alerts, or by whoever draws a long time. */
export interface Recording {
  readonly record: string;
  readonly expr: string;
}

/** One alert. */
export interface Alert {
  readonly name: string;
  /** critical: somebody gets up; warning: somebody looks at it today. */
  readonly severity: 'critical' | 'warning';
  /** PromQL; the alert holds while every one of them is past the threshold. */
  readonly when: readonly string[];
  readonly above?: number;
  readonly below?: number;
  /** PromQL behind it, "and …" or "unless …": what keeps it silent although the threshold is passed. */
  readonly besides?: string;
  /** How long it must hold. */
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

/** Answers that should have been others: 5xx of the upstream or the relay, and refusals that are no client's fault. */
function errors(window: string): string {
  const answered = `sum by (${DEPLOYMENT}) (rate(mte_relay_requests_total{outcome="5xx"}[${window}]))`;
  const refused = `sum by (${DEPLOYMENT}) (rate(mte_relay_failures_total{plane="outer", code=~"internal|unavailable"}[${window}]))`;
  return `${answered} + ${refused}`;
}

/** Their share of all requests; what an error budget is spent by. */
function errorRatio(window: string): Recording {
  const all = `sum by (${DEPLOYMENT}) (rate(mte_relay_requests_total[${window}]))`;
  return { record: `mte_relay:errors:ratio_rate${window}`, expr: `(${errors(window)}) / (${all} > 0)` };
}

function quantile(name: string, q: number, selector = ''): Recording {
  const buckets = `sum by (${DEPLOYMENT}, le) (rate(mte_relay_${name}_bucket${selector}[5m]))`;
  return { record: `mte_relay:${name}:p${q * 100}_5m`, expr: `histogram_quantile(${q}, ${buckets})` };
}

/** 99.9 % of requests are answered as they should be; the budget of 30 days is the rest. */
const ERROR_BUDGET = 0.001;
// Burn rates of "The Site Reliability Workbook", chapter 5: 2 % of the budget in an hour, 5 % in six.
const FAST_BURN = 14.4;
const SLOW_BURN = 6;
/** Where few requests come, a single failure is a great share of them, and wakes nobody. */
const ERRORS_LEAST = 10;
const CERTIFICATE_NOTICE_SECONDS = 14 * 86_400;

const failures = (codes: string, window: string): string =>
  `sum by (${DEPLOYMENT}) (rate(mte_relay_failures_total{code=~"${codes}"}[${window}]))`;
const requests = (window: string): string => `sum by (${DEPLOYMENT}) (rate(mte_relay_requests_total[${window}]))`;
/** The alert's own failures, in the last `hours`, are more than a handful. */
const enough = (rate: string, hours: number): string => `and (${rate}) * ${hours * 3600} >= ${ERRORS_LEAST}`;
/** Share of the most that came in six hours; nothing at all where nothing came. */
const shareOfTraffic = (offset = ''): string =>
  `mte_relay:requests:rate5m${offset} / max_over_time(mte_relay:requests:rate5m[6h]${offset})`;
/** A metric of the process, which others have under the same name, for relays alone. */
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
        // What was there within a day counts as 0 when it is gone.
        when: [
          `count by (${DEPLOYMENT}) (mte_relay_ready == 1) or 0 * count by (${DEPLOYMENT}) (last_over_time(mte_relay_ready[1d]))`,
        ],
        below: 1,
        forMinutes: 1,
        summary: 'No relay is ready',
        description: 'No pod of the relay in {{ $labels.namespace }} takes traffic: every sealed call fails.',
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
        summary: 'Errors spend the budget of a month in two days',
        description: '{{ $value | humanizePercentage }} of the requests of an hour failed in {{ $labels.namespace }}.',
      },
      {
        name: 'MteRelayErrorsSlow',
        severity: 'warning',
        when: ['mte_relay:errors:ratio_rate6h', 'mte_relay:errors:ratio_rate30m'],
        above: SLOW_BURN * ERROR_BUDGET,
        besides: enough(errors('6h'), 6),
        forMinutes: 15,
        summary: 'Errors spend the budget of a month in five days',
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
        description: '{{ $value | humanizePercentage }} of the requests of {{ $labels.namespace }} find no upstream.',
      },
      {
        name: 'MteRelayUpstreamSlow',
        severity: 'warning',
        when: ['mte_relay:upstream_seconds:p99_5m'],
        above: 2.5,
        forMinutes: 10,
        summary: 'The API behind the relay is slow',
        description: 'One answer in a hundred begins after {{ $value | humanizeDuration }} in {{ $labels.namespace }}.',
      },
      {
        name: 'MteRelayInternalFaults',
        severity: 'warning',
        when: [failures('internal', '15m')],
        above: 0,
        forMinutes: 0,
        summary: 'The relay itself failed',
        description: 'Requests of {{ $labels.namespace }} were refused with "internal"; the log has the fault.',
      },
      {
        name: 'MteRelayNoTraffic',
        severity: 'warning',
        when: [shareOfTraffic()],
        below: 0.01,
        // As every evening of an office; its first week is told of.
        besides: `unless ${shareOfTraffic(' offset 1w')} < 0.01`,
        forMinutes: 15,
        summary: 'Traffic has ceased',
        description: 'Less than a hundredth of the traffic of the last six hours comes to {{ $labels.namespace }}.',
      },
      {
        name: 'MteRelayRestarts',
        severity: 'warning',
        when: [`max by (${POD}) (${ofRelays('changes(process_start_time_seconds[30m])')})`],
        above: 2,
        forMinutes: 0,
        summary: 'A relay restarts again and again',
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
        // Of all pods: one that alone has lost it gets no requests, and MteRelayNotReady tells of it.
        when: [`max by (${DEPLOYMENT}) (mte_relay_ready_check{check="sessions"})`],
        below: 1,
        forMinutes: 1,
        summary: 'The session store does not answer',
        description: 'Every exchange of {{ $labels.namespace }} is refused with 503 until Redis answers again.',
      },
      {
        name: 'MteRelayStoreFailing',
        severity: 'warning',
        when: [`sum by (${DEPLOYMENT}) (rate(mte_relay_store_failures_total[5m]))`],
        above: 0.1,
        forMinutes: 5,
        summary: 'The session store fails at times',
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
          '{{ $labels.pod }} holds {{ $value | humanizePercentage }} of SESSIONS_MAX; past it, pairings fail.',
      },
      {
        name: 'MteRelayReplays',
        severity: 'warning',
        when: [`sum by (${DEPLOYMENT}) (rate(mte_relay_replays_refused_total[5m]))`],
        above: 0.2,
        forMinutes: 5,
        summary: 'Messages are replayed',
        description: '{{ $value | humanize }} messages a second come a second time to {{ $labels.namespace }}.',
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
        summary: 'Pairings are refused',
        description: '{{ $value | humanizePercentage }} of the pairings of {{ $labels.namespace }} come to nothing.',
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
        description: 'Pods of {{ $labels.namespace }} show {{ $value }} pins for {{ $labels.domain }}.',
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
        summary: 'Clients are refused by a limit',
        description: '{{ $value | humanize }} a second meet {{ $labels.limit }} in {{ $labels.namespace }}.',
      },
      {
        name: 'MteRelayEventLoopBusy',
        severity: 'warning',
        when: ['mte_relay:event_loop_active:ratio_rate5m'],
        above: 0.85,
        forMinutes: 10,
        summary: 'A relay has no time left',
        description:
          'The event loop of {{ $labels.pod }} works {{ $value | humanizePercentage }} of the time: add pods.',
      },
      {
        name: 'MteRelayEventLoopLag',
        severity: 'warning',
        when: [`max by (${POD}) (${ofRelays('nodejs_eventloop_lag_p99_seconds')})`],
        above: 0.25,
        forMinutes: 10,
        summary: 'Everything in a relay waits',
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

/** Where the guide says what to do: the heading is the alert's name. */
export function runbookOf({ name }: Alert): string {
  return `docs/operations.md#${name.toLowerCase()}`;
}

/** A single name or call, which binds closer than any comparison. */
function isWhole(quantity: string): boolean {
  return /^[a-z_:0-9]+(?:\{[^}]*\})?$/.test(quantity);
}
