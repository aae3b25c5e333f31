import { FLAG_OUTER_COOKIES } from '@mte-relay/protocol';
import { nodeSuite } from '@mte-relay/protocol/node';
import { SealedClient } from '@mte-relay/testing/sealed-client';
import { stage } from '@mte-relay/testing/stage';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { CookieJacket } from '../../src/secrets/cookies.ts';

const SECRET = 's'.repeat(32);

test('a browser’s HttpOnly cookie is set on the outer hop with its value sealed, and opened toward the upstream', async () => {
  const { port, seen } = await stage((_req, res) => {
    res.setHeader('set-cookie', ['sid=top-secret; Path=/; HttpOnly', 'theme=dark; Path=/']);
    res.end();
  });
  const client = await SealedClient.pair(port, { flags: FLAG_OUTER_COOKIES });
  const first = await client.fetch({ path: '/login' });
  const [sid, theme] = first.outer.headers['set-cookie'] as [string, string];
  expect(sid).toMatch(/^sid=mte1\.[\w-]+; Path=\/; HttpOnly$/);
  expect(theme).toBe('theme=dark; Path=/');
  expect(first.header('set-cookie')).toBeUndefined();
  await client.fetch({ path: '/me' }, { cookie: `${sid.split(';')[0]}; ${theme.split(';')[0]}` });
  expect(seen[1]?.headers.cookie).toBe('sid=top-secret; theme=dark');
});

test('a sealed value that was changed, or moved to another name, is left out', async () => {
  const { port, seen } = await stage();
  const client = await SealedClient.pair(port, { flags: FLAG_OUTER_COOKIES });
  const jacket = new CookieJacket(nodeSuite(), ['x'.repeat(32)], 'all');
  const foreign = jacket.seal('sid=forged; Path=/', 'c', '/')[0]?.split(';')[0];
  await client.fetch({}, { cookie: `${foreign}; other=kept; broken=mte1.AAAA` });
  expect(seen[0]?.headers.cookie).toBe('other=kept');
});

test('a client that is not a browser has its cookies inside, and none on the outer hop', async () => {
  const { port, seen } = await stage((_req, res) => {
    res.setHeader('set-cookie', 'sid=1; HttpOnly');
    res.end();
  });
  const client = await SealedClient.pair(port);
  const response = await client.fetch({ headers: [['cookie', 'inner=1']] }, { cookie: 'outer=1' });
  expect(response.outer.headers['set-cookie']).toBeUndefined();
  expect(response.header('set-cookie')).toBe('sid=1; HttpOnly');
  expect(seen[0]?.headers.cookie).toBe('inner=1');
});

/** The pairs as a browser would send them back. */
const pairsOf = (setCookies: readonly string[]): string => setCookies.map((text) => text.split(';')[0]).join('; ');

test('values sealed under the old secret still open while it rotates, and the relay seals them under the new one', () => {
  const old = new CookieJacket(nodeSuite(), [SECRET], 'all');
  const both = new CookieJacket(nodeSuite(), ['n'.repeat(32), SECRET], 'all');
  const only = new CookieJacket(nodeSuite(), ['n'.repeat(32)], 'all');
  for (const path of ['/', '/narrow']) {
    const pair = (jacket: CookieJacket): string => pairsOf(jacket.seal(`a=1; Path=${path}`, 'c', '/'));
    expect(both.open(pair(old), 'c', path)).toBe('a=1');
    expect(only.open(pair(both), 'c', path)).toBe('a=1');
    expect(only.open(pair(old), 'c', path)).toBe('');
  }
});

test('which values are sealed is a setting, and a deletion never is', () => {
  const jackets = { httponly: ['plain', 'sealed'], all: ['sealed', 'sealed'], off: ['plain', 'plain'] } as const;
  for (const [sealing, [visible, httpOnly]] of Object.entries(jackets)) {
    const jacket = new CookieJacket(nodeSuite(), [SECRET], sealing as 'all');
    const seal = (cookie: string): string => jacket.seal(cookie, 'c', '/')[0] as string;
    const kind = (cookie: string): string => (cookie.includes('mte1') ? 'sealed' : 'plain');
    expect(kind(seal('a=1;Path=/')), sealing).toBe(visible);
    expect(kind(seal('a=1;Path=/;httpOnly')), sealing).toBe(httpOnly);
    expect(seal('a=; Path=/; Max-Age=0; HttpOnly')).toBe('a=; Path=/; Max-Age=0; HttpOnly');
  }
});

test('a cookie that names no path gets that of its request, and one of a narrow path comes back with what it covers', () => {
  const jacket = new CookieJacket(nodeSuite(), [SECRET], 'httponly');
  const attributes = 'Max-Age=60; SameSite=Lax; HttpOnly';
  expect(jacket.seal(`sid=1; ${attributes}`, 'c', '/login')[0]).toMatch(/^sid=mte1\..*; HttpOnly; Path=\/$/);
  const [shop, admin, wide] = [
    jacket.seal(`sid=1; ${attributes}`, 'c', '/shop/login'),
    jacket.seal(`sid=2; Path=/shop/admin; ${attributes}`, 'c', '/shop/login'),
    jacket.seal(`sid=0; Path=/; ${attributes}`, 'c', '/shop/login'),
  ];
  for (const setCookie of [...shop, ...admin]) {
    expect(setCookie).toMatch(/^sid\.[\w-]{8}=mte1p\.[\w-]+; Max-Age=60; SameSite=Lax; HttpOnly; Path=\/api$/);
    expect(setCookie).not.toContain('shop');
  }
  const all = `${pairsOf([...wide, ...shop, ...admin])}; theme=dark`;
  const seen = Object.fromEntries(
    ['/', '/shop', '/shopping', '/shop/admin', '/shop/admin/x', '/other'].map((path) => [
      path,
      jacket.open(all, 'c', path),
    ]),
  );
  expect(seen).toEqual({
    '/': 'sid=0; theme=dark',
    '/shop': 'sid=1; sid=0; theme=dark',
    '/shopping': 'sid=0; theme=dark',
    '/shop/admin': 'sid=2; sid=1; sid=0; theme=dark',
    '/shop/admin/x': 'sid=2; sid=1; sid=0; theme=dark',
    '/other': 'sid=0; theme=dark',
  });
});

test('a deletion, with HttpOnly or without, deletes what was set for the same path', () => {
  const jacket = new CookieJacket(nodeSuite(), [SECRET], 'httponly');
  const nameOf = (setCookie: string | undefined): string | undefined => setCookie?.split('=')[0];
  const [set] = jacket.seal('sid=1; Path=/shop; HttpOnly', 'c', '/login');
  for (const deletion of ['sid=; Path=/shop; Max-Age=0', 'sid=gone; Path=/shop; Max-Age=0; HttpOnly']) {
    const [deleted] = jacket.seal(deletion, 'c', '/logout');
    expect(nameOf(deleted)).toBe(nameOf(set));
    expect(deleted).toMatch(/; Max-Age=0(?:; HttpOnly)?; Path=\/api/);
  }
  expect(nameOf(jacket.seal('sid=1; Path=/shop/; HttpOnly', 'c', '/login')[0])).not.toBe(nameOf(set));
});

test('script still reads a cookie of a narrow path that is not HttpOnly, where it could before', () => {
  const jacket = new CookieJacket(nodeSuite(), [SECRET], 'httponly');
  const [carrier, native, ...more] = jacket.seal('csrf=1; Path=/shop; Secure', 'c', '/login');
  expect(carrier).toMatch(/^csrf\.[\w-]{8}=mte1p\.[\w-]+; Secure; Path=\/api; HttpOnly$/);
  expect(native).toBe('csrf=1; Path=/shop; Secure');
  expect(more).toEqual([]);
});

test('a value of a narrow path opens under its own name, path and client alone', () => {
  const jacket = new CookieJacket(nodeSuite(), [SECRET], 'all');
  const pair = pairsOf(jacket.seal('a=1; Path=/x', 'c', '/'));
  expect(jacket.open(pair, 'c', '/x')).toBe('a=1');
  expect(jacket.open(pair, 'd', '/x')).toBe('');
  expect(jacket.open(`b${pair.slice(1)}`, 'c', '/x')).toBe('');
  expect(jacket.open(pair.replace('=mte1p.', '=mte1.'), 'c', '/x')).toBe('');
  const wide = pairsOf(jacket.seal('a=1; Path=/', 'c', '/'));
  expect(jacket.open(wide.replace('=mte1.', '=mte1p.'), 'c', '/x')).toBe('');
});

test('an upstream whose path the client does not see sets cookies for the paths that it sees', async () => {
  const { port } = await stage(
    (_req, res) => {
      res.setHeader('set-cookie', ['a=1; path=/base', 'b=1; Path=/base/x; Secure', 'c=1; Path=/basement', 'd=1']);
      res.end();
    },
    { basePath: '/base' },
  );
  const response = await (await SealedClient.pair(port)).fetch({ path: '/x' });
  const set = response.head.headers.filter(([name]) => name === 'set-cookie').map(([, value]) => value);
  expect(set).toEqual(['a=1; Path=/', 'b=1; Secure; Path=/x', 'c=1; Path=/basement', 'd=1']);
});

test('a sealed cookie opens in a later session of the same client, and in no session of another one', async () => {
  const { port, seen } = await stage((_req, res) => {
    res.setHeader('set-cookie', 'sid=top-secret; HttpOnly');
    res.end();
  });
  const browser = { flags: FLAG_OUTER_COOKIES };
  const first = await SealedClient.pair(port, browser);
  const token = Buffer.from(first.parameters.clientId).toString('base64url');
  const [sealed] = (await first.fetch({})).outer.headers['set-cookie'] as [string];
  const cookie = sealed.split(';')[0] as string;

  const later = await SealedClient.pair(port, browser);
  await later.fetch({ headers: [['mte-relay-client-id', token]] }, { cookie });
  expect(seen.at(-1)?.headers.cookie).toBe('sid=top-secret');

  const thief = await SealedClient.pair(port, browser);
  await thief.fetch({}, { cookie });
  expect(seen.at(-1)?.headers.cookie).toBeUndefined();
  const forged = Buffer.from(first.parameters.clientId);
  forged[55] = (forged[55] as number) ^ 1;
  const refused = await thief.fetch({ headers: [['mte-relay-client-id', forged.toString('base64url')]] }, { cookie });
  expect(seen.at(-1)?.headers.cookie).toBeUndefined();
  expect(refused.header('mte-relay-client-id')).toBe('unknown');
});

test.each([
  ['a=1; Domain=api.internal; Path=/', 'a=1; Path=/'],
  ['a=1; Domain=.example', 'a=1; Domain=.example'],
  ['a=1; domain=Relay.Example; SameSite=Lax', 'a=1; domain=Relay.Example; SameSite=Lax'],
  ['a=1;DOMAIN = .elay.example;Secure', 'a=1;Secure'],
  ['a=domain=x; Domain=', 'a=domain=x; Domain='],
])(
  'a browser keeps the cookie %j as %j, since a domain that the relay is not in would have it refused',
  async (given, kept) => {
    const { port } = await stage((_req, res) => res.setHeader('set-cookie', given).end());
    const browser = await SealedClient.pair(port, { flags: FLAG_OUTER_COOKIES });
    const response = await browser.fetch({ path: '/', authority: 'relay.example:8443' });
    const [own, ...more] = response.outer.headers['set-cookie'] as [string];
    expect(own.replace(/; Path=\/$/, '')).toBe(kept.replace(/; Path=\/$/, ''));
    expect(more).toEqual([]);
  },
);

test('the relay warns of a cookie that browsers drop for its length once it is sealed, without its value', async () => {
  const lines: string[] = [];
  const log = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) });
  const { port } = await stage(
    (req, res) => {
      const value = 's'.repeat(req.url === '/long' ? 3_100 : 3_000);
      res.setHeader('set-cookie', `sid=${value}; Path=/; HttpOnly`).end();
    },
    { log },
  );
  const browser = await SealedClient.pair(port, { flags: FLAG_OUTER_COOKIES });
  await browser.fetch({ path: '/short' });
  expect(lines).toEqual([]);
  await browser.fetch({ path: '/long' });
  expect(lines.join()).toContain('larger than browsers accept');
  expect(lines.join()).not.toContain('sss');
});
