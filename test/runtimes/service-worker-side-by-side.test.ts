// Workers of an app's own beside the relay's, in real Chromium and in stock Firefox ESR: test/e2e/support/side-by-side.ts
// has the tests. It is here for the packages, which are installed beside the runtimes.
import { CHROMIUM, type OpenBrowser, openBrowser } from '@mte-relay/testing/chromium';
import { afterAll, beforeAll, describe } from 'vitest';
import { sideBySideScripts, testSideBySide } from '../e2e/support/side-by-side.ts';
import type { AnyPage } from '../e2e/support/worker-attacks.ts';
import { openWorkerSite, type WorkerSite } from '../e2e/support/worker-site.ts';
import { FIREFOX, type OpenFirefox, openFirefox } from './support/firefox.ts';

describe.skipIf(!CHROMIUM)('workers side by side in Chromium', () => {
  let site: WorkerSite;
  let browser: OpenBrowser;

  beforeAll(async () => {
    site = await openWorkerSite(await sideBySideScripts());
    browser = await openBrowser(CHROMIUM as string);
  });

  afterAll(async () => {
    await browser?.close();
    site?.close();
  });

  testSideBySide(() => ({ site, page: browser.page as unknown as AnyPage }));
});

describe.skipIf(!FIREFOX)('workers side by side in Firefox', () => {
  let site: WorkerSite;
  let firefox: OpenFirefox;

  beforeAll(async () => {
    site = await openWorkerSite(await sideBySideScripts());
    firefox = await openFirefox(FIREFOX as string);
  });

  afterAll(async () => {
    await firefox?.close();
    site?.close();
  });

  testSideBySide(() => ({ site, page: firefox.page }));
});
