// A Prometheus that scrapes every replica, present and past.
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPrometheus } from '@mte-relay/testing/prometheus';

export interface ScrapeTarget {
  readonly adminPort: number;
  readonly pod: string;
}

export interface ScrapedReplicas {
  /** Scrapes these targets from now on. */
  scrape(targets: readonly ScrapeTarget[]): void;
  /** The values of an instant query, by the label `pod`; `` without that label. */
  query(expression: string): Promise<Map<string, number>>;
  stop(): Promise<void>;
}

export async function startScraping(): Promise<ScrapedReplicas> {
  const folder = mkdtempSync(join(tmpdir(), 'mte-relay-targets-'));
  const targetsFile = join(folder, 'targets.json');
  const scrape = (targets: readonly ScrapeTarget[]): void => {
    const groups = targets.map(({ adminPort, pod }) => ({ targets: [`127.0.0.1:${adminPort}`], labels: { pod } }));
    writeFileSync(`${targetsFile}.new`, JSON.stringify(groups));
    renameSync(`${targetsFile}.new`, targetsFile); // atomic for the reader
  };
  scrape([]);
  const prometheus = await startPrometheus({
    global: { scrape_interval: '500ms', scrape_timeout: '500ms' },
    scrape_configs: [{ job_name: 'mte-relay', file_sd_configs: [{ files: [targetsFile], refresh_interval: '1s' }] }],
  });
  return {
    scrape,
    async query(expression) {
      const series = await prometheus.now(expression);
      return new Map(series.map(({ labels, values }) => [labels['pod'] ?? '', values[0]?.[1] ?? Number.NaN]));
    },
    async stop() {
      await prometheus.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
