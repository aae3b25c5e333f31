// Cookies of browsers (SPEC §9.4) when responses arrive in another order than their requests were sent, and when relays
// with different settings respond at the same time: the cookie that the upstream set last is the one that counts.
import { stage } from '@mte-relay/testing/stage';
import { TestBrowser } from '@mte-relay/testing/test-browser';
import { expect, test } from 'vitest';

const OLD = 'old secret of thirty-two characters or more';
const NEW = 'new secret of thirty-two characters or more';

/** A relay whose upstream sets the cookies in `x-set`, and responds to /slow once `finish` is called. */
async function relayWith(environment: Record<string, string> = {}) {
  const { promise: finished, resolve: finish } = Promise.withResolvers<void>();
  const { port, seen } = await stage(
    async (req, res) => {
      if (req.url === '/slow') await finished;
      const set = req.headers['x-set'];
      if (set) res.setHeader('set-cookie', (set as string).split(' | '));
      res.end();
    },
    { environment },
  );
  return { port, seen, finish };
}

function set(browser: TestBrowser, path: string, ...cookies: string[]) {
  return browser.fetch({ path, headers: [['x-set', cookies.join(' | ')]] });
}

/** The cookies of a request of this browser, as the upstream receives them. */
async function cookiesAt({ port, seen }: Awaited<ReturnType<typeof relayWith>>, browser: TestBrowser) {
  await browser.pair(port);
  await browser.fetch();
  return seen.at(-1)?.headers.cookie;
}

test('a slow response that seals a record anew does not bring back the cookie that a login has replaced', async () => {
  const before = await relayWith({ CLIENT_ID_SECRET: OLD });
  const relay = await relayWith({ CLIENT_ID_SECRET: `${NEW},${OLD}` });
  const browser = await TestBrowser.pair(before.port);
  await set(browser, '/login', 'sid=before; Path=/');
  await browser.pair(relay.port);
  const slow = browser.fetch({ path: '/slow' });
  await expect.poll(() => relay.seen.at(-1)?.url).toBe('/slow');
  await set(browser, '/login', 'sid=after; Path=/');
  relay.finish();
  await slow;
  expect(await cookiesAt(relay, browser)).toBe('sid=after');
});

test('a slow response that seals a record anew does not bring back the cookie that a logout has deleted', async () => {
  const before = await relayWith({ CLIENT_ID_SECRET: OLD });
  const relay = await relayWith({ CLIENT_ID_SECRET: `${NEW},${OLD}` });
  const browser = await TestBrowser.pair(before.port);
  await set(browser, '/login', 'sid=1; Path=/');
  await browser.pair(relay.port);
  const slow = browser.fetch({ path: '/slow' });
  await expect.poll(() => relay.seen.at(-1)?.url).toBe('/slow');
  await set(browser, '/logout', 'sid=; Path=/; Max-Age=0');
  relay.finish();
  await slow;
  expect(await cookiesAt(relay, browser)).toBeUndefined();
});

test('two relays in the middle of a rotation that set one cookie at the same time leave one cookie, the last', async () => {
  const first = await relayWith({ CLIENT_ID_SECRET: `${NEW},${OLD}` });
  const second = await relayWith({ CLIENT_ID_SECRET: `${OLD},${NEW}` });
  const browser = await TestBrowser.pair(first.port);
  const slow = browser.fetch({ path: '/slow', headers: [['x-set', 'sid=last; Path=/']] });
  await expect.poll(() => first.seen.at(-1)?.url).toBe('/slow');
  await browser.pair(second.port);
  await set(browser, '/', 'sid=first; Path=/');
  first.finish();
  await slow;
  expect(await cookiesAt(first, browser)).toBe('sid=last');
});

test('no upstream sets a jar key inside the seal either', async () => {
  const relay = await relayWith();
  const browser = await TestBrowser.pair(relay.port);
  await set(browser, '/', `mte-relay-jar=s${'A'.repeat(43)}; Path=/`);
  expect(browser.scriptCookies).toEqual([]);
  expect(browser.records.size).toBe(0);
});

test('an outer cookie does not cross with a request of which the client states that another site caused it', async () => {
  const relay = await relayWith({ COOKIES_OUTER: 'sso' });
  const browser = await TestBrowser.pair(relay.port);
  await browser.fetch({ context: 'none', outer: { cookie: 'sso=1' } });
  expect(relay.seen.at(-1)?.headers.cookie).toBeUndefined();
});

/** The shortest time that a request takes of some, ms: other programs make the others longer. */
async function shortestMs(send: () => Promise<unknown>): Promise<number> {
  let shortest = Number.POSITIVE_INFINITY;
  for (let at = 0; at < 5; at += 1) {
    const beganMs = performance.now();
    await send();
    shortest = Math.min(shortest, performance.now() - beganMs);
  }
  return shortest;
}

test('the time of a request with many records and many outer cookies is their sum, not their product', async () => {
  const relay = await relayWith({ COOKIES_OUTER: 'sid' });
  const inside = await relayWith();
  const browser = await TestBrowser.pair(inside.port);
  await set(browser, '/', 'sid=1; Path=/');
  await browser.pair(relay.port);
  const jar = [...browser.jar].map((pair) => pair.join('=')).join('; ');
  const [record = ''] = browser.records.values();
  const send = () => browser.client.fetch({ headers: browser.fields() }, { cookie: `${jar}; ${'a;'.repeat(6_000)}` });
  const withOneMs = await shortestMs(send);
  for (let at = 0; at < 179; at += 1) browser.records.set(`copy${at}`, record);
  expect((await shortestMs(send)) / withOneMs).toBeLessThan(15);
});
