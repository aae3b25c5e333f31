// The conformance cases in a page of the system's Chromium.
import { CHROMIUM, openBrowser } from '@mte-relay/testing/chromium';
import { describe, test } from 'vitest';
import { RUNTIMES } from '../../conformance/runtimes.ts';
import { conformanceIn, overSockets, type RuntimeRun } from './support/conformance.ts';
import { servePage } from './support/page.ts';

const { chromium } = RUNTIMES;

if (CHROMIUM) await conformanceIn(chromium, () => inChromium(CHROMIUM as string));
else describe.skip('conformance in Chromium', () => test('is not shown here: Chromium is missing', () => undefined));

async function inChromium(executablePath: string): Promise<RuntimeRun> {
  const served = await servePage();
  const { page, close } = await openBrowser(executablePath);
  try {
    return await overSockets(
      chromium,
      async (configuration) => {
        await page.goto(served.origin);
        await page.waitForFunction(() => globalThis.runAllCases !== undefined);
        return await page.evaluate((given) => globalThis.runAllCases(given), configuration);
      },
      served.origin,
    );
  } finally {
    await close();
    served.close();
  }
}
