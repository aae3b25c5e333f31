// By whatever way a page of the app sends it, a listed request is sealed or fails, in stock Firefox ESR:
// test/e2e/support/worker-ways.ts has the ways.
import { afterAll, beforeAll, describe } from 'vitest';
import { openWorkerSite, type WorkerSite } from '../e2e/support/worker-site.ts';
import { OWN_WORKER_SCRIPTS, testWays } from '../e2e/support/worker-ways.ts';
import { FIREFOX, type OpenFirefox, openFirefox } from './support/firefox.ts';

describe.skipIf(!FIREFOX)('ways to send in Firefox', () => {
  let site: WorkerSite;
  let firefox: OpenFirefox;

  beforeAll(async () => {
    site = await openWorkerSite(OWN_WORKER_SCRIPTS);
    firefox = await openFirefox(FIREFOX as string);
  });

  afterAll(async () => {
    await firefox?.close();
    site?.close();
  });

  testWays(() => ({ site, page: firefox.page }));
});
