// By whatever way a page of the app sends it, a listed request is sealed or fails, in real Chromium: support/worker-ways.ts
// has the ways.
import { CHROMIUM, type OpenBrowser, openBrowser } from '@mte-relay/testing/chromium';
import { afterAll, beforeAll, describe } from 'vitest';
import type { AnyPage } from './support/worker-attacks.ts';
import { openWorkerSite, type WorkerSite } from './support/worker-site.ts';
import { OWN_WORKER_SCRIPTS, testWays } from './support/worker-ways.ts';

describe.skipIf(!CHROMIUM)('ways to send in Chromium', () => {
  let site: WorkerSite;
  let browser: OpenBrowser;

  beforeAll(async () => {
    site = await openWorkerSite(OWN_WORKER_SCRIPTS);
    browser = await openBrowser(CHROMIUM as string);
  });

  afterAll(async () => {
    await browser?.close();
    site?.close();
  });

  testWays(() => ({ site, page: browser.page as unknown as AnyPage }));
});
