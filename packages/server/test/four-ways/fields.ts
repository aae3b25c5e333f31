// Fields that cross the relay, and those of the relay: base path, request id, HEADERS, CORS, cookies, the hop's own
// and the forwarding ones.
import { TEST_ORIGIN } from '@mte-relay/testing/settings';
import { expect } from 'vitest';
import type { Route, Way } from '../support/four-ways.ts';
import type { Seen } from '../support/four-ways-callers.ts';
import type { FourWaysOptions } from '../support/four-ways-stage.ts';
import type { Behaviour } from '../support/four-ways-upstream.ts';
import {
  ask,
  beyondTheLimit,
  OWN,
  once,
  onEveryRoute,
  onEveryWay,
  plain,
  REFUSES,
  REQUEST_ID,
  type Row,
  refused,
  valuesOf,
  whileDown,
} from './row.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** Below a path, an upstream that sets a cookie. */
const cookieBelow = (behaviour: Behaviour): FourWaysOptions => ({
  basePath: '/base',
  upstream: { ...behaviour, fields: [['set-cookie', 'a=1; Path=/base/pub'], ...(behaviour.fields ?? [])] },
});
const acceptedBelow = once((way: Way) => ask(way, cookieBelow({}), { path: '/pub/x?y=1' }));
const refusedBelow = once((way: Way) =>
  ask(way, cookieBelow({ refuses: 401, fields: [['location', '/base/login?next=1']] })),
);

const BASE_PATH_ROWS: readonly Row[] = [
  onEveryWay('the upstream is asked below the path of UPSTREAM', async (way) => {
    const { seen, staged } = await acceptedBelow(way);
    expect(seen.status).toBe(way.accepted);
    expect(staged.arrived).toMatchObject([{ method: way.method, url: '/base/pub/x?y=1' }]);
  }),

  onEveryWay('the relay takes the path of UPSTREAM off the path of a cookie', async (way) => {
    const { seen } = await acceptedBelow(way);
    expect(valuesOf(seen, 'set-cookie')).toEqual(['a=1; Path=/pub']);
  }),

  onEveryWay('an upstream refuses: the relay takes the path of UPSTREAM off the path of a cookie', async (way) => {
    const { seen } = await refusedBelow(way);
    expect(valuesOf(seen, 'set-cookie')).toEqual(['a=1; Path=/pub']);
  }),

  onEveryWay('an upstream refuses: the relay takes the path of UPSTREAM off Location', async (way) => {
    const { seen } = await refusedBelow(way);
    expect(valuesOf(seen, 'location')).toEqual(['/login?next=1']);
  }),
];

const outerId = ({ outer }: Seen): unknown => outer.headers['x-request-id'];
const withoutId = once((route: Route) => ask(route));

const REQUEST_ID_ROWS: readonly Row[] = [
  onEveryRoute('the log line has the request id that came', async (route) => {
    const { noted } = await plain(route);
    expect(noted.accounts).toEqual([expect.objectContaining({ request: REQUEST_ID })]);
  }),

  onEveryRoute('the outer response has the request id that came', async (route) => {
    const { seen } = await plain(route);
    expect(outerId(seen)).toBe(REQUEST_ID);
  }),

  onEveryRoute('the log line has an id that the relay made, where none came', async (route) => {
    const { noted } = await withoutId(route);
    expect(noted.accounts).toEqual([expect.objectContaining({ request: expect.stringMatching(UUID) })]);
  }),

  onEveryRoute('the outer response has the id that the relay made', async (route) => {
    const { noted, seen } = await withoutId(route);
    expect(noted.accounts).toEqual([expect.objectContaining({ request: outerId(seen) })]);
  }),

  onEveryRoute('a request beyond the limit: the refusal has the request id', async (route) => {
    const { seen } = await beyondTheLimit(route);
    expect(outerId(seen)).toBe(REQUEST_ID);
  }),

  onEveryWay('the upstream gets the request id of the log line', async (way) => {
    for (const { noted, staged } of [await plain(way), await withoutId(way)]) {
      expect(staged.arrived.map(({ values }) => values('x-request-id'))).toEqual([[noted.accounts[0]?.['request']]]);
    }
  }),

  onEveryWay('an upstream is down: the outer response has the request id', async (way) => {
    const { seen } = await whileDown(way);
    expect(outerId(seen)).toBe(REQUEST_ID);
  }),

  onEveryWay('an upstream refuses: the outer response has the request id', async (way) => {
    const { seen } = await refused(way);
    expect(outerId(seen)).toBe(REQUEST_ID);
  }),
];

const THEIR_EDGE: Behaviour['fields'] = [['x-edge', 'theirs']];
const outerEdge = ({ outer }: Seen): unknown => outer.headers['x-edge'];
const innerEdges = (seen: Seen): string[] => valuesOf(seen, 'x-edge');

const OWN_FIELD_ROWS: readonly Row[] = [
  onEveryRoute('the outer response has the fields of HEADERS', async (route) => {
    const { seen } = await plain(route);
    expect([seen.status, outerEdge(seen)]).toEqual([route.accepted, 'own']);
  }),

  onEveryRoute('a request beyond the limit: the refusal has the fields of HEADERS', async (route) => {
    const { seen } = await beyondTheLimit(route);
    expect([seen.outer.status, outerEdge(seen)]).toEqual([503, 'own']);
  }),

  onEveryWay('a field of HEADERS replaces the upstream’s of that name', async (way) => {
    const { seen } = await ask(way, { environment: OWN, upstream: { fields: THEIR_EDGE } });
    expect([seen.status, outerEdge(seen), innerEdges(seen)]).toEqual([way.accepted, 'own', ['own']]);
  }),

  onEveryWay('an upstream refuses: a field of HEADERS replaces the upstream’s of that name', async (way) => {
    const { seen } = await ask(way, { environment: OWN, upstream: { ...REFUSES, fields: THEIR_EDGE } });
    expect([seen.status, outerEdge(seen), innerEdges(seen)]).toEqual([403, 'own', ['own']]);
  }),

  onEveryWay('an upstream is down: the outer response has the fields of HEADERS', async (way) => {
    const { seen } = await whileDown(way);
    expect(outerEdge(seen)).toBe('own');
  }),

  onEveryWay('an upstream is down: the application sees the fields of HEADERS', async (way) => {
    const { seen } = await whileDown(way);
    expect([seen.status, innerEdges(seen)]).toEqual([502, ['own']]);
  }),

  onEveryWay('the upstream gets a field of HEADERS in place of the client’s', async (way) => {
    const { staged } = await ask(way, { environment: OWN }, { fields: [['x-edge', 'forged']] });
    expect(staged.arrived[0]?.values('x-edge')).toEqual(['own']);
  }),
];

/** No client may see these of an upstream. */
const THEIR_CORS: Behaviour['fields'] = [
  ['access-control-allow-origin', '*'],
  ['access-control-allow-methods', 'BREW'],
  ['access-control-max-age', '9'],
];
const FROM_PAGE = { outer: { origin: TEST_ORIGIN } };
const FROM_ANOTHER_PAGE = { outer: { origin: 'https://evil.example' } };

const outerCors = ({ outer }: Seen): Record<string, unknown> => corsFields(Object.entries(outer.headers));

const CORS_ROWS: readonly Row[] = [
  onEveryWay('CORS fields of the upstream do not reach the outer response', async (way) => {
    const { seen } = await ask(way, { upstream: { fields: THEIR_CORS } }, FROM_PAGE);
    expect([seen.status, outerCors(seen)]).toEqual([way.accepted, way.corsFields]);
  }),

  onEveryWay('an upstream refuses: its CORS fields do not reach the outer response', async (way) => {
    const { seen } = await ask(way, { upstream: { ...REFUSES, fields: THEIR_CORS } }, FROM_PAGE);
    expect(seen.status).toBe(403);
    expect(outerCors(seen)).not.toHaveProperty('access-control-allow-methods');
    expect(outerCors(seen)['access-control-allow-origin']).not.toBe('*');
  }),

  onEveryWay('CORS fields of the upstream reach the application inside the seal alone', async (way) => {
    const { seen } = await ask(way, { upstream: { fields: THEIR_CORS } });
    const expected = way.sealed ? corsFields(THEIR_CORS) : {};
    expect([seen.status, corsFields(seen.fields)]).toEqual([way.accepted, expected]);
  }),

  onEveryRoute('a page of a listed origin gets the relay’s CORS fields', async (route) => {
    const { seen } = await ask(route, {}, FROM_PAGE);
    expect([seen.status, outerCors(seen)]).toEqual([route.accepted, route.corsFields]);
  }),

  onEveryRoute('a page of another origin is refused and counted, or gets no CORS fields', async (route) => {
    const { noted, seen, staged } = await ask(route, {}, FROM_ANOTHER_PAGE);
    if (!route.refusesOrigins) return void expect([seen.status, outerCors(seen)]).toEqual([route.accepted, {}]);
    expect(seen.outer.status).toBe(403);
    expect(seen.failure).toEqual({ plane: 'outer', code: 'origin-refused' });
    expect(staged.arrived).toEqual([]);
    expect(noted.counted('failures_total')).toEqual({ 'plane="outer",code="origin-refused"': 1 });
  }),
];

function corsFields(fields: Iterable<readonly [string, unknown]>): Record<string, unknown> {
  return Object.fromEntries([...fields].filter(([name]) => name.startsWith('access-control-')));
}

/** The outer cookies of a browser that has paired. */
const JARS = { cookie: `mte-relay-jar=s${'A'.repeat(43)}; mte-relay-session-jar=s${'B'.repeat(43)}` };
const COOKIES = ['theme=light; Path=/', 'sid=1; Path=/; HttpOnly'];
const SETS_COOKIES: Behaviour = { fields: COOKIES.map((cookie) => ['set-cookie', cookie]) };

const COOKIE_ROWS: readonly Row[] = [
  onEveryWay('a cookie outside of the seal reaches the upstream of an unsealed request alone', async (way) => {
    const { staged } = await ask(way, { browser: true }, { outer: { cookie: 'theme=dark; lang=en' } });
    expect(staged.arrived[0]?.values('cookie')).toEqual(way.sealed ? [] : ['theme=dark; lang=en']);
  }),

  onEveryWay('a cookie that COOKIES_OUTER names reaches the upstream', async (way) => {
    const options = { browser: true, environment: { COOKIES_OUTER: 'lang' } };
    const { staged } = await ask(way, options, { outer: { cookie: 'theme=dark; lang=en' } });
    expect(staged.arrived[0]?.values('cookie')).toEqual([way.sealed ? 'lang=en' : 'theme=dark; lang=en']);
  }),

  onEveryWay(
    'the upstream’s Set-Cookie reaches a browser as records, or unchanged if it is not sealed',
    async (way) => {
      const { seen } = await ask(
        way,
        { browser: true, upstream: SETS_COOKIES },
        { fields: [['mte-relay-cookies', 'strict']], outer: JARS },
      );
      expect(seen.status).toBe(way.accepted);
      expect(seen.outer.headers['set-cookie']).toEqual(way.sealed ? undefined : COOKIES);
      const records = way.sealed ? expect.stringMatching(/^\+[\w-]{16}:-:[\w-]+ \+[\w-]{16}:-:[\w-]+$/) : undefined;
      expect([valuesOf(seen, 'mte-relay-set-cookies')[0], valuesOf(seen, 'mte-relay-script-cookie')[0]]).toEqual([
        records,
        way.sealed ? COOKIES[0] : undefined,
      ]);
      if (way.sealed) expect(valuesOf(seen, 'set-cookie')).toEqual([]);
    },
  ),

  onEveryWay('jar keys reach no upstream', async (way) => {
    const { staged } = await ask(way, { browser: true }, { outer: { cookie: `a=1; ${JARS.cookie}` } });
    expect(staged.arrived[0]?.values('cookie')).toEqual(way.sealed ? [] : ['a=1']);
  }),

  onEveryWay('the upstream’s Set-Cookie reaches a client that is not a browser unchanged', async (way) => {
    const { seen } = await ask(way, { upstream: SETS_COOKIES });
    expect(valuesOf(seen, 'set-cookie')).toEqual(COOKIES);
    if (way.sealed) expect(seen.outer.headers['set-cookie']).toBeUndefined();
  }),
];

const HOP_FIELDS: readonly [string, string][] = [
  ['connection', 'x-hop'],
  ['x-hop', '1'],
  ['keep-alive', 'timeout=9'],
  ['te', 'trailers'],
  ['proxy-authorization', 'Basic eDp5'],
  ['x-real-ip', '6.6.6.6'],
  ['x-original-url', '/private'],
  ['x-rewrite-url', '/private'],
];

const HOP_ROWS: readonly Row[] = [
  onEveryWay('fields of one hop, and those that Connection names, do not reach the upstream', async (way) => {
    const { seen, staged } = await ask(way, {}, { fields: HOP_FIELDS });
    expect(seen.status).toBe(way.accepted);
    const [arrived] = staged.arrived;
    const crossed = HOP_FIELDS.filter(([name, value]) => arrived?.values(name).some((text) => text.includes(value)));
    expect(crossed).toEqual([]);
    expect(arrived?.values('host')).toEqual([`127.0.0.1:${staged.upstreamPort}`]);
  }),

  onEveryWay(
    'fields of the upstream’s hop, and those that only the relay sets, do not reach the client',
    async (way) => {
      const fields: Behaviour['fields'] = [
        ['connection', 'x-their-hop'],
        ['x-their-hop', '1'],
        ['keep-alive', 'timeout=9'],
        ['mte-relay-failure', 'upstream-failed'],
        ['mte-relay-client-id', 'unknown'],
      ];
      const { seen } = await ask(way, { upstream: { fields } });
      expect(seen.status).toBe(way.accepted);
      expect(fields.filter(([name, value]) => valuesOf(seen, name).includes(value))).toEqual([]);
    },
  ),

  onEveryWay('the upstream gets forwarding fields of the relay, not of the client', async (way) => {
    const claims: [string, string][] = [
      ['x-forwarded-for', '6.6.6.6'],
      ['x-forwarded-proto', 'https'],
      ['x-forwarded-host', 'evil.example'],
      ['x_forwarded_for', '6.6.6.6'],
      ['forwarded', 'for=6.6.6.6'],
    ];
    const { staged } = await ask(way, {}, { fields: claims, outer: Object.fromEntries(claims) });
    const [arrived] = staged.arrived;
    expect(claims.map(([name]) => arrived?.values(name))).toEqual([
      ['127.0.0.1'],
      ['http'],
      ['relay.example'],
      [],
      ['for=127.0.0.1;proto=http;host="relay.example"'],
    ]);
  }),

  onEveryWay('the upstream gets the forwarding chain of a trusted proxy', async (way) => {
    const trusting = { environment: { TRUSTED_PROXIES: '127.0.0.1' } };
    const { staged } = await ask(way, trusting, { outer: { 'x-forwarded-for': '6.6.6.6, 198.51.100.7' } });
    const [arrived] = staged.arrived;
    expect(arrived?.values('x-forwarded-for')).toEqual(['198.51.100.7, 127.0.0.1']);
    expect(arrived?.values('forwarded')).toEqual(['for=198.51.100.7;proto=http;host="relay.example", for=127.0.0.1']);
  }),
];

export const FIELD_ROWS: readonly Row[] = [
  ...BASE_PATH_ROWS,
  ...REQUEST_ID_ROWS,
  ...OWN_FIELD_ROWS,
  ...CORS_ROWS,
  ...COOKIE_ROWS,
  ...HOP_ROWS,
];
