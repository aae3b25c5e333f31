// The service worker cannot be turned against its user, in real Chromium: support/worker-attacks.ts has the tests.
import { CHROMIUM, type OpenBrowser, openBrowser } from '@mte-relay/testing/chromium';
import { afterAll, beforeAll, describe } from 'vitest';
import { type AnyPage, testForms, testWorkerAttacks } from './support/worker-attacks.ts';
import { COPY_PAGE, openWorkerSite, type WorkerSite } from './support/worker-site.ts';

describe.skipIf(!CHROMIUM)('attacks on the service worker in Chromium', () => {
  let site: WorkerSite;
  let elsewhere: WorkerSite;
  let browser: OpenBrowser;

  beforeAll(async () => {
    [site, elsewhere] = await Promise.all([openWorkerSite(), openWorkerSite({}, true)]);
    browser = await openBrowser(CHROMIUM as string);
  });

  afterAll(async () => {
    await browser?.close();
    site?.close();
    elsewhere?.close();
  });

  testWorkerAttacks({ name: 'Chromium', controlsBlankFrames: false }, () => ({
    site,
    page: browser.page as unknown as AnyPage,
  }));

  describe('where the relay is of another site', () => {
    testForms(() => ({ site: elsewhere, page: browser.page as unknown as AnyPage }), COPY_PAGE);
  });
});
