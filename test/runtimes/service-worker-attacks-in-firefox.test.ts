// The service worker cannot be turned against its user, in stock Firefox ESR: test/e2e/support/worker-attacks.ts has the
// tests.
import { afterAll, beforeAll, describe } from 'vitest';
import { testWorkerAttacks } from '../e2e/support/worker-attacks.ts';
import { openWorkerSite, type WorkerSite } from '../e2e/support/worker-site.ts';
import { FIREFOX, type OpenFirefox, openFirefox } from './support/firefox.ts';

describe.skipIf(!FIREFOX)('attacks on the service worker in Firefox', () => {
  let site: WorkerSite;
  let firefox: OpenFirefox;

  beforeAll(async () => {
    site = await openWorkerSite();
    firefox = await openFirefox(FIREFOX as string);
  });

  afterAll(async () => {
    await firefox?.close();
    site?.close();
  });

  testWorkerAttacks({ name: 'Firefox', controlsBlankFrames: true }, () => ({ site, page: firefox.page }));
});
