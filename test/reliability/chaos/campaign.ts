// One chaos campaign: a set-up starts, clients call through the intermediary while outages come and go, everything settles,
// and the oracle decides.
import { setTimeout as sleep } from 'node:timers/promises';
import type { CampaignFigures, Violation } from '../../../scripts/docs/reliability-tables.ts';
import { nowMs } from '../clock.ts';
import { Random } from '../random.ts';
import { isSafe } from './calls.ts';
import { Clients } from './clients.ts';
import { Intermediary } from './intermediary.ts';
import { type Began, countsOf, type Finding, findingsIn, unavailability, VIOLATIONS } from './oracle.ts';
import { type Outage, PAUSE_MAX_MS, type Scene } from './outages.ts';
import type { Outcome } from './outcome.ts';
import { Relays } from './relays.ts';
import { outagesOf, type Setup } from './setups.ts';
import type { Store } from './stores.ts';
import { Trace } from './trace.ts';
import { Upstream } from './upstream.ts';

export interface CampaignOptions {
  readonly setup: Setup;
  readonly seed: string;
  /** Calls that are not safe, at least. */
  readonly calls: number;
  /** How often each kind of outage comes. */
  readonly rounds: number;
  /** Client processes, clients in each, and calls at once of each client. */
  readonly processes: number;
  readonly clientsEach: number;
  readonly concurrency: number;
  /** Calm between two outages, at most, ms. */
  readonly calmMaxMs: number;
  /** MESSAGE_AGE_MAX_MS of the relays. */
  readonly ageMaxMs: number;
  /** Kinds of outages. Default: all of the set-up. */
  readonly outages?: readonly string[];
  readonly say: (line: string) => void;
}

export interface CampaignResult {
  readonly figures: CampaignFigures;
  readonly findings: readonly (Finding & { readonly trace: readonly string[] })[];
}

/** Between claim and upstream a relay may be paused, and both may be slow on a busy machine. */
const SLACK_MS = PAUSE_MAX_MS + 1_500;
const HUNG_AFTER_MS = 60_000;
/** Client processes start, on a busy machine too. */
const STARTED_WITHIN_MS = 120_000;
/** After an outage every client is served again within this. */
const HEALED_WITHIN_MS = 30_000;
/** What is on its way anywhere has arrived. */
const LAST_ARRIVALS_MS = 1_000;
const POLL_INTERVAL_MS = 20;

export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const { setup, seed, ageMaxMs, say } = options;
  const trace = new Trace();
  const upstream = await new Upstream(new Random(`${seed} upstream`), trace).start();
  const store = await setup.start();
  const relays = await Relays.start(
    upstream.url,
    store.environments.map((environment) => ({ MESSAGE_AGE_MAX_MS: `${ageMaxMs}`, ...environment })),
  );
  const intermediary = new Intermediary({
    random: new Random(`${seed} intermediary`),
    trace,
    relayPorts: relays.ports,
    inTurn: setup.inTurn,
    tooOldAfterMs: ageMaxMs + SLACK_MS,
  });
  const outcomes: Outcome[] = [];
  const progress = new Progress();
  const beganMs = nowMs();
  const clients = new Clients(await jobsOf(options, relays.pin, intermediary), (outcome) => {
    outcomes.push(outcome);
    progress.add(outcome);
    for (const { atMs, what } of outcome.events) trace.add(outcome.id, 'client', what, atMs);
  });
  try {
    const scene = { random: new Random(`${seed} outages`), relays, intermediary, upstream };
    await progress.healed(beganMs, options.processes * options.clientsEach, STARTED_WITHIN_MS);
    const outages = await outagesBetweenCalls(options, scene, store, progress, trace);
    const seconds = (nowMs() - beganMs) / 1_000;
    say(`${setup.name}: ${outcomes.length} calls, ${outages.length} outages in ${seconds.toFixed(0)} s; settling`);
    await clients.finish();
    await intermediary.settled();
    await sleep(LAST_ARRIVALS_MS);
    const findings = findingsIn(outcomes, upstream.runs, { ageMaxMs, slackMs: SLACK_MS });
    const faults = [...intermediary.counts.values()].reduce((sum, count) => sum + count, upstream.failures);
    const figures = figuresOf(setup, seconds, outcomes, outages, faults, findings);
    return { figures, findings: findings.map((finding) => ({ ...finding, trace: trace.of(finding.id) })) };
  } finally {
    clients.kill();
    intermediary.close();
    await relays.close();
    await store.remove();
    upstream.close();
  }
}

/** The address of each client leads through the intermediary. */
async function jobsOf(
  { processes, clientsEach, concurrency, seed }: CampaignOptions,
  pin: string,
  intermediary: Intermediary,
): Promise<ConstructorParameters<typeof Clients>[0]> {
  const jobs: ConstructorParameters<typeof Clients>[0][number][] = [];
  for (let process = 0; process < processes; process += 1) {
    const clients: { number: number; url: string }[] = [];
    for (let i = 0; i < clientsEach; i += 1) {
      clients.push({ number: process * clientsEach + i, url: await intermediary.open() });
    }
    jobs.push({ seed, pin, clients, concurrency, hungAfterMs: HUNG_AFTER_MS });
  }
  return jobs;
}

/** Outages in a seeded order, spread over the calls. */
async function outagesBetweenCalls(
  { setup, calls, rounds, calmMaxMs, processes, clientsEach, outages: chosen, say }: CampaignOptions,
  scene: Scene,
  store: Store,
  progress: Progress,
  trace: Trace,
): Promise<Began[]> {
  const outages = outagesOf(setup, store);
  const kinds = chosen ?? Object.keys(outages);
  const planned = Array.from({ length: rounds }, () => scene.random.shuffled(kinds)).flat();
  const began: Began[] = [];
  for (const [i, kind] of planned.entries()) {
    await sleep(scene.random.between(calmMaxMs / 5, calmMaxMs));
    await progress.reached((calls * i) / planned.length);
    const atMs = nowMs();
    began.push({ kind, atMs });
    trace.add(undefined, 'outage', `begins: ${kind}`);
    await (outages[kind] as Outage)(scene);
    trace.add(undefined, 'outage', `is over: ${kind}`);
    await progress.healed(atMs, processes * clientsEach).catch((error: Error) => say(`${kind}: ${error.message}`));
    say(`${setup.name}: ${i + 1} of ${planned.length} outages, ${progress.unsafeCalls} calls that are not safe`);
  }
  await progress.reached(calls);
  return began;
}

/** What the clients report, as it arrives. */
class Progress {
  unsafeCalls = 0;
  /** When the last successful call of each client began. */
  readonly #succeeded = new Map<number, number>();

  add({ client, method, told, beganAtMs }: Outcome): void {
    if (!isSafe(method)) this.unsafeCalls += 1;
    if (told === 'success') this.#succeeded.set(client, Math.max(beganAtMs, this.#succeeded.get(client) ?? 0));
  }

  /** Resolves when so many calls that are not safe have settled. */
  async reached(unsafeCalls: number): Promise<void> {
    while (this.unsafeCalls < unsafeCalls) await sleep(POLL_INTERVAL_MS);
  }

  /** Resolves when each client has had a success since. @throws Error when one has not */
  async healed(sinceMs: number, clients: number, withinMs = HEALED_WITHIN_MS): Promise<void> {
    const isHealed = (): boolean => [...this.#succeeded.values()].filter((atMs) => atMs >= sinceMs).length === clients;
    const untilMs = nowMs() + withinMs;
    while (!isHealed()) {
      if (nowMs() > untilMs) throw new Error(`not every client was served within ${withinMs} ms`);
      await sleep(POLL_INTERVAL_MS);
    }
  }
}

function figuresOf(
  { name, title }: Setup,
  seconds: number,
  outcomes: readonly Outcome[],
  outages: readonly Began[],
  messageFaults: number,
  findings: readonly Finding[],
): CampaignFigures {
  const told = countsOf(outcomes);
  const count = (violation: string): number => findings.filter((finding) => finding.violation === violation).length;
  const violations = Object.fromEntries(Object.keys(VIOLATIONS).map((violation) => [violation, count(violation)]));
  return {
    setup: name,
    title,
    seconds: Math.round(seconds),
    calls: outcomes.length,
    unsafeCalls: outcomes.filter(({ method }) => !isSafe(method)).length,
    succeeded: told.success,
    mayHaveRun: told['may-have-run'],
    neverRan: told['never-ran'],
    aborted: told.aborted,
    resent: outcomes.reduce((sum, { resends }) => sum + resends, 0),
    messageFaults,
    outages: outages.length,
    violations: violations as Record<Violation, number>,
    unavailableMs: unavailability(outages, outcomes),
  };
}
