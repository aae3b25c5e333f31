// Cookies of browsers (SPEC §9.4): what the upstream sets comes back as records inside the seal, only to the browser that
// it was set for, and nothing else that is on the outer hop counts.
import { FLAG_COOKIE_RECORDS, FLAG_HTTPS } from '@mte-relay/protocol';
import { SealedClient, send } from '@mte-relay/testing/sealed-client';
import { stage } from '@mte-relay/testing/stage';
import { TestBrowser } from '@mte-relay/testing/test-browser';
import { pino } from 'pino';
import { expect, test } from 'vitest';

/** An upstream that sets the cookies in `x-set` of a request, and the one of the fields in `x-clear`. */
async function cookieStage(environment: Record<string, string> = {}, basePath?: string) {
  const lines: string[] = [];
  const log = pino({ level: 'warn', base: null }, { write: (line: string) => void lines.push(line) });
  const staged = await stage(
    (req, res) => {
      const set = req.headers['x-set'];
      if (set) res.setHeader('set-cookie', (set as string).split(' | '));
      if (req.headers['x-clear']) res.setHeader('clear-site-data', req.headers['x-clear'] as string);
      res.end();
    },
    { environment, log, ...(basePath !== undefined && { basePath }) },
  );
  const { seen } = staged;
  return {
    ...staged,
    lines,
    set: (browser: TestBrowser, path: string, ...cookies: string[]) =>
      browser.fetch({ path, headers: [['x-set', cookies.join(' | ')]] }),
    cookieAt: async (browser: TestBrowser, path: string, more: Parameters<TestBrowser['fetch']>[0] = {}) => {
      await browser.fetch({ path, ...more });
      return seen.at(-1)?.headers.cookie ?? '';
    },
  };
}

test('a cookie is neither on the outer hop nor readable inside, and comes back to the upstream', async () => {
  const { port, set, cookieAt } = await cookieStage();
  const browser = await TestBrowser.pair(port);
  const response = await set(browser, '/login', 'sid=top-secret; Path=/; HttpOnly', 'theme=dark; Path=/');
  expect(response.outer.headers['set-cookie']).toBeUndefined();
  expect(response.header('set-cookie')).toBeUndefined();
  expect(JSON.stringify(response.head)).not.toContain('top-secret');
  expect(browser.scriptCookies).toEqual(['theme=dark; Path=/']);
  expect(await cookieAt(browser, '/me')).toBe('sid=top-secret; theme=dark');
});

test('a client that is not a browser has its cookies inside, and none on the outer hop', async () => {
  const { port, seen } = await cookieStage();
  const client = await SealedClient.pair(port);
  expect(client.pairingHeaders['set-cookie']).toBeUndefined();
  const headers: [string, string][] = [
    ['cookie', 'inner=1'],
    ['x-set', 'sid=1; HttpOnly'],
  ];
  const response = await client.fetch({ headers }, { cookie: 'outer=1' });
  expect(response.outer.headers['set-cookie']).toBeUndefined();
  expect(response.header('set-cookie')).toBe('sid=1; HttpOnly');
  expect(seen[0]?.headers.cookie).toBe('inner=1');
});

test('a pairing gives a browser its jar keys, and renews those that it shows', async () => {
  const { port } = await cookieStage();
  const browser = await TestBrowser.pair(port);
  const [kept, ofSession] = browser.client.pairingHeaders['set-cookie'] as [string, string];
  expect(kept).toMatch(/^mte-relay-jar=s[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=34560000$/);
  expect(ofSession).toMatch(/^mte-relay-session-jar=s[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict$/);
  await browser.pair(port);
  expect(browser.client.pairingHeaders['set-cookie']).toEqual([kept, ofSession]);
});

test('over https the jar keys have the prefix __Host-Http-, and for a page of another site they are partitioned', async () => {
  const { port } = await cookieStage();
  const flags = FLAG_COOKIE_RECORDS | FLAG_HTTPS;
  const [kept] = (await SealedClient.pair(port, { flags })).pairingHeaders['set-cookie'] as string[];
  expect(kept).toMatch(
    /^__Host-Http-mte-relay-jar=s[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Secure; Max-Age=34560000$/,
  );
  const headers = { 'sec-fetch-site': 'cross-site' };
  const [crossSite] = (await SealedClient.pair(port, { flags, headers })).pairingHeaders['set-cookie'] as string[];
  expect(crossSite).toMatch(
    /^__Host-Http-mte-relay-cross-site-jar=x[\w-]{43}; Path=\/; HttpOnly; SameSite=None; Secure; Partitioned; Max-Age=34560000$/,
  );
});

test('an intermediary that plants a cookie on the outer hop plants nothing', async () => {
  const { port, set, cookieAt } = await cookieStage();
  const browser = await TestBrowser.pair(port);
  const planted = { outer: { cookie: 'sid=of-the-attacker' } };
  expect(await cookieAt(browser, '/me', planted)).toBe('');
  await set(browser, '/login', 'sid=own; Path=/');
  const jar = [...browser.jar].map((pair) => pair.join('=')).join('; ');
  expect(await cookieAt(browser, '/me', { outer: { cookie: `sid=of-the-attacker; ${jar}` } })).toBe('sid=own');
  expect(await cookieAt(browser, '/me', { headers: [['cookie', 'sid=inner']] })).toBe('sid=own');
});

test('records open beside their own jar key and client id alone, in any session', async () => {
  const { port, set, cookieAt } = await cookieStage();
  const browser = await TestBrowser.pair(port);
  await set(browser, '/login', 'kept=1; Path=/; Max-Age=60', 'session=1; Path=/');
  await browser.pair(port);
  expect(await cookieAt(browser, '/')).toBe('kept=1; session=1');
  const stolen = [...browser.records];
  const thief = await TestBrowser.pair(port);
  const withRecords = (of: TestBrowser): TestBrowser => {
    for (const [id, record] of stolen) of.records.set(id, record);
    return of;
  };
  expect(await cookieAt(withRecords(thief), '/')).toBe('');
  thief.clientId = browser.clientId;
  expect(await cookieAt(withRecords(thief), '/'), 'without the jar key').toBe('');
  const other = await TestBrowser.pair(port);
  for (const [name, value] of browser.jar) other.jar.set(name, value);
  expect(await cookieAt(withRecords(other), '/'), 'without the client id').toBe('');
});

test('two apps of one browser neither share a login nor end each other’s', async () => {
  const { port, set, cookieAt } = await cookieStage();
  const one = await TestBrowser.pair(port);
  const two = new TestBrowser();
  for (const [name, value] of one.jar) two.jar.set(name, value);
  await two.pair(port);
  expect([...two.jar]).toEqual([...one.jar]);
  await set(one, '/login', 'sid=one; Path=/; HttpOnly');
  expect(await cookieAt(two, '/')).toBe('');
  await set(two, '/login', 'sid=two; Path=/; HttpOnly');
  expect(await cookieAt(one, '/')).toBe('sid=one');
  await set(two, '/logout', 'sid=; Path=/; Max-Age=0');
  expect([await cookieAt(one, '/'), await cookieAt(two, '/')]).toEqual(['sid=one', '']);
});

test('a record that does not open is dropped, unless the browser shows no jar key at all', async () => {
  const { port, set, cookieAt } = await cookieStage();
  const browser = await TestBrowser.pair(port);
  await set(browser, '/login', 'a=1; Path=/', 'b=1; Path=/');
  const jar = [...browser.jar];
  browser.jar.clear();
  expect(await cookieAt(browser, '/')).toBe('');
  expect(browser.records.size).toBe(2);
  for (const [name, value] of jar) browser.jar.set(name, value);
  expect(await cookieAt(browser, '/')).toBe('a=1; b=1');
  const [first] = browser.records.keys();
  browser.records.set(first as string, 'A'.repeat(150));
  expect(await cookieAt(browser, '/')).toBe('b=1');
  expect(browser.records.size).toBe(1);
});

test('cookies without an expiry end with the browser’s session, the others do not', async () => {
  const { port, set, cookieAt } = await cookieStage();
  const browser = await TestBrowser.pair(port);
  await set(browser, '/login', 'kept=1; Path=/; Max-Age=60', 'session=1; Path=/');
  browser.restart();
  await browser.pair(port);
  expect(await cookieAt(browser, '/')).toBe('kept=1');
  expect(browser.records.size).toBe(1);
});

test('a browser without jar keys gets them with the response that sets a cookie', async () => {
  const { port, set, cookieAt } = await cookieStage();
  const browser = await TestBrowser.pair(port);
  browser.jar.clear();
  const response = await set(browser, '/login', 'sid=1; Path=/');
  expect(response.outer.headers['set-cookie']).toHaveLength(1);
  expect(await cookieAt(browser, '/')).toBe('sid=1');
});

test('a request without credentials carries no cookie and sets none', async () => {
  const { port, set, cookieAt } = await cookieStage();
  const browser = await TestBrowser.pair(port);
  await set(browser, '/', 'sid=1; Path=/');
  expect(await cookieAt(browser, '/', { context: 'omit', headers: [['x-set', 'sid=2; Path=/']] })).toBe('');
  expect(await cookieAt(browser, '/')).toBe('sid=1');
});

test('paths, order and deletion are those of RFC 6265bis', async () => {
  const { port, set, cookieAt } = await cookieStage();
  const browser = await TestBrowser.pair(port);
  await set(browser, '/shop/login', 'wide=0; Path=/', 'sid=1', 'sid=2; Path=/shop/admin', 'b=1; Path=/');
  await set(browser, '/shop/login', 'wide=9; Path=/');
  const seen: Record<string, string> = {};
  for (const path of ['/', '/shop', '/shopping', '/shop/admin', '/shop/admin/x?y=/z']) {
    seen[path] = await cookieAt(browser, path);
  }
  expect(seen).toEqual({
    '/': 'wide=9; b=1', // a cookie that is replaced keeps its place
    '/shop': 'sid=1; wide=9; b=1',
    '/shopping': 'wide=9; b=1',
    '/shop/admin': 'sid=2; sid=1; wide=9; b=1',
    '/shop/admin/x?y=/z': 'sid=2; sid=1; wide=9; b=1',
  });
  await set(browser, '/shop/logout', 'sid=; Max-Age=0', 'wide=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT');
  expect(await cookieAt(browser, '/shop/admin')).toBe('sid=2; b=1');
  expect(browser.records.size).toBe(2);
  expect(browser.scriptCookies.at(-1)).toBe('wide=; Path=/; Max-Age=0');
});

test('a cookie keeps its place among those of one response, and a partitioned one is another cookie', async () => {
  const { port, set, cookieAt } = await cookieStage();
  const browser = await TestBrowser.pair(port);
  await set(browser, '/', ...['a=1', 'b=1', 'c=1', 'a=2', 'd=1'].map((pair) => `${pair}; Path=/`));
  expect(await cookieAt(browser, '/')).toBe('a=2; b=1; c=1; d=1');
  await set(browser, '/', 'a=; Path=/; Max-Age=0', 'a=2; Path=/');
  expect(await cookieAt(browser, '/')).toBe('b=1; c=1; d=1; a=2');
  await set(browser, '/', 'a=3; Path=/; Secure; Partitioned');
  expect(await cookieAt(browser, '/')).toBe('b=1; c=1; d=1; a=2; a=3');
});

test('a cookie that becomes HttpOnly is taken from script', async () => {
  const { port, set } = await cookieStage();
  const browser = await TestBrowser.pair(port);
  await set(browser, '/', 'b=2; Path=/');
  await set(browser, '/', 'b=3; Path=/; HttpOnly');
  expect(browser.scriptCookies).toEqual(['b=2; Path=/', 'b=2; Path=/; Max-Age=0']);
});

test('SameSite decides by the context that the client states, and by the kind of the jar key', async () => {
  const { port, set, cookieAt } = await cookieStage();
  const browser = await TestBrowser.pair(port);
  const cookies = ['s=1; SameSite=Strict', 'l=1; SameSite=Lax', 'd=1', 'n=1; SameSite=None; Secure'];
  await set(browser, '/', ...cookies.map((cookie) => `${cookie}; Path=/`));
  expect(await cookieAt(browser, '/')).toBe('s=1; l=1; d=1; n=1');
  expect(await cookieAt(browser, '/', { context: 'lax' })).toBe('l=1; d=1; n=1');
  expect(await cookieAt(browser, '/', { context: 'none' })).toBe('n=1');
  const crossSite = await TestBrowser.pair(port, { headers: { 'sec-fetch-site': 'cross-site' } });
  await set(crossSite, '/', ...cookies.map((cookie) => `${cookie}; Path=/`));
  expect(await cookieAt(crossSite, '/')).toBe('n=1');
});

test('Clear-Site-Data empties the jar, and tells script so', async () => {
  const { port, set, cookieAt } = await cookieStage();
  const browser = await TestBrowser.pair(port);
  for (const value of ['"cookies"', '"storage", "cookies"', '"*"']) {
    await set(browser, '/', 'sid=1; Path=/; HttpOnly', 'theme=1; Path=/');
    await cookieAt(browser, '/', { headers: [['x-clear', '"cache", "storage"']] });
    expect(browser.records.size).toBe(2);
    await cookieAt(browser, '/', { headers: [['x-clear', value]] });
    expect(browser.records.size, value).toBe(0);
    expect(browser.scriptCookies.at(-1)).toBe('theme=1; Path=/; Max-Age=0');
  }
});

test.each([
  ['an unknown context', 'evil'],
  ['too many records', ['strict', ...Array.from({ length: 181 }, () => 'A'.repeat(80))].join(' ')],
  ['too many characters', ['strict', ...Array.from({ length: 100 }, () => 'A'.repeat(400))].join(' ')],
  ['a record that is too short', 'strict AAAA'],
  ['2,600 records that are too short', `strict ${'AAA '.repeat(2_600).trim()}`],
  ['a record that is too long', `strict ${'A'.repeat(20_000)}`],
  ['two spaces', `strict  ${'A'.repeat(80)}`],
])('%s is refused before any key is derived', async (_name, value) => {
  const { port, seen } = await cookieStage();
  const { client } = await TestBrowser.pair(port);
  const response = await client.fetch({ headers: [['mte-relay-cookies', value]] });
  expect(response.header('mte-relay-failure')).toBe('request-malformed');
  expect(seen).toHaveLength(0);
});

test('jar keys and the fields of records reach no upstream, and no upstream sets them', async () => {
  const { port, set, seen } = await cookieStage({ COOKIES: 'outside', PASS_THROUGH_ROUTES: '/pub/*' });
  const browser = await TestBrowser.pair(port);
  const response = await set(
    browser,
    '/',
    'mte-relay-jar=planted; Path=/',
    '__Host-Http-mte-relay-session-jar=x; Path=/',
    'a=1',
  );
  expect(response.outer.headers['set-cookie']).toEqual(['a=1; Path=/']);
  await browser.fetch();
  expect(seen.at(-1)?.headers.cookie).toBe('a=1');
  const cookie = [...browser.jar].map((pair) => pair.join('=')).join('; ');
  await send(port, '/pub/x', { method: 'GET', headers: { cookie } });
  expect(seen.at(-1)?.headers.cookie).toBe('a=1');
  expect(JSON.stringify(seen.slice(1).map(({ headers: { via: _, ...others } }) => others))).not.toContain('mte-relay');
  const planted = { 'x-set': 'mte-relay-jar=planted; Path=/ | b=1; Path=/' };
  const passed = await send(port, '/pub/x', { method: 'GET', headers: planted });
  expect(passed.headers['set-cookie']).toEqual(['b=1; Path=/']);
});

test('an upstream whose path the client does not see sets cookies for the paths that it sees', async () => {
  const { port, set, cookieAt } = await cookieStage({}, '/base');
  const browser = await TestBrowser.pair(port);
  await set(browser, '/y', 'a=1; path=/base', 'b=1; Path=/base/x; Secure', 'c=1; Path=/basement');
  expect(await cookieAt(browser, '/x')).toBe('b=1; a=1');
  expect(await cookieAt(browser, '/basement')).toBe('c=1; a=1');
});

test.each([
  ['a=1; Domain=api.internal; Path=/', 'a=1', 'a=1; Path=/'],
  ['a=1; Domain=.Example.ORG; Path=/', 'a=1', 'a=1; Path=/; Domain=example.org'],
  ['a=1; Domain=org; Path=/', '', undefined],
  ['a=1; Domain=; Path=/', 'a=1', 'a=1; Path=/'],
  ['__Host-a=1; Secure; Path=/', '__Host-a=1', '__Host-a=1; Path=/; Secure'],
  ['__Host-a=1; Secure; Path=/; Domain=relay.example.org', '', undefined],
  ['__Secure-a=1; Path=/', '', undefined],
  ['__host-HTTP-a=1; Secure; Path=/', '', undefined],
  [`a=${'x'.repeat(4_095)}; Path=/`, `a=${'x'.repeat(4_095)}`, `a=${'x'.repeat(4_095)}; Path=/`],
  [`a=${'x'.repeat(4_096)}; Path=/`, '', undefined],
  ['a=1; SameSite=None; Path=/', '', undefined],
  [`a=1; Path=/; Max-Age=${'0'.repeat(1_025)}`, 'a=1', 'a=1; Path=/'],
  [`a=1; Path=/; Max-Age=${'0'.repeat(1_024)}`, '', 'a=1; Path=/; Max-Age=0'],
  ['=a=1; Path=/', '', undefined],
  ['a; Path=/', 'a', 'a; Path=/'],
])('%j is kept as a browser keeps it', async (given, sent, forScript) => {
  const { port, set, cookieAt } = await cookieStage();
  const browser = await TestBrowser.pair(port, {
    authority: 'relay.example.org:8443',
    flags: FLAG_COOKIE_RECORDS | FLAG_HTTPS,
  });
  await set(browser, '/', given);
  expect(await cookieAt(browser, '/x')).toBe(sent);
  expect(browser.scriptCookies.at(-1)).toBe(forScript);
});

test('COOKIES_OUTER names cookies that stay outside, both ways, with the path of the inner request', async () => {
  const { port, set, cookieAt, lines } = await cookieStage({ COOKIES_OUTER: 'sso' });
  const browser = await TestBrowser.pair(port);
  const response = await set(browser, '/x;Domain=evil.example;Max-Age=0/y', 'sso=1', 'sid=1; Path=/');
  expect(response.outer.headers['set-cookie']).toEqual(['sso=1; Path=/']);
  expect(await cookieAt(browser, '/')).toBe('sid=1; sso=1');
  expect(browser.records.size).toBe(1);
  expect(await cookieAt(browser, '/', { outer: { cookie: 'sso=2; analytics=1; analytics=2' } })).toBe('sso=2');
  expect(lines.filter((line) => line.includes('analytics'))).toHaveLength(1);
  expect(lines.join()).toContain('COOKIES_OUTER');
});

test.each([{ COOKIES_OUTER: 'sid' }, { COOKIES: 'outside' }])(
  'with %j a record moves outside with its first request, and the user stays logged in',
  async (environment) => {
    const outside = await cookieStage(environment);
    const inside = await cookieStage();
    const browser = await TestBrowser.pair(inside.port);
    await inside.set(
      browser,
      '/login',
      'sid=1; Path=/; HttpOnly; SameSite=Lax; Max-Age=60',
      'stays=1; Path=/; Domain=no',
    );
    await browser.pair(outside.port);
    const moved = await browser.fetch({ path: '/' });
    expect(outside.seen.at(-1)?.headers.cookie).toContain('sid=1');
    expect(moved.outer.headers['set-cookie']).toContain('sid=1; Path=/; Max-Age=60; SameSite=lax; HttpOnly');
    expect(await outside.cookieAt(browser, '/')).toContain('sid=1');
    await outside.set(browser, '/', 'sid=2; Path=/');
    expect(await outside.cookieAt(browser, '/')).toContain('sid=2');
    await browser.pair(inside.port);
    expect(await inside.cookieAt(browser, '/')).not.toContain('sid');
  },
);

test('the log does not name the browser’s own copies of cookies that cross inside', async () => {
  const { port, set, cookieAt, lines } = await cookieStage({ COOKIES_FROM_SCRIPT: 'theme' });
  const browser = await TestBrowser.pair(port);
  await set(browser, '/', 'XSRF-TOKEN=1; Path=/', 'sid=1; Path=/; HttpOnly');
  const jar = [...browser.jar].map((pair) => pair.join('=')).join('; ');
  await cookieAt(browser, '/', { outer: { cookie: `${jar}; XSRF-TOKEN=1; theme=dark; sid=planted` } });
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain('"cookie":"sid"');
});

test('jar keys of both kinds count by the site of the page', async () => {
  const { port, set, cookieAt } = await cookieStage();
  const browser = await TestBrowser.pair(port);
  await set(browser, '/', 'sid=1; Path=/');
  const crossSite = { outer: { 'sec-fetch-site': 'cross-site' } };
  const { headers } = await send(port, '/api/mte-relay', { method: 'GET' });
  expect(headers['set-cookie']).toBeUndefined();
  const other = await TestBrowser.pair(port, { headers: { 'sec-fetch-site': 'cross-site' } });
  expect([...other.jar.keys()]).toEqual(['mte-relay-cross-site-jar', 'mte-relay-cross-site-session-jar']);
  for (const [name, value] of other.jar) browser.jar.set(name, value);
  expect(await cookieAt(browser, '/', crossSite)).toBe('sid=1');
});

test('COOKIES=outside leaves all cookies outside, in both directions', async () => {
  const { port, set, cookieAt } = await cookieStage({ COOKIES: 'outside' });
  const browser = await TestBrowser.pair(port);
  const response = await set(browser, '/login', 'sid=1; Path=/; HttpOnly');
  expect(response.outer.headers['set-cookie']).toEqual(['sid=1; Path=/; HttpOnly']);
  expect(browser.records.size).toBe(0);
  expect(await cookieAt(browser, '/')).toBe('sid=1');
});

test('COOKIES_FROM_SCRIPT names cookies of script that cross, in place of readable records', async () => {
  const { port, set, cookieAt } = await cookieStage({ COOKIES_FROM_SCRIPT: 'theme,lang' });
  const browser = await TestBrowser.pair(port);
  expect(browser.client.parameters.cookiesFromScript).toEqual(['theme', 'lang']);
  await set(browser, '/', 'theme=light; Path=/', 'lang=en; Path=/; HttpOnly');
  const headers: [string, string][] = [['mte-relay-script-cookies', 'theme=dark; lang=de; sid=planted']];
  expect(await cookieAt(browser, '/', { headers })).toBe('lang=en; theme=dark');
  expect(await cookieAt(browser, '/', { headers, context: 'omit' })).toBe('');
});

test('a client id is renewed a day later, and an unknown one is named', async () => {
  const { port } = await cookieStage();
  const browser = await TestBrowser.pair(port);
  const headers = [['mte-relay-client-id', 'AAAA']] as const;
  const { client } = browser;
  expect((await client.fetch({ headers })).header('mte-relay-client-id')).toBe('unknown');
  const own: [string, string][] = [['mte-relay-client-id', browser.clientId as string]];
  expect((await client.fetch({ headers: own })).header('mte-relay-client-id')).toBeUndefined();
});

test('a cookie whose last byte is 0xA0, as that of "à" in UTF-8, loses none', async () => {
  const { port, set, cookieAt } = await cookieStage();
  const browser = await TestBrowser.pair(port);
  const city = Buffer.from('voilà').toString('latin1');
  await set(browser, '/login', `city=${city}; Path=/`);
  expect(await cookieAt(browser, '/me')).toBe(`city=${city}`);
});

test('without jar keys, the cookies of a pass-through request are the same: names, values, and what has no name', async () => {
  const { port, seen } = await cookieStage({ PASS_THROUGH_ROUTES: '/open/*' });
  const city = Buffer.from('voilà').toString('latin1');
  const jar = `mte-relay-jar=s${'a'.repeat(43)}`;
  for (const others of [`city=${city}`, `=${jar}; a=b`, '=a=b', 'nameless']) {
    await send(port, '/open/x', { method: 'GET', headers: { cookie: `${jar}; ${others}` } });
    expect(seen.at(-1)?.headers.cookie).toBe(others);
  }
});
