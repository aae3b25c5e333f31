// Rehearses operations on a running installation with local processes: a rolling update, and the rotation of each secret,
// under load, with the environment of the rendered manifests. It returns its observations as numbers.
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '@mte-relay/testing/free-port';
import { startRedis } from '@mte-relay/testing/redis';
import { until } from '@mte-relay/testing/until';
import type { Content } from './content.ts';
import { type Slot, startHaproxy } from './haproxy.ts';
import { type Load, startLoad, startUpstream } from './load.ts';
import { type Container, containers, deployment, environmentOf, fileVariables, render } from './manifests.ts';
import { type ScrapedReplicas, startScraping } from './prometheus.ts';
import { Replicas, type Revision, type Rules } from './replicas.ts';

/** Within which Prometheus has scraped the last figures; it scrapes twice a second unless the machine is busy. */
const LAST_SCRAPE_MS = 10_000;

export interface RehearsalOptions {
  readonly content: Content;
  /** Folder of deploy/kubernetes with the environment. */
  readonly overlay: string;
  readonly steps: readonly StepName[];
  readonly clients: number;
  readonly workersEach: number;
  /** How long the load continues before the first step and after the last. */
  readonly calmMs: number;
  /** Replaces values of the manifest that would take too long. */
  readonly shorter: Partial<Rules> & { readonly DRAIN_DELAY_MS?: string };
  say(line: string): void;
}

export type StepName = 'rolling update' | 'CLIENT_ID_SECRET' | 'RELAY_IDENTITY_SEED';

export interface StepResult {
  readonly name: string;
  readonly seconds: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly resent: number;
  readonly pairings: number;
  readonly slowestMs: number;
}

export interface RehearsalResult {
  readonly steps: readonly StepResult[];
  readonly succeeded: number;
  readonly failures: readonly string[];
  /** Ids that the upstream ran more than once. */
  readonly ranTwice: readonly string[];
  /** Ids whose call succeeded and that the upstream has never seen. */
  readonly neverRan: readonly string[];
  readonly ranByUpstream: number;
  /** The counts of Prometheus, of all present and past replicas. */
  readonly scraped: {
    readonly pods: number;
    readonly exchanges: number;
    readonly pairings: number;
    readonly replaysRefused: number;
    readonly failures: number;
  };
}

type Secrets = Readonly<Record<'CLIENT_ID_SECRET' | 'RELAY_IDENTITY_SEED', string>>;

/** Rejects when a replica does not start or does not exit with 0; the result has everything else. */
export async function rehearse(options: RehearsalOptions): Promise<RehearsalResult> {
  const folder = mkdtempSync(join(tmpdir(), 'mte-relay-rollout-'));
  chmodSync(folder, 0o755); // the relay's user reads its secrets there
  const redis = await startRedis();
  const upstream = await startUpstream();
  const prometheus = await startScraping();
  const plan = readPlan(options, { UPSTREAM: upstream.url, REDIS_URL: redis.url });
  let secrets: Secrets = { CLIENT_ID_SECRET: randomSecret(), RELAY_IDENTITY_SEED: randomSecret() };
  const next: Secrets = { CLIENT_ID_SECRET: randomSecret(), RELAY_IDENTITY_SEED: randomSecret() };
  const revisionCount = 1 + options.steps.flatMap((step) => revisionsOf(step, secrets, next)).length;
  const slots = await makeSlots(plan.rules.replicas * revisionCount);
  const port = await freePort();
  const haproxy = startHaproxy(port, slots);
  const replicas = new Replicas(options.content, plan.rules, slots, (present) =>
    prometheus.scrape(present.map(({ pod, slot }) => ({ pod, adminPort: slot.adminPort }))),
  );
  let load: Load | undefined;
  try {
    const revision = (values: Secrets): Revision => plan.revision(values, folder);
    await replicas.rollOut(revision(secrets));
    const pins = await pinsOf(
      options.content,
      revision({ ...secrets, RELAY_IDENTITY_SEED: `${secrets.RELAY_IDENTITY_SEED},${next.RELAY_IDENTITY_SEED}` }),
    );
    await sleep(1_000); // until HAProxy has probed them
    load = startLoad(`http://127.0.0.1:${port}`, pins, options.clients, options.workersEach);
    const steps: StepResult[] = [await measured(load, 'before', () => sleep(options.calmMs))];
    for (const step of options.steps) {
      for (const { name, values, hourPasses } of revisionsOf(step, secrets, next)) {
        options.say(name);
        steps.push(
          await measured(load, name, async () => {
            if (hourPasses) await replicas.ended().then(load?.pairAnew);
            await replicas.rollOut(revision(values));
          }),
        );
        secrets = values;
      }
    }
    steps.push(await measured(load, 'after', () => sleep(options.calmMs)));
    await replicas.ended();
    await load.stop();
    const { succeeded } = load.tally();
    await until(async () => (await scraped(prometheus)).exchanges >= succeeded, LAST_SCRAPE_MS).catch(() => undefined);
    return result(steps, load, upstream.runs, await scraped(prometheus));
  } finally {
    await load?.stop();
    replicas.kill();
    await Promise.all([haproxy.stop(), prometheus.stop(), redis.remove()]);
    upstream.close();
    rmSync(folder, { recursive: true });
  }
}

const randomSecret = (): string => randomBytes(32).toString('base64');

async function makeSlots(count: number): Promise<Slot[]> {
  const slots: Slot[] = [];
  for (let i = 0; i < count; i += 1) slots.push({ port: await freePort(), adminPort: await freePort() });
  return slots;
}

interface Plan {
  readonly rules: Rules;
  /** Writes the secrets into a folder of their own, as in a volume of Kubernetes. */
  revision(secrets: Secrets, folder: string): Revision;
}

/** The rendered Deployment with local addresses. */
function readPlan(
  { overlay, shorter, content }: RehearsalOptions,
  here: { UPSTREAM: string; REDIS_URL: string },
): Plan {
  const manifests = render(overlay);
  const relay = deployment(manifests, 'mte-relay');
  const scaler = manifests.find(({ kind }) => kind === 'HorizontalPodAutoscaler');
  const environment = environmentOf(containers(relay)[0] as Container, manifests);
  const files = fileVariables(environment);
  let revisions = 0;
  return {
    rules: {
      replicas: scaler?.['spec'].minReplicas,
      minReadySeconds: relay['spec'].minReadySeconds,
      terminationGracePeriodSeconds: relay['spec'].template.spec.terminationGracePeriodSeconds,
      ...shorter,
    },
    revision(secrets, folder) {
      const values: Readonly<Record<string, string>> = { ...secrets, REDIS_URL: here.REDIS_URL };
      revisions += 1;
      const own: Record<string, string> = { ...environment, UPSTREAM: here.UPSTREAM };
      const folders: Record<string, string> = {};
      for (const [path, variable] of files) {
        const host = join(folder, String(revisions), dirname(path));
        mkdirSync(host, { recursive: true });
        writeFileSync(join(host, basename(path)), values[variable] as string, { mode: 0o444 });
        folders[dirname(path)] = host;
        own[`${variable}_FILE`] = join(content.seen(dirname(path), host), basename(path));
      }
      if (own['REDIS_URL']) own['REDIS_URL'] = here.REDIS_URL;
      if (shorter.DRAIN_DELAY_MS) own['DRAIN_DELAY_MS'] = shorter.DRAIN_DELAY_MS;
      return { environment: own, folders };
    },
  };
}

/** The pins of a revision, by its `identity` command. */
async function pinsOf(content: Content, { environment, folders }: Revision): Promise<string[]> {
  const identity = content.run(['identity'], environment, folders);
  if ((await identity.exited) !== 0) throw new Error(`identity: ${identity.output()}`);
  return identity.output().trim().split('\n');
}

interface StepRevision {
  readonly name: string;
  readonly values: Secrets;
  /** True where an hour must pass before, so that no session remains that the old secret sealed. */
  readonly hourPasses: boolean;
}

/** docs/configuration.md, "Changing a secret": every relay has the new one before any uses it. */
function revisionsOf(step: StepName, secrets: Secrets, next: Secrets): StepRevision[] {
  if (step === 'rolling update') return [{ name: step, values: secrets, hourPasses: false }];
  const [before, after] = [secrets[step], next[step]];
  return [
    { name: `${step}=old,new`, values: { ...secrets, [step]: `${before},${after}` }, hourPasses: false },
    { name: `${step}=new,old`, values: { ...secrets, [step]: `${after},${before}` }, hourPasses: false },
    { name: `${step}=new`, values: { ...secrets, [step]: after }, hourPasses: true },
  ];
}

async function measured(load: Load, name: string, act: () => Promise<unknown>): Promise<StepResult> {
  const before = load.tally();
  load.slowestMs();
  const beganMs = performance.now();
  await act();
  const after = load.tally();
  return {
    name,
    seconds: (performance.now() - beganMs) / 1000,
    succeeded: after.succeeded - before.succeeded,
    failed: after.failed - before.failed,
    resent: after.resent - before.resent,
    pairings: after.pairings - before.pairings,
    slowestMs: load.slowestMs(),
  };
}

function result(
  steps: readonly StepResult[],
  load: Load,
  runs: ReadonlyMap<string, number>,
  scraped: RehearsalResult['scraped'],
): RehearsalResult {
  return {
    steps,
    succeeded: load.succeededIds.length,
    failures: load.failures,
    ranTwice: [...runs].filter(([, times]) => times > 1).map(([id]) => id),
    neverRan: load.succeededIds.filter((id) => !runs.has(id)),
    ranByUpstream: [...runs.values()].reduce((sum, times) => sum + times, 0),
    scraped,
  };
}

/** The sum of the last figures of all present and past replicas. */
async function scraped(prometheus: ScrapedReplicas): Promise<RehearsalResult['scraped']> {
  const sum = async (series: string): Promise<number> => {
    const byPod = await prometheus.query(`sum by (pod) (last_over_time(${series}[10m]))`);
    return [...byPod.values()].reduce((total, value) => total + value, 0);
  };
  return {
    pods: (await prometheus.query('max by (pod) (max_over_time(up[10m])) == 1')).size,
    exchanges: await sum('mte_relay_requests_total{route="exchange",outcome="2xx"}'),
    pairings: await sum('mte_relay_pairings_total'),
    replaysRefused: await sum('mte_relay_replays_refused_total'),
    failures: await sum('mte_relay_failures_total'),
  };
}
