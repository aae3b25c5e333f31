// Whether sealing works on every pod: pairing, one round trip, replay, fresh connections, time, and on request the
// upstream.
import { INNER_FAILURE, INNER_FAILURE_FIELD, type InnerCode, ProtocolError } from '@mte-relay/protocol';
import { type Examination, HARMLESS_FAILURE, harmless, median, type ShownKey, tenths } from '../examination.ts';
import { explain, relayCodeOf } from '../explain.ts';
import { type OuterResponse, reasonOf } from '../hop.ts';
import { DoctorSession, type InnerResponse, isSealed } from '../seal.ts';

/** Enough to reach more than one of several pods behind a balancer. */
const FRESH_CONNECTIONS = 12;
const AT_ONCE = 4;
const REPLAYS = 4;
/** A sealed call that takes this much longer than an echo causes a warning. */
const SLOW_MS = 100;

/** False when pairing fails. */
export async function checkPairing(examination: Examination): Promise<boolean> {
  const { hop, suite, report } = examination;
  try {
    const { outer, session } = await DoctorSession.pair(hop, suite, (examination.trusted as ShownKey).publicKey);
    if (!session) {
      const { saw, todo } = explain(outer);
      report.fail('pairing', saw, todo);
      return false;
    }
    examination.session = session;
    const { lifetimeMs, idleMs, messageLimit, window, requestBodyMaxBytes } = session.parameters;
    const facts = { ms: tenths(outer.totalMs), lifetimeMs, idleMs, messageLimit, window, requestBodyMaxBytes };
    report.ok(
      'pairing',
      `in ${facts.ms} ms; session of ${lifetimeMs / 60_000} min, bodies up to ${requestBodyMaxBytes} bytes`,
      facts,
    );
    return true;
  } catch (error) {
    const changed = error instanceof ProtocolError;
    report.fail(
      'pairing',
      changed ? `the response does not prove the relay’s key: ${error.code}` : reasonOf(error),
      changed ? 'an intermediary changes bodies or forges them' : 'see the logs of the relay and of the ingress',
    );
    return false;
  }
}

/** One exchange to which the relay itself responds. False when it fails. */
export async function checkRoundTrip({ session, report }: Examination): Promise<boolean> {
  const check = 'sealed call';
  try {
    const own = session as DoctorSession;
    const { outer, inner } = await own.call(harmless(own));
    if (!inner) {
      const { saw, todo } = explain(outer);
      report.fail(check, saw, todo);
      return false;
    }
    if (failureOf(inner) !== HARMLESS_FAILURE) {
      report.fail(
        check,
        `the relay responded ${inner.status} where its path policy should refuse`,
        'relay and doctor have different versions: bring the older up to date',
      );
      return false;
    }
    report.ok(
      check,
      `the relay opened, refused and sealed OPTIONS * in ${tenths(outer.totalMs)} ms; the upstream got no request`,
      { ms: tenths(outer.totalMs) },
    );
    judgeFields(report, outer);
    return true;
  } catch (error) {
    const changed = error instanceof ProtocolError;
    report.fail(
      check,
      changed ? `the response does not open: ${error.code}` : reasonOf(error),
      changed
        ? 'an intermediary changes bodies of responses: let it forward application/mte-relay unchanged'
        : 'see the logs of the relay and of the ingress',
    );
    return false;
  }
}

/** Checks a field of a sealed response that intermediaries often change. */
function judgeFields(report: Examination['report'], { headers }: OuterResponse): void {
  const caching = headers['cache-control'];
  if (caching === 'no-store') return report.ok('response fields', 'are as the relay sends them');
  report.warn(
    'response fields',
    caching === undefined ? 'cache-control is missing' : `cache-control became ${caching}`,
    'exempt /api/mte* from caching: a sealed response is for one request alone',
  );
}

/** Sends the same bytes on other connections. Every pod must refuse them with 409. */
export async function checkReplay({ session, report }: Examination): Promise<void> {
  const own = session as DoctorSession;
  const sealed = await own.seal(harmless(own));
  const outcomes: string[] = [];
  try {
    for (let i = 0; i <= REPLAYS; i += 1) outcomes.push(outcomeOf(await own.post(sealed, i > 0)));
  } catch (error) {
    return report.warn('replay', reasonOf(error), 'the connection was cut off: run the doctor again');
  }
  const [first, ...again] = outcomes;
  const facts = { first: first as string, again };
  if (again.includes('accepted')) {
    return report.fail(
      'replay',
      'a message was accepted twice',
      'stop: pods claim message numbers separately. Give all one REDIS_URL, and exempt POST from caches',
      facts,
    );
  }
  if (first === 'accepted' && again.every((outcome) => outcome === 'replayed')) {
    return report.ok('replay', `a repeated message was refused ${REPLAYS} of ${REPLAYS} times`, facts);
  }
  report.warn(
    'replay',
    `not accepted twice, but not refused as replayed either: ${[...new Set(outcomes)].join(', ')}`,
    'see the check "pods"',
    facts,
  );
}

function outcomeOf(response: OuterResponse): string {
  return isSealed(response) ? 'accepted' : (relayCodeOf(response) ?? String(response.status));
}

/** Sends messages of one session on fresh connections. */
export async function checkPods({ session, report }: Examination): Promise<void> {
  const own = session as DoctorSession;
  const outcomes: string[] = [];
  const faults: OuterResponse[] = [];
  let left = FRESH_CONNECTIONS;
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  async function worker(): Promise<void> {
    while (left > 0) {
      left -= 1;
      try {
        const { outer, inner } = await own.call(harmless(own), true);
        outcomes.push(inner ? 'accepted' : outcomeOf(outer));
        if (!inner) faults.push(outer);
      } catch (error) {
        outcomes.push(reasonOf(error));
      }
    }
  }
  const accepted = outcomes.filter((outcome) => outcome === 'accepted').length;
  const facts = { accepted, of: FRESH_CONNECTIONS };
  if (accepted === FRESH_CONNECTIONS) {
    return report.ok('pods', `${accepted} of ${FRESH_CONNECTIONS} fresh connections knew the session`, facts);
  }
  const others = [...new Set(outcomes.filter((outcome) => outcome !== 'accepted'))].join(', ');
  const todo = outcomes.includes('session-unknown')
    ? 'pods do not share sessions: give all one REDIS_URL, one REDIS_KEY_PREFIX and one CLIENT_ID_SECRET'
    : faults[0]
      ? explain(faults[0]).todo
      : 'connections are cut off: see the logs of the ingress';
  report.fail(
    'pods',
    `only ${accepted} of ${FRESH_CONNECTIONS} fresh connections knew the session; others: ${others}`,
    todo,
    facts,
  );
}

/** Medians of alternating sealed calls and echoes on one connection. */
export async function checkTiming({ hop, session, options, report }: Examination): Promise<void> {
  const own = session as DoctorSession;
  const sealed: number[] = [];
  const echoes: number[] = [];
  try {
    for (let i = 0; i < options.calls; i += 1) {
      echoes.push((await hop.send({ method: 'GET', target: '/api/mte-echo?msg=' })).totalMs);
      const beganMs = performance.now();
      await own.call(harmless(own));
      sealed.push(performance.now() - beganMs);
    }
  } catch (error) {
    return report.warn('time', reasonOf(error), 'the connection was cut off: run the doctor again');
  }
  const facts = {
    sealedMs: tenths(median(sealed)),
    echoMs: tenths(median(echoes)),
    slowestMs: tenths(Math.max(...sealed)),
    calls: options.calls,
  };
  const saw = `sealed ${facts.sealedMs} ms, echo ${facts.echoMs} ms (medians of ${facts.calls}); slowest ${facts.slowestMs} ms`;
  if (facts.sealedMs - facts.echoMs <= SLOW_MS) return report.ok('time', saw, facts);
  report.warn(
    'time',
    saw,
    'is the relay short of CPU, or Redis far away? See nodejs_eventloop_lag_seconds and mte_relay_store_seconds',
    facts,
  );
}

const OF_THE_UPSTREAM: Partial<Readonly<Record<InnerCode, string>>> = {
  'path-refused': 'the path is ambiguous to proxies (dot segments, encoded separators): use another',
  'route-refused': 'MTE_ROUTES does not have this path: add it, or use another',
  'upstream-unreachable':
    'UPSTREAM is unreachable, or its name or certificate is wrong: see "upstream failed" in the relay’s log',
  'upstream-failed': 'the upstream closed the connection before its response was complete: see its log',
  'loop-detected': 'UPSTREAM leads back to the relay, perhaps through an ingress: let it name the API itself',
  'upstream-timeout': 'the upstream took longer than UPSTREAM_HEADERS_TIMEOUT_MS: see its log, or raise that',
};

/** Sends the one request to the upstream that `--path` names. */
export async function checkUpstream({ session, options, report, tlsProven }: Examination): Promise<void> {
  const { path, method, pins } = options;
  if (path === undefined) return report.skip('upstream', 'use --path /health to send it a request');
  if (pins.length === 0 && !tlsProven)
    return report.skip('upstream', 'without a pin or a trusted certificate, an unknown relay would read the path');
  const own = session as DoctorSession;
  try {
    const { outer, inner } = await own.call(own.head(method, path), true);
    if (!inner) {
      const { saw, todo } = explain(outer);
      return report.fail('upstream', saw, todo);
    }
    judgeUpstream(report, 'upstream', inner, { what: `${method} ${path}`, ms: tenths(outer.totalMs) });
  } catch (error) {
    report.fail(
      'upstream',
      `${method} ${path}: ${reasonOf(error)}`,
      'see UPSTREAM_HEADERS_TIMEOUT_MS, and the logs of relay and upstream',
    );
  }
}

/** Reports whether the relay or the upstream responded, and how. */
export function judgeUpstream(
  report: Examination['report'],
  check: string,
  inner: InnerResponse,
  { what, ms }: { readonly what: string; readonly ms: number },
): void {
  const failure = failureOf(inner);
  const facts = { status: inner.status, ms, ...(failure && { failure }) };
  if (failure) {
    const { upstreamSaw } = INNER_FAILURE[failure];
    const todo = OF_THE_UPSTREAM[failure] ?? 'see the relay’s log';
    report.fail(
      check,
      `the relay itself responded ${inner.status} ${failure} (the upstream saw the request: ${upstreamSaw})`,
      todo,
      facts,
    );
  } else if (inner.status >= 500) {
    report.fail(
      check,
      `the upstream responded ${inner.status} to ${what}`,
      'the relay works; see the log of the upstream',
      facts,
    );
  } else if (inner.status >= 400) {
    report.warn(
      check,
      `the upstream responded ${inner.status} to ${what}`,
      'the relay works; is the path right, or does it require a login?',
      facts,
    );
  } else {
    report.ok(check, `the upstream responded ${inner.status} to ${what} in ${ms} ms, sealed both ways`, facts);
  }
}

/** The code of the relay's own sealed response; undefined for the upstream's. */
function failureOf({ headers }: Pick<InnerResponse, 'headers'>): InnerCode | undefined {
  const code = headers.find(([name]) => name === INNER_FAILURE_FIELD)?.[1];
  return code !== undefined && Object.hasOwn(INNER_FAILURE, code) ? (code as InnerCode) : undefined;
}
