// The service worker cannot be turned against its user, in stock Firefox ESR: test/e2e/support/worker-attacks.ts has the
// tests.
import { afterAll, beforeAll, describe } from 'vitest';
import { testForms, testWorkerAttacks } from '../e2e/support/worker-attacks.ts';
import { COPY_PAGE, openWorkerSite, type WorkerSite } from '../e2e/support/worker-site.ts';
import { FIREFOX, type OpenFirefox, openFirefox } from './support/firefox.ts';

describe.skipIf(!FIREFOX)('attacks on the service worker in Firefox', () => {
  let site: WorkerSite;
  let elsewhere: WorkerSite;
  let firefox: OpenFirefox;

  beforeAll(async () => {
    [site, elsewhere] = await Promise.all([openWorkerSite(), openWorkerSite({}, true)]);
    firefox = await openFirefox(FIREFOX as string);
  });

  afterAll(async () => {
    await firefox?.close();
    site?.close();
    elsewhere?.close();
  });

  testWorkerAttacks({ name: 'Firefox', controlsBlankFrames: true }, () => ({ site, page: firefox.page }));

  describe('where the relay is of another site', () => {
    testForms(() => ({ site: elsewhere, page: firefox.page }), COPY_PAGE);
  });
});
