// The oracle of a chaos campaign: compares what clients were told with what the upstream ran.
import type { Violation } from '../../../scripts/docs/reliability-tables.ts';
import { isIdempotent, isSafe } from './calls.ts';
import type { Outcome, Told } from './outcome.ts';
import type { Run } from './upstream.ts';

/** What each kind of violation means. */
export const VIOLATIONS: Readonly<Record<Violation, string>> = {
  ranTwice: 'a request that is not idempotent ran twice',
  ranLate: 'a request ran after its client had been told how its call ended, or later than its age allows',
  ranDespiteNever: 'a client was told that a request never ran, and it ran',
  hung: 'a call did not settle',
  wrongResponse: 'a client got a response that is not its own, or ran with other content, or did not run',
};

/** A call with a violation. */
export interface Finding {
  readonly violation: Violation;
  readonly id: string;
  readonly detail: string;
}

export interface Bounds {
  /** A message that is older than this does not run any more. */
  readonly ageMaxMs: number;
  /** For how long a relay that has claimed a message may be paused before it forwards it. */
  readonly slackMs: number;
}

/** Everything that is wrong with these calls. */
export function findingsIn(
  outcomes: readonly Outcome[],
  runs: ReadonlyMap<string, readonly Run[]>,
  bounds: Bounds,
): Finding[] {
  const findings: Finding[] = [];
  const known = new Set(outcomes.map(({ id }) => id));
  for (const outcome of outcomes) {
    for (const [violation, detail] of violationsOf(outcome, runs.get(outcome.id) ?? [], bounds)) {
      findings.push({ violation, id: outcome.id, detail });
    }
  }
  for (const id of runs.keys()) {
    if (!known.has(id)) findings.push({ violation: 'wrongResponse', id, detail: 'no client has called it' });
  }
  return findings;
}

function violationsOf(
  { method, told, detail, settledAtMs }: Outcome,
  runs: readonly Run[],
  { ageMaxMs, slackMs }: Bounds,
): [Violation, string][] {
  const found: [Violation, string][] = [];
  if (told === 'hung') found.push(['hung', detail]);
  if (told === 'wrong') found.push(['wrongResponse', detail]);
  if (told === 'success' && runs.length === 0) found.push(['wrongResponse', 'it never ran']);
  if (runs.some(({ intact }) => !intact)) found.push(['wrongResponse', 'it ran with other content']);
  if (told === 'never-ran' && runs.length > 0) found.push(['ranDespiteNever', detail]);
  if (!isIdempotent(method) && runs.length > 1) found.push(['ranTwice', `${method} ran ${runs.length} times`]);
  const late = Math.max(...runs.map(({ atMs }) => atMs - settledAtMs));
  if (!isSafe(method) && late > allowedMs(told, ageMaxMs + slackMs)) {
    found.push(['ranLate', `${method} ran ${late.toFixed(1)} ms after its client was told ${told}`]);
  }
  return found;
}

/** How long after the call's end its request may still run: only where the client was told that it may. */
function allowedMs(told: Told, ageMs: number): number {
  return told === 'success' || told === 'never-ran' ? 0 : ageMs;
}

/** Told outcomes by kind. */
export function countsOf(outcomes: readonly Outcome[]): Record<Told, number> {
  const counts: Record<Told, number> = {
    success: 0,
    'may-have-run': 0,
    'never-ran': 0,
    aborted: 0,
    wrong: 0,
    hung: 0,
  };
  for (const { told } of outcomes) counts[told] += 1;
  return counts;
}

/** An outage, by the clock of all processes. */
export interface Began {
  readonly kind: string;
  readonly atMs: number;
}

/** By kind of outage: how long, at most, a client was without a success of a call that it began after it, ms; null: for good. */
export function unavailability(outages: readonly Began[], outcomes: readonly Outcome[]): Record<string, number | null> {
  const byClient = new Map<number, Outcome[]>();
  for (const outcome of outcomes) {
    if (outcome.told !== 'success') continue;
    const own = byClient.get(outcome.client) ?? [];
    own.push(outcome);
    byClient.set(outcome.client, own);
  }
  const longest: Record<string, number> = {};
  for (const { kind, atMs } of outages) {
    for (const own of byClient.values()) {
      const after = own.filter(({ beganAtMs }) => beganAtMs >= atMs).map(({ settledAtMs }) => settledAtMs);
      const ms = after.reduce((least, settledAtMs) => Math.min(least, settledAtMs), Number.POSITIVE_INFINITY) - atMs;
      longest[kind] = Math.max(longest[kind] ?? 0, ms);
    }
  }
  // JSON has no infinity.
  return Object.fromEntries(Object.entries(longest).map(([kind, ms]) => [kind, Number.isFinite(ms) ? ms : null]));
}
