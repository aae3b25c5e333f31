// Fields that cross the relay, and those of the relay: base path, request id, HEADERS, CORS, cookies, the hop's own
// and the forwarding ones.

import { TEST_ORIGIN } from '@mte-relay/testing/settings';
import { TcpForwarder } from '@mte-relay/testing/tcp-forwarder';
import { expect, onTestFinished } from 'vitest';
import type { Route, Way } from '../support/four-ways.ts';
import type { Seen } from '../support/four-ways-callers.ts';
import { type FourWaysOptions, fourWaysStage } from '../support/four-ways-stage.ts';
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

  onEveryWay('the upstream gets a field of HEADERS in place of the client’s and of its aliases', async (way) => {
    const fields = ['x-edge', 'x_edge'].map((name) => [name, 'forged'] as const);
    const { staged } = await ask(way, { environment: OWN }, { fields });
    expect(['x-edge', 'x_edge'].map((name) => staged.arrived[0]?.values(name))).toEqual([['own'], []]);
  }),

  onEveryWay(
    'the upstream alone gets a field of REQUEST_HEADERS, in place of the client’s and of HEADERS',
    async (way) => {
      const environment = { ...OWN, REQUEST_HEADERS: '{"X-Api-Key":"the-key","x-edge":"the-key too"}' };
      const fields = ['x-api-key', 'x_api_key', 'x_api-key'].map((name) => [name, 'forged'] as const);
      const { staged, seen } = await ask(
        way,
        { environment, upstream: { fields: [['x-api-key', 'theirs']] } },
        { fields },
      );
      const [arrived] = staged.arrived;
      const names = [...fields.map(([name]) => name), 'x-edge'];
      expect(names.map((name) => arrived?.values(name))).toEqual([['the-key'], [], [], ['the-key too']]);
      expect([outerEdge(seen), innerEdges(seen), valuesOf(seen, 'x-api-key')]).toEqual(['own', ['own'], ['theirs']]);
      expect(JSON.stringify([seen.outer.headers, seen.fields])).not.toContain('the-key');
    },
  ),

  onEveryWay(
    'clients alone get a field of RESPONSE_HEADERS, in place of the upstream’s and of HEADERS',
    async (way) => {
      const environment = { ...OWN, RESPONSE_HEADERS: '{"X-Edge":"response"}' };
      const { staged, seen } = await ask(way, { environment, upstream: { fields: THEIR_EDGE } });
      expect(staged.arrived[0]?.values('x-edge')).toEqual(['own']);
      expect([outerEdge(seen), innerEdges(seen)]).toEqual(['response', ['response']]);
    },
  ),

  onEveryRoute('a request beyond the limit: the refusal has the fields of RESPONSE_HEADERS', async (route) => {
    const environment = { RESPONSE_HEADERS: '{"x-edge":"response"}', REQUEST_HEADERS: '{"x-api-key":"1"}' };
    const staged = await fourWaysStage(route, {
      upstream: { instead: 'silence' },
      environment: { ...environment, [route.limit]: '1' },
    });
    await staged.hold();
    const { outer } = await staged.request();
    expect([outer.status, outer.headers['x-edge'], outer.headers['x-api-key']]).toEqual([503, 'response', undefined]);
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

/** As documents of proxies and platforms name them: each product once at least. */
const CALLER_FIELDS = [
  ...['x-real-ip', 'x-original-forwarded-for', 'x-forwarded-user', 'x-forwarded-email', 'x-forwarded-groups'],
  ...['x-forwarded-preferred-username', 'x-forwarded-access-token', 'x-forwarded-prefix', 'x-forwarded-server'],
  ...['x-forwarded-client-cert', 'x-forwarded-tls-client-cert', 'x-forwarded-tls-client-cert-info', 'x-forwarded-ssl'],
  ...['x-forwarded-port', 'x-forwarded-scheme', 'x-forwarded', 'forwarded-for', 'x-scheme', 'x-url-scheme'],
  ...['front-end-https', 'x-arr-ssl', 'x-arr-clientcert', 'x-appservice-proto', 'client-cert', 'client-cert-chain'],
  ...['ssl-client-cert', 'ssl-client-verify', 'ssl-client-subject-dn', 'ssl-client-s-dn', 'x-ssl-client-cert'],
  ...['x-client-cert', 'x-client-cert-leaf', 'x-client-certificate', 'x-amzn-mtls-clientcert'],
  ...['x-amzn-mtls-clientcert-subject', 'cf-client-cert-sha256', 'wl-proxy-client-ip', 'wl-proxy-client-cert', '$wsra'],
  ...['remote-user', 'remote-groups', 'remote-email', 'x-remote-user', 'x-remote-group', 'x-remote-extra-scopes'],
  ...['x-auth-request-user', 'x-auth-request-email', 'x-auth-request-groups', 'x-authenticated-user'],
  ...['x-authenticated-userid', 'x-webauth-user', 'x-ms-client-principal', 'x-ms-client-principal-id'],
  ...['x-ms-client-principal-name', 'x-ms-token-aad-id-token', 'x-amzn-oidc-data', 'x-amzn-oidc-identity'],
  ...['x-amzn-oidc-accesstoken', 'x-amzn-lattice-identity', 'x-amzn-request-context', 'x-goog-iap-jwt-assertion'],
  ...['x-goog-authenticated-user-email', 'x-goog-authenticated-user-id', 'cf-access-jwt-assertion'],
  ...['cf-access-authenticated-user-email', 'x-pomerium-jwt-assertion', 'x-vouch-user', 'x-authentik-username'],
  ...['x-consumer-username', 'x-userinfo', 'tailscale-user-login', 'oidc-claim-sub', 'iv-user', 'sm-user', 'shib-user'],
  ...['client-ip', 'x-client-ip', 'x-cluster-client-ip', 'true-client-ip', 'x-true-client-ip', 'cf-connecting-ip'],
  ...['cf-connecting-ipv6', 'cf-pseudo-ipv4', 'cf-ipcountry', 'x-azure-clientip', 'x-azure-socketip', 'x-azure-fdid'],
  ...['cloudfront-viewer-address', 'cloudfront-viewer-country', 'fastly-client-ip', 'fastly-client', 'fly-client-ip'],
  ...['x-appengine-user-ip', 'x-appengine-inbound-appid', 'x-envoy-external-address', 'x-envoy-internal'],
  ...['x-vercel-forwarded-for', 'x-nf-client-connection-ip', 'do-connecting-ip', 'incap-client-ip', 'x-user-ip'],
  ...['x-host', 'x-original-host', 'x-original-uri', 'x-original-url', 'x-rewrite-url', 'x-http-host-override'],
  ...['x-waws-unencoded-url', 'disguised-host', 'was-default-hostname', 'x-sendfile-type', 'x-accel-mapping', 'proxy'],
];
const FORGED = 'forged';
const forgedAs = (names: readonly string[]): [string, string][] => names.map((name) => [name, FORGED]);
const aliased = (names: readonly string[]): string[] => names.map((name) => name.replace('-', '_'));

const PASSED = { OUTER_FIELDS_PASSED: 'X-Tenant, ssl-client-cert' };
const TRUSTING = { ...PASSED, TRUSTED_PROXIES: '127.0.0.1' };
const FROM_PROXY = { outer: { 'x-tenant': 'of the proxy', 'ssl-client-cert': 'of the proxy' } };

const CALLER_ROWS: readonly Row[] = [
  onEveryWay('no client sends a field that names a caller, under any alias', async (way) => {
    const staged = await fourWaysStage(way, { environment: PASSED });
    const names = [...CALLER_FIELDS, ...aliased(CALLER_FIELDS)];
    for (let at = 0; at < names.length; at += 60) {
      const { status } = await staged.request({ fields: [['x-kept', FORGED], ...forgedAs(names.slice(at, at + 60))] });
      expect(status).toBe(way.accepted);
    }
    for (const arrived of staged.arrived) {
      expect(names.filter((name) => arrived.values(name).includes(FORGED))).toEqual([]);
      expect(arrived.values('x-kept')).toEqual([FORGED]);
    }
  }),

  onEveryWay('a field of REQUEST_FIELDS_TRUSTED reaches the upstream from inside the seal alone', async (way) => {
    const names = ['x-forwarded-user', 'x-ms-client-principal', 'remote-user'];
    const environment = { REQUEST_FIELDS_TRUSTED: 'X-Forwarded-User,x_ms_client_principal' };
    const { staged } = await ask(way, { environment }, { fields: forgedAs(names), outer: {} });
    const arrived = names.filter((name) => staged.arrived[0]?.values(name).includes(FORGED));
    expect(arrived).toEqual(way.sealed ? ['x-forwarded-user', 'x-ms-client-principal'] : []);
  }),

  onEveryWay('a field of OUTER_FIELDS_PASSED comes from a trusted proxy, in place of the client’s', async (way) => {
    const fields = way.sealed ? forgedAs(['x-tenant', 'ssl-client-cert']) : [];
    const forged = [...fields, ...forgedAs(['x_tenant', 'ssl_client-cert'])];
    const { staged } = await ask(way, { environment: TRUSTING }, { ...FROM_PROXY, fields: forged });
    const names = ['x-tenant', 'ssl-client-cert', 'x_tenant', 'ssl_client-cert'];
    const proxys = ['of the proxy'];
    expect(names.map((name) => staged.arrived[0]?.values(name))).toEqual([proxys, proxys, [], []]);
  }),

  onEveryWay('a field of OUTER_FIELDS_PASSED comes from nobody else, where a trusted proxy sends none', async (way) => {
    const fields = forgedAs(way.sealed ? ['x-tenant', 'ssl-client-cert', 'x_tenant'] : ['x_tenant', 'ssl_client-cert']);
    const { staged } = await ask(way, { environment: TRUSTING }, { fields });
    expect(fields.filter(([name]) => staged.arrived[0]?.values(name).includes(FORGED))).toEqual([]);
  }),

  onEveryWay('a field of OUTER_FIELDS_PASSED from a peer that is not a trusted proxy does not cross', async (way) => {
    for (const TRUSTED_PROXIES of ['', '10.0.0.0/8']) {
      const { staged } = await ask(way, { environment: { ...PASSED, TRUSTED_PROXIES } }, FROM_PROXY);
      expect(Object.keys(FROM_PROXY.outer).map((name) => staged.arrived[0]?.values(name))).toEqual([[], []]);
    }
  }),
];

/** What the relay writes into `via` behind the entry of a hop before it. */
const PSEUDONYM = /^1\.1 (mte-relay-[0-9a-f]{8})$/;
const EARLIER = '1.1 earlier (a, comment)';
const passedBy = once((way: Way) =>
  ask(way, { upstream: { fields: [['via', '1.1 api-gateway']] } }, { fields: [['via', EARLIER]] }),
);

const VIA_ROWS: readonly Row[] = [
  onEveryWay('the upstream gets the relay’s entry in via, behind those of earlier hops', async (way) => {
    const { staged } = await passedBy(way);
    expect(staged.arrived[0]?.values('via')).toEqual([EARLIER, expect.stringMatching(PSEUDONYM)]);
  }),

  onEveryWay('the application gets the relay’s entry in via, behind that of the upstream', async (way) => {
    const { seen, staged } = await passedBy(way);
    const own = staged.arrived[0]?.values('via').at(-1);
    expect(valuesOf(seen, 'via').join(', ')).toBe(`1.1 api-gateway, ${own}`);
  }),

  onEveryWay(
    'a request that has passed the relay is refused as a loop, and the upstream does not see it',
    async (way) => {
      const staged = await fourWaysStage(way);
      await staged.request();
      const own = staged.arrived[0]?.values('via')[0] as string;
      const seen = await staged.request({ fields: [['via', `${EARLIER}, ${own} (again)`]] });
      expect(seen).toMatchObject({ status: 508, failure: { plane: way.plane, code: 'loop-detected' } });
      expect(staged.arrived).toHaveLength(1);
      const noted = await staged.noted();
      expect(noted.counted('failures_total')).toEqual({ [`plane="${way.plane}",code="loop-detected"`]: 1 });
      expect((await staged.request({ fields: [['via', `${own}0, 1.1 x-${own.slice(4)}`]] })).status).toBe(way.accepted);
    },
  ),

  onEveryWay('an upstream that leads back to the relay gets one request, which fails', async (way) => {
    let port = 0;
    const back = await new TcpForwarder(() => port).start();
    onTestFinished(() => back.stop());
    const staged = await fourWaysStage(way, { environment: { UPSTREAM: back.url } });
    port = staged.port;
    const seen = await staged.request();
    expect(seen.status).toBe(508);
    const { accounts } = await staged.noted();
    expect(accounts.map(({ status }) => status)).toEqual([508, 508]);
    expect(staged.arrived).toEqual([]);
  }),
];

export const FIELD_ROWS: readonly Row[] = [
  ...BASE_PATH_ROWS,
  ...REQUEST_ID_ROWS,
  ...OWN_FIELD_ROWS,
  ...CORS_ROWS,
  ...COOKIE_ROWS,
  ...HOP_ROWS,
  ...CALLER_ROWS,
  ...VIA_ROWS,
];
