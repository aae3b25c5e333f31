// Does sealing work, and on every pod: pairing, one round trip, replay, fresh connections, time, and the upstream when
// it is asked for.
import { INNER_FAILURE, INNER_FAILURE_FIELD, type InnerCode, ProtocolError } from '@mte-relay/protocol';
import { type Examination, HARMLESS_FAILURE, harmless, median, type ShownKey, tenths } from '../examination.ts';
import { explain, relayCodeOf } from '../explain.ts';
import { type OuterAnswer, reasonOf } from '../hop.ts';
import { DoctorSession, type InnerAnswer, isSealed } from '../seal.ts';

/** Enough that a balancer over a handful of pods shows more than one. */
const FRESH_CONNECTIONS = 12;
const AT_ONCE = 4;
const REPLAYS = 4;
/** What sealing may cost beside an echo before it is worth a word. */
const SLOW_MS = 100;

/** False when there is no session. */
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
      changed ? `the answer does not prove the relay’s key: ${error.code}` : reasonOf(error),
      changed ? 'a box changes bodies, or somebody is in between' : 'see the logs of the relay and of the ingress',
    );
    return false;
  }
}

/** One exchange that the relay answers itself. False when it does not work. */
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
        `the relay answered ${inner.status} where its path policy refuses`,
        'relay and doctor are of different versions: bring the older up to date',
      );
      return false;
    }
    report.ok(
      check,
      `OPTIONS * was opened, refused by the relay itself and sealed, in ${tenths(outer.totalMs)} ms; nothing ran upstream`,
      { ms: tenths(outer.totalMs) },
    );
    judgeFields(report, outer);
    return true;
  } catch (error) {
    const changed = error instanceof ProtocolError;
    report.fail(
      check,
      changed ? `the answer does not open: ${error.code}` : reasonOf(error),
      changed
        ? 'a box changes bodies of answers: let it pass application/mte-relay as it is'
        : 'see the logs of the relay and of the ingress',
    );
    return false;
  }
}

/** Fields of a sealed answer that boxes like to change. */
function judgeFields(report: Examination['report'], { headers }: OuterAnswer): void {
  const caching = headers['cache-control'];
  if (caching === 'no-store') return report.ok('answer fields', 'came as the relay sends them');
  report.warn(
    'answer fields',
    `cache-control became ${caching ?? 'nothing'}`,
    'exempt /api/mte* from caching: a sealed answer is for one request alone',
  );
}

/** The same bytes again, on other connections: 409 wherever they arrive. */
export async function checkReplay({ session, report }: Examination): Promise<void> {
  const own = session as DoctorSession;
  const sealed = await own.seal(harmless(own));
  const outcomes: string[] = [];
  try {
    for (let i = 0; i <= REPLAYS; i += 1) outcomes.push(outcomeOf(await own.post(sealed, i > 0)));
  } catch (error) {
    return report.warn('replay', reasonOf(error), 'the connection broke: run it again');
  }
  const [first, ...again] = outcomes;
  const facts = { first: first as string, again };
  if (again.includes('answered')) {
    return report.fail(
      'replay',
      'a message that was sent again was answered again',
      'stop: pods claim message numbers apart. Give all one REDIS_URL, and let no cache answer POST',
      facts,
    );
  }
  if (first === 'answered' && again.every((outcome) => outcome === 'replayed')) {
    return report.ok('replay', `the same message again was refused ${REPLAYS} of ${REPLAYS} times`, facts);
  }
  report.warn(
    'replay',
    `not answered twice, but not refused as replayed either: ${[...new Set(outcomes)].join(', ')}`,
    'see the check "pods"',
    facts,
  );
}

function outcomeOf(answer: OuterAnswer): string {
  return isSealed(answer) ? 'answered' : (relayCodeOf(answer) ?? String(answer.status));
}

/** One session, every message on a connection of its own. */
export async function checkPods({ session, report }: Examination): Promise<void> {
  const own = session as DoctorSession;
  const outcomes: string[] = [];
  const faults: OuterAnswer[] = [];
  let left = FRESH_CONNECTIONS;
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  async function worker(): Promise<void> {
    while (left > 0) {
      left -= 1;
      try {
        const { outer, inner } = await own.call(harmless(own), true);
        outcomes.push(inner ? 'answered' : outcomeOf(outer));
        if (!inner) faults.push(outer);
      } catch (error) {
        outcomes.push(reasonOf(error));
      }
    }
  }
  const answered = outcomes.filter((outcome) => outcome === 'answered').length;
  const facts = { answered, of: FRESH_CONNECTIONS };
  if (answered === FRESH_CONNECTIONS) {
    return report.ok('pods', `${answered} of ${FRESH_CONNECTIONS} fresh connections knew the session`, facts);
  }
  const others = [...new Set(outcomes.filter((outcome) => outcome !== 'answered'))].join(', ');
  const todo = outcomes.includes('session-unknown')
    ? 'pods do not share sessions: give all one REDIS_URL, one REDIS_KEY_PREFIX and one CLIENT_ID_SECRET'
    : faults[0]
      ? explain(faults[0]).todo
      : 'connections break: see the logs of the ingress';
  report.fail(
    'pods',
    `only ${answered} of ${FRESH_CONNECTIONS} fresh connections knew the session; else ${others}`,
    todo,
    facts,
  );
}

/** Medians of sealed calls and of echoes, turn by turn on one connection. */
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
    return report.warn('time', reasonOf(error), 'the connection broke: run it again');
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
  'path-refused': 'the path is ambiguous to proxies (dot segments, encoded separators): ask for another',
  'route-refused': 'MTE_ROUTES does not have this path: add it, or ask for another',
  'upstream-unreachable':
    'nothing answers at UPSTREAM, or its name or certificate is wrong: see "upstream failed" in the relay’s log',
  'upstream-failed': 'the upstream broke its answer off: see its log',
  'upstream-timeout': 'the upstream took longer than UPSTREAM_HEADERS_TIMEOUT_MS: see its log, or raise that',
};

/** The one request that runs upstream, when `--path` asks for it. */
export async function checkUpstream({ session, options, report, tlsProven }: Examination): Promise<void> {
  const { path, method, pins } = options;
  if (path === undefined) return report.skip('upstream', 'nothing was sent there; --path /health would ask it');
  if (pins.length === 0 && !tlsProven)
    return report.skip('upstream', 'with neither a pin nor a good certificate nobody knows who would read the path');
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

/** Says who answered a request for the upstream, and how. */
export function judgeUpstream(
  report: Examination['report'],
  check: string,
  inner: InnerAnswer,
  { what, ms }: { readonly what: string; readonly ms: number },
): void {
  const failure = failureOf(inner);
  const facts = { status: inner.status, ms, ...(failure && { failure }) };
  if (failure) {
    const { upstreamSaw } = INNER_FAILURE[failure];
    const todo = OF_THE_UPSTREAM[failure] ?? 'see the relay’s log';
    report.fail(
      check,
      `the relay answered for it: ${inner.status} ${failure} (the upstream saw the request: ${upstreamSaw})`,
      todo,
      facts,
    );
  } else if (inner.status >= 500) {
    report.fail(
      check,
      `${what} answered ${inner.status} itself`,
      'the relay works; see the log of the upstream',
      facts,
    );
  } else if (inner.status >= 400) {
    report.warn(
      check,
      `${what} answered ${inner.status} itself`,
      'the relay works; is the path right, or does it want a login?',
      facts,
    );
  } else {
    report.ok(check, `${what} answered ${inner.status} in ${ms} ms, sealed both ways`, facts);
  }
}

/** The relay's own code in a sealed answer; undefined for the upstream's. */
function failureOf({ headers }: Pick<InnerAnswer, 'headers'>): InnerCode | undefined {
  const code = headers.find(([name]) => name === INNER_FAILURE_FIELD)?.[1];
  return code !== undefined && Object.hasOwn(INNER_FAILURE, code) ? (code as InnerCode) : undefined;
}
