// The cookie table: every case runs directly and through a relay, at once and in the same real browser. The API has to see
// the same cookies in the same order, and the page the same document.cookie, but for the differences that a case names.
import { beforeAll, describe, expect, test } from 'vitest';
import { BROWSERS, type BrowserName, openDriven } from './support/cookies/browsers.ts';
import type { CookieCase, Difference, Observation } from './support/cookies/case.ts';
import { CALLERS } from './support/cookies/cases/callers.ts';
import { HTTPS } from './support/cookies/cases/https.ts';
import { LINES } from './support/cookies/cases/lines.ts';
import { LIVES } from './support/cookies/cases/lives.ts';
import { SCOPES } from './support/cookies/cases/scopes.ts';
import { TIMES } from './support/cookies/cases/times.ts';
import { WORKER } from './support/cookies/cases/worker.ts';
import { type Outcome, runSheets } from './support/cookies/run.ts';
import { sheetsOf } from './support/cookies/sheets.ts';
import { CookieStage } from './support/cookies/stage.ts';

const CASES = [...SCOPES, ...LIVES, ...LINES, ...CALLERS, ...TIMES, ...WORKER, ...HTTPS];

/** Of all cases, on cores that are busy. */
const TABLE_TIMEOUT_MS = 400_000;

const casesOf = (name: BrowserName): CookieCase[] => CASES.filter(({ only = name }) => only === name);

const NAMES = ['Chromium', 'Firefox'] as const;
const outcomes = new Map<BrowserName, Map<CookieCase, Outcome>>();

beforeAll(async () => {
  const present = NAMES.filter((name) => BROWSERS[name] !== undefined);
  await Promise.all(present.map(async (name) => outcomes.set(name, await outcomesIn(name))));
}, TABLE_TIMEOUT_MS);

describe.each(NAMES)('cookies in %s', (name) => {
  test.skipIf(BROWSERS[name] === undefined).each(casesOf(name))('$name', (given) => {
    const { direct, relay } = (outcomes.get(name) as Map<CookieCase, Outcome>).get(given) as Outcome;
    if (direct instanceof Error) throw direct;
    if (relay instanceof Error) throw relay;
    // Without a request, a case would show nothing.
    expect(direct.some(({ cookies }) => cookies.length > 0)).toBe(true);
    expect(relay).toEqual(intended(direct, given, name));
  });
});

async function outcomesIn(name: BrowserName): Promise<Map<CookieCase, Outcome>> {
  const sheets = sheetsOf(casesOf(name));
  const stage = await new CookieStage(sheets.map(({ whole }) => whole)).start();
  const all = new Map<CookieCase, Outcome>();
  try {
    for (const isPrivate of [false, true]) {
      const chosen = sheets.filter(({ whole }) => (whole.private ?? false) === isPrivate);
      const browser = await openDriven(name, isPrivate);
      try {
        for (const [given, outcome] of await runSheets(browser, stage, chosen)) all.set(given, outcome);
      } finally {
        await browser.close();
      }
    }
  } finally {
    await stage.close();
  }
  return all;
}

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
