// The cookie table: every case runs directly and through a relay, at once and in the same real browser. The API has to see
// the same cookies in the same order, and the page the same document.cookie, but for the differences that a case names.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BROWSERS, type BrowserName, openDriven } from './support/cookies/browsers.ts';
import type { CookieCase, Difference, Observation } from './support/cookies/case.ts';
import { CALLERS } from './support/cookies/cases/callers.ts';
import { LINES } from './support/cookies/cases/lines.ts';
import { LIVES } from './support/cookies/cases/lives.ts';
import { SCOPES } from './support/cookies/cases/scopes.ts';
import { TIMES } from './support/cookies/cases/times.ts';
import { type Outcome, runSheets } from './support/cookies/run.ts';
import { sheetsOf } from './support/cookies/sheets.ts';
import { CookieStage } from './support/cookies/stage.ts';

const CASES = [...SCOPES, ...LIVES, ...LINES, ...CALLERS, ...TIMES];

/** Of all cases in one browser, on cores that are busy. */
const BROWSER_TIMEOUT_MS = 400_000;

const byName = CASES.map((given) => [given.name, given] as const);

describe.each(['Chromium', 'Firefox'] as const)('cookies in %s', (name) => {
  const isMissing = BROWSERS[name] === undefined;
  const sheets = sheetsOf(CASES);
  const stage = new CookieStage(sheets.map(({ whole }) => whole));
  const outcomes = new Map<CookieCase, Outcome>();

  beforeAll(async () => {
    if (isMissing) return;
    await stage.start();
    for (const isPrivate of [false, true]) {
      const chosen = sheets.filter(({ whole }) => (whole.private ?? false) === isPrivate);
      const browser = await openDriven(name, isPrivate);
      try {
        for (const [given, outcome] of await runSheets(browser, stage, chosen)) outcomes.set(given, outcome);
      } finally {
        await browser.close();
      }
    }
  }, BROWSER_TIMEOUT_MS);

  afterAll(() => stage.close());

  test.skipIf(isMissing).each(byName)('%s', (_, given) => {
    const { direct, relay } = outcomes.get(given) as Outcome;
    if (direct instanceof Error) throw direct;
    if (relay instanceof Error) throw relay;
    // Without an observed cookie, a case would show nothing.
    expect(direct.some(({ cookies }) => cookies.length > 0)).toBe(true);
    expect(relay).toEqual(intended(direct, given, name));
  });
});

/** What the relay has to lead to. @throws AssertionError for a difference that there is not */
function intended(direct: readonly Observation[], { differs = [] }: CookieCase, name: BrowserName): Observation[] {
  const differences = [differs].flat().filter((difference: Difference) => (difference.in ?? name) === name);
  return direct.map((observation, at) => {
    const different = Object.assign({}, ...differences.map(({ steps }) => steps[at]));
    for (const [key, value] of Object.entries(different))
      expect(value, `an intended difference of step ${at}`).not.toEqual(observation[key as keyof Observation]);
    return { ...observation, ...different };
  });
}
