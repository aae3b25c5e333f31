// Short forms of the chaos campaigns (`npm run chaos`), and one with a wrong setting that the oracle has to notice.
import { REDIS_SERVER } from '@mte-relay/testing/redis';
import { describe, expect, test } from 'vitest';
import { type CampaignOptions, type CampaignResult, runCampaign } from './campaign.ts';
import { VIOLATIONS } from './oracle.ts';
import { reportOf } from './report.ts';
import { SETUPS, type Setup } from './setups.ts';
import { inMemory } from './stores.ts';

const CALLS = 300;
const LOAD = { processes: 1, clientsEach: 4, concurrency: 8, rounds: 1, calmMaxMs: 300, ageMaxMs: 1_000 };
const NO_VIOLATION = Object.fromEntries(Object.keys(VIOLATIONS).map((violation) => [violation, 0]));

function setupCalled(name: string): Setup {
  return SETUPS.find((setup) => setup.name === name) as Setup;
}

function campaign(
  setup: Setup,
  outages: readonly string[],
  more: Partial<CampaignOptions> = {},
): Promise<CampaignResult> {
  return runCampaign({ setup, seed: 'short', calls: CALLS, outages, ...LOAD, say: () => undefined, ...more });
}

function expectNoViolation(result: CampaignResult): void {
  expect(result.figures.violations, reportOf(result)).toEqual(NO_VIOLATION);
  expect(result.figures.unsafeCalls).toBeGreaterThanOrEqual(CALLS);
  expect(result.figures.succeeded).toBeGreaterThan(CALLS / 4);
  expect(result.figures.messageFaults).toBeGreaterThan(0);
}

describe.concurrent('what clients are told agrees with what the upstream ran', () => {
  test('with one relay in memory that is killed', async () => {
    expectNoViolation(await campaign(setupCalled('memory'), ['responses lost, relay killed', 'connections cut']));
  });

  test.skipIf(REDIS_SERVER === undefined)('with two relays over a Redis that is flushed', async () => {
    expectNoViolation(await campaign(setupCalled('redis'), ['Redis flushed, responses lost', 'relay killed']));
  });
});

test('the oracle notices two relays that both state that they are alone', async () => {
  const alone = { SOLE_INSTANCE: 'true' };
  const setup = { ...setupCalled('memory-twice'), start: () => inMemory(alone, alone) };
  const outage = 'responses lost, clients led to the other relay';
  const { figures, findings } = await campaign(setup, [outage], { rounds: 3 });
  expect(figures.violations.ranTwice).toBeGreaterThan(0);
  const twice = findings.find(({ violation }) => violation === 'ranTwice');
  expect(twice?.trace.filter((line) => / upstream +ran P/.test(line))).toHaveLength(2);
});
