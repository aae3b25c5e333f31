// A real Prometheus that scrapes every replica, present and past.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../../scripts/test/programs/free-port.ts';
import { until } from '../../../scripts/test/programs/until.ts';
import { toolPath } from '../../../scripts/test/tools.ts';

/** Where `npm test` found prometheus; what needs it is skipped without. */
export const PROMETHEUS: string | undefined = toolPath('prometheus');

export interface ScrapeTarget {
  readonly adminPort: number;
  readonly pod: string;
}

export interface RunningPrometheus {
  /** Scrapes these from now on. */
  scrape(targets: readonly ScrapeTarget[]): void;
  /** The values of an instant query, by the label `pod`, or `` when the result has none. */
  query(expression: string): Promise<Map<string, number>>;
  stop(): Promise<void>;
}

export async function startPrometheus(): Promise<RunningPrometheus> {
  const folder = mkdtempSync(join(tmpdir(), 'mte-relay-prometheus-'));
  const port = await freePort();
  const targetsFile = join(folder, 'targets.json');
  const configuration = {
    global: { scrape_interval: '500ms', scrape_timeout: '500ms' },
    scrape_configs: [{ job_name: 'mte-relay', file_sd_configs: [{ files: [targetsFile], refresh_interval: '1s' }] }],
  };
  writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify(configuration)); // JSON is YAML
  const scrape = (targets: readonly ScrapeTarget[]): void => {
    const groups = targets.map(({ adminPort, pod }) => ({ targets: [`127.0.0.1:${adminPort}`], labels: { pod } }));
    writeFileSync(`${targetsFile}.new`, JSON.stringify(groups));
    renameSync(`${targetsFile}.new`, targetsFile); // never read half written
  };
  scrape([]);
  const child: ChildProcess = spawn(
    PROMETHEUS as string,
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    { stdio: 'ignore' },
  );
  const url = `http://127.0.0.1:${port}`;
  await until(() =>
    fetch(`${url}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    ),
  );
  return {
    scrape,
    async query(expression) {
      const response = await fetch(`${url}/api/v1/query?query=${encodeURIComponent(expression)}`);
      const { data } = (await response.json()) as {
        data: { result: { metric: { pod?: string }; value: [number, string] }[] };
      };
      return new Map(data.result.map(({ metric, value }) => [metric.pod ?? '', Number(value[1])]));
    },
    async stop() {
      if (child.exitCode === null) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
