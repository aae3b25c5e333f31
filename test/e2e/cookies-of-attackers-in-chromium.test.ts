// What a page of another site and a script of the app's page make of the cookies of a browser, in real Chromium.
import { CHROMIUM, type OpenBrowser, openBrowser } from '@mte-relay/testing/chromium';
import { relayTo } from '@mte-relay/testing/relay';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTlsFront } from './support/cookies/tls-front.ts';
import { APP_PAGE, openWorkerSite, type WorkerSite } from './support/worker-site.ts';

describe.skipIf(!CHROMIUM)('attacks on cookies in Chromium', () => {
  let site: WorkerSite;
  let browser: OpenBrowser;

  afterAll(async () => {
    await browser?.close();
  });

  beforeAll(async () => {
    browser = await openBrowser(CHROMIUM as string);
  });

  test('a link of another site has no cookie that is outside, since the relay does not know its SameSite', async () => {
    site = await openWorkerSite({}, false, { COOKIES_OUTER: 'strict,lax' });
    const { page } = browser;
    await page.goto(site.app + APP_PAGE);
    await expect.poll(() => page.title()).toBe('ready');
    await page.evaluate(async () => void (await fetch('/api/v1/sign-in', { method: 'POST' })));
    await page.goto(`${site.evil}/page/evil.html`);
    site.seen.length = 0;
    await page.evaluate((to) => location.assign(to), `${site.app}/api/v1/page`);
    await expect.poll(() => site.seen.at(-1)?.url).toBe('/api/v1/page');
    expect(site.seen.at(-1)?.headers['cookie']).toBeUndefined();
    site.close();
  });

  test('script cannot set the jar keys of https', async () => {
    const relay = relayTo('http://127.0.0.1:9');
    const front = await startTlsFront(await relay.listen(0));
    const secure = await openBrowser(CHROMIUM as string, { takesAnyCertificate: true });
    try {
      const { page, context } = secure;
      await page.goto(`https://localhost:${front.port}/public/mte-relay-licenses.txt`);
      const plant = (): Promise<void> =>
        page.evaluate(() => {
          for (const name of ['mte-relay-jar', 'mte-relay-session-jar']) {
            // biome-ignore lint/suspicious/noDocumentCookie: as the script of an attacker does
            document.cookie = `__Host-Http-${name}=s${'A'.repeat(43)}; Path=/; Secure`;
          }
          // biome-ignore lint/suspicious/noDocumentCookie: a control
          document.cookie = '__Host-control=1; Path=/; Secure';
        });
      await plant();
      expect((await context.cookies()).map(({ name }) => name)).toEqual(['__Host-control']);
    } finally {
      await secure.close();
      front.close();
      await relay.close();
    }
  });
});
