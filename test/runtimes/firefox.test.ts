// The conformance cases in a page of the system's Firefox ESR, and in the same page WebSocket and EventSource.
import { EVENT_STREAM_CASES, EVENT_TYPES } from '@mte-relay/testing/event-stream-cases';
import { describe, test } from 'vitest';
import { RUNTIMES } from '../../conformance/runtimes.ts';
import { eventSourceScript, eventStreamScript, webSocketScript } from '../e2e/support/realtime-scripts.ts';
import { conformanceIn, overSockets, type RuntimeRun } from './support/conformance.ts';
import { FIREFOX, type FirefoxPage, openFirefox } from './support/firefox.ts';
import { servePage } from './support/page.ts';
import { type RealtimePlace, type RealtimeSeen, realtimeTests, withRealtimeRelay } from './support/realtime.ts';

const { firefox } = RUNTIMES;

if (FIREFOX) {
  const { cases, realtime } = await inFirefox(FIREFOX);
  await conformanceIn(firefox, async () => cases);
  realtimeTests(firefox.name, realtime);
} else describe.skip('conformance in Firefox', () => test('is not shown here: Firefox is missing', () => undefined));

async function inFirefox(executablePath: string): Promise<{ cases: RuntimeRun; realtime: RealtimeSeen }> {
  const served = await servePage();
  const { page, close } = await openFirefox(executablePath);
  try {
    const cases = await overSockets(
      firefox,
      async (configuration) => {
        await page.goto(served.origin);
        await page.waitForFunction(() => globalThis.runAllCases !== undefined);
        return await page.evaluate((given) => globalThis.runAllCases(given), configuration);
      },
      served.origin,
    );
    const realtime = await withRealtimeRelay((place) => realtimeOnPage(page, place), served.origin);
    return { cases, realtime };
  } finally {
    await close();
    served.close();
  }
}

async function realtimeOnPage(page: FirefoxPage, place: RealtimePlace): Promise<RealtimeSeen> {
  await page.evaluate((given) => globalThis.connectRealtime(given), place);
  const kind = 'sealed' as const;
  const streams = { kind, count: EVENT_STREAM_CASES.length, types: [...EVENT_TYPES] };
  return {
    webSocket: await page.evaluate(webSocketScript, kind),
    eventStreams: await page.evaluate(eventStreamScript, streams),
    eventSource: await page.evaluate(eventSourceScript, kind),
  };
}
