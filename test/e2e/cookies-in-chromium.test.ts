// Cookies of narrow paths in real Chromium, which posts every message to /api/mte: they come back with the requests that
// their own path covers, across a reload, and a logout deletes them.
import { CHROMIUM, type OpenBrowser, openBrowser } from '@mte-relay/testing/chromium';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type PageStage, startPageStage } from './support/stage-for-pages.ts';

const SET_BY: Readonly<Record<string, readonly string[]>> = {
  '/login': ['sid=wide; Path=/; HttpOnly'],
  '/shop/login': ['sid=of-the-shop; HttpOnly', 'csrf=token; Path=/shop'],
  '/shop/logout': ['sid=; Path=/shop; Max-Age=0', 'csrf=; Path=/shop; Max-Age=0'],
};

describe.skipIf(!CHROMIUM)('cookies of narrow paths in Chromium', () => {
  let stage: PageStage;
  let browser: OpenBrowser;
  let page: Page;

  beforeAll(async () => {
    stage = await startPageStage((req, res) => {
      res.setHeader('set-cookie', SET_BY[req.url as string] ?? []);
      res.end(req.headers.cookie ?? '');
    }, 'mte-relay-client.mjs');
    browser = await openBrowser(CHROMIUM as string);
    page = browser.page;
    await openPage();
  });

  afterAll(async () => {
    await browser?.close();
    await stage?.close();
  });

  async function openPage(): Promise<void> {
    await page.goto('about:blank'); // only the hash would not reload it
    await page.goto(stage.pageUrl);
    await page.waitForFunction(() => globalThis.client !== undefined);
  }

  /** The `Cookie` that the upstream sees at each of these paths. */
  const cookiesAt = (...paths: string[]): Promise<string[]> =>
    page.evaluate(async (asked) => {
      const relay = new URLSearchParams(location.hash.slice(1)).get('relay');
      const seen: string[] = [];
      for (const path of asked) {
        const response = await globalThis.client.fetch(`${relay}${path}`, { credentials: 'include' });
        seen.push(await response.text());
      }
      return seen;
    }, paths);

  test('come back with what their path covers, and with nothing else', async () => {
    await cookiesAt('/login', '/shop/login');
    const [shop, item, other] = await cookiesAt('/shop', '/shop/items/1', '/other');
    expect(shop?.split('; ').sort()).toEqual(['csrf=token', 'sid=of-the-shop', 'sid=wide']);
    expect(item?.split('; ').indexOf('sid=of-the-shop')).toBeLessThan(item?.split('; ').indexOf('sid=wide') as number);
    expect(other).toBe('sid=wide');
  });

  test('are in the browser under no name and with no value that shows their path', async () => {
    const kept = (await browser.context.cookies()).map(({ name, value, path, httpOnly }) => ({
      ...{ name: name.replace(/\.[\w-]{8}$/, '.TAG'), path, httpOnly },
      sealed: /^mte1p?\.[\w-]+$/.test(value),
    }));
    expect(kept).toHaveLength(4);
    expect(kept).toEqual(
      expect.arrayContaining([
        { name: 'sid', path: '/', httpOnly: true, sealed: true },
        { name: 'sid.TAG', path: '/api', httpOnly: true, sealed: true },
        { name: 'csrf.TAG', path: '/api', httpOnly: true, sealed: true },
        { name: 'csrf', path: '/shop', httpOnly: false, sealed: false }, // for script, as without a relay
      ]),
    );
  });

  test('outlive the page, and end with a logout', async () => {
    await openPage();
    const [before] = await cookiesAt('/shop');
    expect(before?.split('; ').sort()).toEqual(['csrf=token', 'sid=of-the-shop', 'sid=wide']);
    await cookiesAt('/shop/logout');
    expect(await cookiesAt('/shop', '/other')).toEqual(['sid=wide', 'sid=wide']);
    expect((await browser.context.cookies()).map(({ name }) => name)).toEqual(['sid']);
  });
});
