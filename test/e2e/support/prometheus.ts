// A real Prometheus that scrapes relays every second, by the project's own scrape configuration and rules.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { freePort } from '../../../packages/server/test/support/redis.ts';
import { toolPath } from '../../../scripts/test/tools.ts';

/** Where `npm test` found Prometheus; without it the tests that need it are skipped. */
export const PROMETHEUS: string | undefined = toolPath('prometheus');

const DEPLOY = join(import.meta.dirname, '../../../deploy/prometheus');
const READY_WITHIN_MS = 20_000;

/** A pod to scrape. */
export interface Target {
  readonly pod: string;
  readonly adminPort: number;
}

/** One series of an answer; NaN and infinities as JavaScript has them. */
export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  /** Unix time in seconds, and the value. */
  readonly values: readonly (readonly [number, number])[];
}

export interface Prometheus {
  /** What an expression was from one Unix time to another, in seconds, second by second. */
  range(expr: string, from: number, to: number): Promise<Series[]>;
  /** What it is now. */
  now(expr: string): Promise<Series[]>;
  /** Health of each rule, by its name: "ok", or what is wrong with it. */
  rules(): Promise<Map<string, string>>;
  stop(): Promise<void>;
}

/** Starts one and waits until every target has been scraped. */
export async function startPrometheus(command: string, targets: readonly Target[]): Promise<Prometheus> {
  const folder = mkdtempSync(join(tmpdir(), 'mte-relay-prometheus-'));
  writeFileSync(join(folder, 'prometheus.yml'), stringify(configOf(targets)));
  const port = await freePort();
  const child = spawn(
    command,
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let said = '';
  child.stderr.on('data', (bytes: Buffer) => {
    said += bytes.toString();
  });
  const ask = (path: string, parameters: Record<string, string> = {}) => askPrometheus(port, path, parameters);
  const prometheus: Prometheus = {
    range: async (query, from, to) =>
      seriesOf(await ask('query_range', { query, start: String(from), end: String(to), step: '1' })),
    now: async (query) => seriesOf(await ask('query', { query })),
    rules: async () => healthOf(await ask('rules')),
    stop: () => stop(child, folder),
  };
  await untilScraped(prometheus, child, targets, () => said);
  return prometheus;
}

/** The configuration for Kubernetes, with the pods that its discovery would have found. */
function configOf(targets: readonly Target[]): object {
  const config = parse(readFileSync(join(DEPLOY, 'prometheus-kubernetes.yaml'), 'utf8'));
  const [{ kubernetes_sd_configs: _, ...job }] = config.scrape_configs;
  const found = targets.map(({ pod, adminPort }) => ({
    targets: [`127.0.0.1:${adminPort}`],
    labels: {
      __meta_kubernetes_namespace: 'shop',
      __meta_kubernetes_pod_name: pod,
      __meta_kubernetes_pod_label_app_kubernetes_io_name: 'mte-relay',
      __meta_kubernetes_pod_container_port_name: 'admin',
    },
  }));
  return {
    ...config,
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: [join(DEPLOY, 'mte-relay-rules.yaml')],
    scrape_configs: [{ ...job, static_configs: found }],
  };
}

async function askPrometheus(port: number, path: string, parameters: Record<string, string>): Promise<unknown> {
  const response = await fetch(`http://127.0.0.1:${port}/api/v1/${path}?${new URLSearchParams(parameters)}`);
  const answer = (await response.json()) as { status: string; error?: string; data: unknown };
  if (answer.status !== 'success') throw new Error(`${parameters['query']}: ${answer.error}`);
  return answer.data;
}

function seriesOf(data: unknown): Series[] {
  const { result, resultType } = data as {
    resultType: string;
    result: { metric: Record<string, string>; values?: [number, string][]; value?: [number, string] }[];
  };
  if (resultType === 'scalar') throw new Error('a scalar is no series');
  return result.map(({ metric, values, value }) => ({
    labels: metric,
    values: (values ?? (value ? [value] : [])).map(([time, text]) => [time, Number(text)] as const),
  }));
}

function healthOf(data: unknown): Map<string, string> {
  const { groups } = data as { groups: { rules: { name: string; health: string; lastError?: string }[] }[] };
  return new Map(groups.flatMap(({ rules }) => rules).map((rule) => [rule.name, rule.lastError || rule.health]));
}

async function untilScraped(
  prometheus: Prometheus,
  child: ChildProcess,
  targets: readonly Target[],
  said: () => string,
): Promise<void> {
  const deadlineMs = performance.now() + READY_WITHIN_MS;
  for (;;) {
    const up = await prometheus.now('up == 1').catch(() => []);
    if (up.length === targets.length) return;
    if (child.exitCode !== null || performance.now() > deadlineMs) throw new Error(`Prometheus: ${said()}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function stop(child: ChildProcess, folder: string): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  rmSync(folder, { recursive: true, force: true });
}
