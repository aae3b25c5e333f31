// The conformance cases in a page of the system's Firefox ESR.
import { describe, test } from 'vitest';
import { RUNTIMES } from '../../conformance/runtimes.ts';
import { conformanceIn, overSockets, type RuntimeRun } from './support/conformance.ts';
import { FIREFOX, openFirefox } from './support/firefox.ts';
import { servePage } from './support/page.ts';

const { firefox } = RUNTIMES;

if (FIREFOX) await conformanceIn(firefox, () => inFirefox(FIREFOX as string));
else describe.skip('conformance in Firefox', () => test('is not shown here: Firefox is missing', () => undefined));

async function inFirefox(executablePath: string): Promise<RuntimeRun> {
  const served = await servePage();
  const { page, close } = await openFirefox(executablePath);
  try {
    return await overSockets(
      firefox,
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
