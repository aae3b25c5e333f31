// The oracle of chaos campaigns finds each violation, and nothing in calls that are in order.
import { expect, test } from 'vitest';
import { findingsIn, unavailability } from './oracle.ts';
import type { Outcome } from './outcome.ts';

const BOUNDS = { ageMaxMs: 1_000, slackMs: 500 };
const SETTLED_AT_MS = 100;

function outcome(method: string, told: Outcome['told'], more: Partial<Outcome> = {}): Outcome {
  const common = { id: 'a', client: 0, detail: '', beganAtMs: 0, settledAtMs: SETTLED_AT_MS, resends: 0, events: [] };
  return { ...common, method, told, ...more };
}

/** Violations of one call that ran at these times. */
function found(one: Outcome, ...ranAtMs: number[]): string[] {
  const runs = new Map(ranAtMs.length > 0 ? [['a', ranAtMs.map((atMs) => ({ atMs, intact: true }))]] : []);
  return findingsIn([one], runs, BOUNDS).map(({ violation }) => violation);
}

test.each<[string, Outcome, number[]]>([
  ['a POST that ran once and succeeded', outcome('POST', 'success'), [50]],
  ['a PUT that ran twice while its call lasted', outcome('PUT', 'success'), [50, 60]],
  ['a POST that may have run, and did not', outcome('POST', 'may-have-run'), []],
  ['a POST that may have run, and ran within its age', outcome('POST', 'may-have-run'), [SETTLED_AT_MS + 1_400]],
  ['a POST that the app gave up, and that ran within its age', outcome('POST', 'aborted'), [SETTLED_AT_MS + 1_400]],
  ['a POST that never ran', outcome('POST', 'never-ran'), []],
  ['a GET that ran late', outcome('GET', 'success'), [50, 9_000]],
])('finds nothing in %s', (_what, one, ranAtMs) => {
  expect(found(one, ...ranAtMs)).toEqual([]);
});

test.each<[string, Outcome, number[], string]>([
  ['a POST that ran twice', outcome('POST', 'success'), [50, 60], 'ranTwice'],
  ['a PATCH that may have run, and ran twice', outcome('PATCH', 'may-have-run'), [50, 60], 'ranTwice'],
  ['a PUT that ran after its success', outcome('PUT', 'success'), [50, SETTLED_AT_MS + 1], 'ranLate'],
  ['a DELETE that ran when it was too old', outcome('DELETE', 'aborted'), [SETTLED_AT_MS + 1_501], 'ranLate'],
  ['a POST that never ran, and ran', outcome('POST', 'never-ran'), [50], 'ranDespiteNever'],
  ['a GET that never ran, and ran', outcome('GET', 'never-ran'), [50], 'ranDespiteNever'],
  ['a call that hung', outcome('GET', 'hung'), [50], 'hung'],
  ['a response of another call', outcome('POST', 'wrong'), [50], 'wrongResponse'],
  ['a success without a run', outcome('POST', 'success'), [], 'wrongResponse'],
])('finds %s', (_what, one, ranAtMs, violation) => {
  expect(found(one, ...ranAtMs)).toEqual([violation]);
});

test('finds a run with other content, and one that no client called', () => {
  const runs = new Map([
    ['a', [{ atMs: 50, intact: false }]],
    ['b', [{ atMs: 50, intact: true }]],
  ]);
  const findings = findingsIn([outcome('POST', 'success')], runs, BOUNDS);
  expect(findings.map(({ id, violation }) => [id, violation])).toEqual([
    ['a', 'wrongResponse'],
    ['b', 'wrongResponse'],
  ]);
});

test('an outage lasts until the client that waits longest has a success of a call that began after it', () => {
  const success = (client: number, beganAtMs: number, settledAtMs: number): Outcome =>
    outcome('GET', 'success', { client, beganAtMs, settledAtMs });
  const outcomes = [success(0, 90, 130), success(0, 110, 140), success(0, 150, 160), success(1, 300, 350)];
  expect(unavailability([{ kind: 'cut', atMs: 100 }], outcomes)).toEqual({ cut: 250 });
});
