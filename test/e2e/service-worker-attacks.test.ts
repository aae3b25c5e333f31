// The service worker cannot be turned against its user, in real Chromium: support/worker-attacks.ts has the tests.
import { CHROMIUM, type OpenBrowser, openBrowser } from '@mte-relay/testing/chromium';
import { afterAll, beforeAll, describe } from 'vitest';
import { type AnyPage, testWorkerAttacks } from './support/worker-attacks.ts';
import { openWorkerSite, type WorkerSite } from './support/worker-site.ts';

describe.skipIf(!CHROMIUM)('attacks on the service worker in Chromium', () => {
  let site: WorkerSite;
  let browser: OpenBrowser;

  beforeAll(async () => {
    site = await openWorkerSite();
    browser = await openBrowser(CHROMIUM as string);
  });

  afterAll(async () => {
    await browser?.close();
    site?.close();
  });

  testWorkerAttacks({ name: 'Chromium', controlsBlankFrames: false }, () => ({
    site,
    page: browser.page as unknown as AnyPage,
  }));
});
