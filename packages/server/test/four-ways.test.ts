// What holds on every way through the relay, said once: each row is one behaviour, run over the sealed exchange, the sealed
// WebSocket, the pass-through request and the pass-through WebSocket; pairing joins where no upstream is needed. Everything
// is seen from outside: sockets, log lines, metrics, spans.
import { describe, expect, test } from 'vitest';
import { PAIRING, type Route, type Seen, WAYS, type Way } from './support/four-ways.ts';
import { type Conduct, type FourWaysOptions, type FourWaysStage, fourWaysStage } from './support/four-ways-stage.ts';
import { TEST_ORIGIN } from './support/stage.ts';

interface Row<R extends Route> {
  readonly name: string;
  run(route: R): Promise<void>;
}

/** Rows that do not hold yet: each is asserted to fail, so that it is struck off when it holds. */
const NOT_YET: Readonly<Record<string, readonly string[]>> = {
  'sealed exchange': [
    'a refusal at the door has the request id on the outer response',
    'a request that is refused at the door is one line with its code',
    'the application sees no CORS field of the upstream',
  ],
  'sealed WebSocket': [
    'a request id that came is kept, in the log line and on the outer response',
    'a request without an id gets one, the same in the log line and on the outer response',
    'a refusal at the door has the request id on the outer response',
    'a request is one line in the log, its account',
    'a request that is refused at the door is one line with its code',
    'an upstream that is down: the account has the status, the code and the time',
    'an upstream that breaks off: the account has the status, the code and the time',
    'an upstream that does not respond in time: the account has the status, the code and the time',
    'an upstream that breaks off inside its response: logged and counted as aborted',
    'an upstream’s refusal: one line in the log, its status without a code',
    'a failure of the upstream has the request id on the outer response',
    'a refusal of the upstream has the request id on the outer response',
    'the application sees no CORS field of the upstream',
    'the account has the same keys on every way',
  ],
  'pass-through request': [
    'a refusal at the door has the request id on the outer response',
    'a page of another origin is refused and counted, and the upstream not asked',
    'a request that is refused at the door is one line with its code',
    'an upstream that is down: one warning names the request, the code and the fault',
    'an upstream that is down: the account has the status, the code and the time',
    'an upstream that is down: it counts as one 5xx and one failure',
    'an upstream that breaks off: one warning names the request, the code and the fault',
    'an upstream that breaks off: the account has the status, the code and the time',
    'an upstream that breaks off: it counts as one 5xx and one failure',
    'an upstream that does not respond in time: one warning names the request, the code and the fault',
    'an upstream that does not respond in time: the account has the status, the code and the time',
    'an upstream that does not respond in time: it counts as one 5xx and one failure',
    'an upstream that breaks off inside its response: logged and counted as aborted',
  ],
  'pass-through WebSocket': [
    'a request id that came is kept, in the log line and on the outer response',
    'a request without an id gets one, the same in the log line and on the outer response',
    'a refusal at the door has the request id on the outer response',
    'a request is one line in the log, its account',
    'a request that is refused at the door is one line with its code',
    'an upstream that is down: one warning names the request, the code and the fault',
    'an upstream that is down: the account has the status, the code and the time',
    'an upstream that is down: it counts as one 5xx and one failure',
    'an upstream that breaks off: one warning names the request, the code and the fault',
    'an upstream that breaks off: the account has the status, the code and the time',
    'an upstream that breaks off: it counts as one 5xx and one failure',
    'an upstream that does not respond in time: one warning names the request, the code and the fault',
    'an upstream that does not respond in time: the account has the status, the code and the time',
    'an upstream that does not respond in time: it counts as one 5xx and one failure',
    'an upstream that breaks off inside its response: logged and counted as aborted',
    'an upstream’s refusal: one line in the log, its status without a code',
    'the path of a cookie loses the base path',
    'a failure of the upstream has the request id on the outer response',
    'a refusal of the upstream has the request id on the outer response',
    'CORS fields of the upstream stop at the relay, whose own stand alone on the outer response',
    'CORS fields of an upstream that refuses stop at the relay',
    'the application sees no CORS field of the upstream',
    'the account has the same keys on every way',
  ],
  pairing: [
    'a refusal at the door has the request id on the outer response',
    'a request is one line in the log, its account',
    'a request that is refused at the door is one line with its code',
  ],
};

const EVERY_ROUTE: Row<Route>[] = [];
const EVERY_WAY: Row<Way>[] = [];

/** A behaviour of the four ways and of pairing. */
function onEveryRoute(name: string, run: Row<Route>['run']): void {
  EVERY_ROUTE.push({ name, run });
}

/** A behaviour of the four ways. */
function onEveryWay(name: string, run: Row<Way>['run']): void {
  EVERY_WAY.push({ name, run });
}

const REQUEST_ID = 'of-the-ingress-1';
const WITH_ID = { outer: { 'x-request-id': REQUEST_ID } };
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const FOREIGN = { outer: { origin: 'https://evil.example' } };
const NOWHERE = 'http://127.0.0.1:1';

// An upstream that fails: it is down, breaks off, or does not respond in time.

interface UpstreamFailing {
  readonly upstream: string;
  readonly options: FourWaysOptions;
  readonly code: string;
  readonly status: number;
}

const FAILING: readonly UpstreamFailing[] = [
  {
    upstream: 'that is down',
    options: { environment: { UPSTREAM: NOWHERE } },
    code: 'upstream-unreachable',
    status: 502,
  },
  {
    upstream: 'that breaks off',
    options: { upstream: { instead: 'reset' } },
    code: 'upstream-failed',
    status: 502,
  },
  {
    upstream: 'that does not respond in time',
    options: { upstream: { instead: 'silence' }, environment: { UPSTREAM_HEADERS_TIMEOUT_MS: '100' } },
    code: 'upstream-timeout',
    status: 504,
  },
];

for (const { upstream, options, code, status } of FAILING) {
  const failed = oncePerWay(async (way) => {
    const staged = await fourWaysStage(way, options);
    const seen = await staged.request(WITH_ID);
    const [lines, accounts] = [await staged.lines(), await staged.accounts()];
    const counted = {
      requests: await staged.counted('requests_total'),
      failures: await staged.counted('failures_total'),
    };
    return { seen, session: staged.session, lines, accounts, counted };
  });

  onEveryWay(`an upstream ${upstream}: the client sees ${code}`, async (way) => {
    const { seen } = await failed(way);
    expect(seen).toMatchObject({ status, failure: { plane: way.plane, code }, complete: true });
    expect(JSON.parse(seen.text)).toMatchObject({ status, code });
  });

  onEveryWay(`an upstream ${upstream}: one warning names the request, the code and the fault`, async (way) => {
    const { lines, session } = await failed(way);
    expect(lines.filter(({ route }) => route === undefined)).toEqual([
      {
        level: 40,
        time: expect.any(Number),
        request: REQUEST_ID,
        ...(way.sealed && { session, client: expect.any(String) }),
        code,
        fault: expect.objectContaining({ name: expect.any(String) }),
        msg: 'upstream failed',
      },
    ]);
  });

  onEveryWay(`an upstream ${upstream}: the account has the status, the code and the time`, async (way) => {
    const { accounts, seen } = await failed(way);
    const outer = way.outerOf(seen);
    expect(accounts).toEqual([
      expect.objectContaining({ status, outer, code, complete: true, ms: expect.any(Number) }),
    ]);
  });

  onEveryWay(`an upstream ${upstream}: it counts as one 5xx and one failure`, async (way) => {
    const { requests, failures } = (await failed(way)).counted;
    expect(requests).toEqual({ [`route="${way.route}",outcome="5xx"`]: 1 });
    expect(failures).toEqual({ [`plane="${way.plane}",code="${code}"`]: 1 });
  });
}

onEveryWay('an upstream that breaks off inside its response: the client sees no end', async (way) => {
  const staged = await fourWaysStage(way, { upstream: { resetsInside: true } });
  expect(await staged.request()).toMatchObject({ complete: false });
});

onEveryWay('an upstream that breaks off inside its response: logged and counted as aborted', async (way) => {
  const staged = await fourWaysStage(way, { upstream: { resetsInside: true } });
  await staged.request();
  const warned = (await staged.lines()).filter(({ level }) => level === 40);
  expect(warned).toEqual([expect.objectContaining({ code: 'upstream-failed', msg: 'upstream failed' })]);
  expect(await staged.accounts()).toEqual([expect.objectContaining({ code: 'upstream-failed', complete: false })]);
  expect(await staged.counted('requests_total')).toEqual({ [`route="${way.route}",outcome="aborted"`]: 1 });
});

// An upstream that refuses.

const REFUSING: Conduct = { refuses: 403, fields: [['x-reason', 'no token']], body: 'the refusal' };

onEveryWay('an upstream’s refusal: the client sees its status, fields and body', async (way) => {
  const staged = await fourWaysStage(way, { upstream: REFUSING });
  const seen = await staged.request();
  expect(seen).toMatchObject({ status: 403, text: 'the refusal', failure: undefined, complete: true });
  expect(seen.fields).toContainEqual(['x-reason', 'no token']);
});

onEveryWay('an upstream’s refusal: one line in the log, its status without a code', async (way) => {
  const staged = await fourWaysStage(way, { upstream: REFUSING });
  const seen = await staged.request();
  const [line, ...others] = await staged.lines();
  expect(others).toEqual([]);
  expect(line).toMatchObject({ level: 30, route: way.route, status: 403, outer: way.outerOf(seen), complete: true });
  expect(line).not.toHaveProperty('code');
});

onEveryWay('an upstream’s refusal: counts as one 4xx and no failure', async (way) => {
  const staged = await fourWaysStage(way, { upstream: REFUSING });
  await staged.request();
  expect(await staged.counted('requests_total')).toEqual({ [`route="${way.route}",outcome="4xx"`]: 1 });
  expect(await staged.counted('failures_total')).toEqual({});
});

// UPSTREAM with a path.

const cookieOf = (seen: Seen): string | undefined => onlyValue(seen, 'set-cookie');

onEveryWay('the upstream is asked below the base path', async (way) => {
  const staged = await fourWaysStage(way, { basePath: '/base' });
  expect(await staged.request({ path: '/pub/x?y=1' })).toMatchObject({ status: way.accepted });
  expect(staged.arrived).toMatchObject([{ method: way.method, url: '/base/pub/x?y=1' }]);
});

onEveryWay('the path of a cookie loses the base path', async (way) => {
  const upstream: Conduct = { fields: [['set-cookie', 'a=1; Path=/base/pub']] };
  const staged = await fourWaysStage(way, { basePath: '/base', upstream });
  expect(cookieOf(await staged.request())).toBe('a=1; Path=/pub');
});

onEveryWay('the path of a refusal’s cookie loses the base path', async (way) => {
  const upstream: Conduct = { refuses: 401, fields: [['set-cookie', 'a=1; Path=/base/pub']] };
  const staged = await fourWaysStage(way, { basePath: '/base', upstream });
  expect(cookieOf(await staged.request())).toBe('a=1; Path=/pub');
});

onEveryWay('the Location of a refusal loses the base path', async (way) => {
  const upstream: Conduct = { refuses: 401, fields: [['location', '/base/login?next=1']] };
  const staged = await fourWaysStage(way, { basePath: '/base', upstream });
  expect(onlyValue(await staged.request(), 'location')).toBe('/login?next=1');
});

// The request id.

onEveryRoute('a request id that came is kept, in the log line and on the outer response', async (route) => {
  const staged = await fourWaysStage(route);
  expect((await staged.request(WITH_ID)).outer.headers['x-request-id']).toBe(REQUEST_ID);
  expect(await staged.accounts()).toEqual([expect.objectContaining({ request: REQUEST_ID })]);
});

onEveryRoute('a request without an id gets one, the same in the log line and on the outer response', async (route) => {
  const staged = await fourWaysStage(route);
  const { outer } = await staged.request();
  expect(outer.headers['x-request-id']).toMatch(UUID);
  expect(await staged.accounts()).toEqual([expect.objectContaining({ request: outer.headers['x-request-id'] })]);
});

onEveryRoute('a refusal at the door has the request id on the outer response', async (route) => {
  const { seen } = await refusedAtTheDoor(route);
  expect(seen.outer.headers['x-request-id']).toBe(REQUEST_ID);
});

onEveryWay('the upstream is told the request id of the log line', async (way) => {
  const staged = await fourWaysStage(way);
  await staged.request(WITH_ID);
  await staged.request();
  const logged = (await staged.accounts()).map(({ request }) => request);
  expect(staged.arrived.map(({ values }) => values('x-request-id'))).toEqual(logged.map((id) => [id]));
  expect(logged[0]).toBe(REQUEST_ID);
});

onEveryWay('a failure of the upstream has the request id on the outer response', async (way) => {
  const staged = await fourWaysStage(way, { environment: { UPSTREAM: NOWHERE } });
  expect((await staged.request(WITH_ID)).outer.headers['x-request-id']).toBe(REQUEST_ID);
});

onEveryWay('a refusal of the upstream has the request id on the outer response', async (way) => {
  const staged = await fourWaysStage(way, { upstream: REFUSING });
  expect((await staged.request(WITH_ID)).outer.headers['x-request-id']).toBe(REQUEST_ID);
});

// Cross-origin pages.

/** What no client may see of an upstream. */
const THEIR_CORS: Conduct['fields'] = [
  ['access-control-allow-origin', '*'],
  ['access-control-allow-methods', 'BREW'],
  ['access-control-max-age', '9'],
];
const FROM_PAGE = { outer: { origin: TEST_ORIGIN } };

onEveryWay(
  'CORS fields of the upstream stop at the relay, whose own stand alone on the outer response',
  async (way) => {
    const staged = await fourWaysStage(way, { upstream: { fields: THEIR_CORS } });
    const seen = await staged.request(FROM_PAGE);
    expect(seen.status).toBe(way.accepted);
    expect(corsFields(Object.entries(seen.outer.headers))).toEqual(way.corsFields);
  },
);

onEveryWay('CORS fields of an upstream that refuses stop at the relay', async (way) => {
  const staged = await fourWaysStage(way, { upstream: { ...REFUSING, fields: THEIR_CORS } });
  const { outer, status } = await staged.request(FROM_PAGE);
  expect(status).toBe(403);
  expect(outer.headers['access-control-allow-methods']).toBeUndefined();
  expect(outer.headers['access-control-allow-origin']).not.toBe('*');
});

onEveryWay('the application sees no CORS field of the upstream', async (way) => {
  const staged = await fourWaysStage(way, { upstream: { fields: THEIR_CORS } });
  const seen = await staged.request();
  expect(seen.status).toBe(way.accepted);
  expect(corsFields(seen.fields)).toEqual({});
});

onEveryRoute('a page of a listed origin is told so, where its browser asks', async (route) => {
  const staged = await fourWaysStage(route);
  const seen = await staged.request(FROM_PAGE);
  expect(seen.status).toBe(route.accepted);
  expect(corsFields(Object.entries(seen.outer.headers))).toEqual(route.corsFields);
});

onEveryRoute('a page of another origin is refused and counted, and the upstream not asked', async (route) => {
  const staged = await fourWaysStage(route);
  const seen = await staged.request(FOREIGN);
  expect(seen.outer.status).toBe(403);
  expect(seen.failure).toEqual({ plane: 'outer', code: 'origin-refused' });
  expect(staged.arrived).toEqual([]);
  expect(await staged.counted('failures_total')).toEqual({ 'plane="outer",code="origin-refused"': 1 });
});

// The log line.

const ACCOUNT_KEYS = [
  'level',
  'time',
  'request',
  'route',
  'status',
  'outer',
  'complete',
  'ms',
  'bytesIn',
  'bytesOut',
  'msg',
];
const SEALING_KEYS = ['decodeMs', 'encodeMs', 'storeMs'];

onEveryRoute('a request is one line in the log, its account', async (route) => {
  const staged = await fourWaysStage(route);
  const seen = await staged.request();
  expect(seen).toMatchObject({ status: route.accepted, complete: true });
  const [line, ...others] = await staged.lines();
  expect(others).toEqual([]);
  expect(line).toMatchObject({
    level: 30,
    route: route.route,
    status: route.accepted,
    outer: route.outerOf(seen),
    complete: true,
    msg: route.route,
  });
});

onEveryWay('the account has the same keys on every way', async (way) => {
  const staged = await fourWaysStage(way);
  await staged.request();
  const [line = {}] = await staged.accounts();
  const keys = Object.keys(line).filter((key) => !SEALING_KEYS.includes(key));
  const names = way.sealed ? ['session', 'client'] : [];
  expect(keys.sort()).toEqual([...ACCOUNT_KEYS, 'upstreamMs', ...names].sort());
  if (way.sealed) expect(line['session']).toBe(staged.session);
});

onEveryRoute('a request that is refused at the door is one line with its code', async (route) => {
  const { seen, staged } = await refusedAtTheDoor(route);
  const lines = (await staged.lines()).filter(({ request }) => request === REQUEST_ID);
  expect(lines).toEqual([
    expect.objectContaining({
      level: 30,
      route: route.route,
      status: seen.status,
      outer: 503,
      code: 'unavailable',
      complete: true,
    }),
  ]);
});

/** One request while the only place is taken. */
async function refusedAtTheDoor(
  route: Route,
  options: FourWaysOptions = {},
): Promise<{ staged: FourWaysStage; seen: Seen }> {
  const environment = { ...options.environment, [route.limit]: '1' };
  const staged = await fourWaysStage(route, { upstream: { instead: 'silence' }, ...options, environment });
  const held = new AbortController();
  await staged.hold(held.signal);
  const seen = await staged.request(WITH_ID);
  held.abort();
  return { staged, seen };
}

/** Drives each way once for several rows. */
function oncePerWay<T>(drive: (way: Way) => Promise<T>): (way: Way) => Promise<T> {
  const driven = new Map<Way, Promise<T>>();
  return (way) => {
    const evidence = driven.get(way) ?? drive(way);
    driven.set(way, evidence);
    return evidence;
  };
}

// Running the table.

/** The value of a field that stands once. */
function onlyValue({ fields }: Seen, wanted: string): string | undefined {
  const values = fields.filter(([name]) => name === wanted).map(([, value]) => value);
  expect(values.length).toBeLessThan(2);
  return values[0];
}

function corsFields(fields: Iterable<readonly [string, unknown]>): Record<string, unknown> {
  return Object.fromEntries([...fields].filter(([name]) => name.startsWith('access-control-')));
}

describe.each(WAYS)('$name', (way) => {
  runRows(way, [...EVERY_ROUTE, ...EVERY_WAY]);
});

describe(PAIRING.name, () => {
  runRows(PAIRING, EVERY_ROUTE);
});

function runRows<R extends Route>(route: R, rows: readonly Row<R>[]): void {
  const failing = NOT_YET[route.name] ?? [];
  const names = rows.map(({ name }) => name);
  test('every row that does not hold yet is a row', () => expect(names).toEqual(expect.arrayContaining([...failing])));
  for (const { name, run } of rows) (failing.includes(name) ? test.fails : test)(name, () => run(route));
}
