// A real Prometheus on a port of its own, asked over its HTTP API.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { printed, startProgram } from './processes.ts';
import { urlOf } from './servers.ts';
import { toolPath } from './tools.ts';

/** One series of a result; NaN and infinities as JavaScript has them. */
export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  /** Unix time in seconds, and the value. */
  readonly values: readonly (readonly [number, number])[];
}

export interface Prometheus {
  /** The values of an expression from one Unix time to another, in seconds, second by second. */
  range(expr: string, from: number, to: number): Promise<Series[]>;
  /** Its value now. */
  now(expr: string): Promise<Series[]>;
  /** Health of each rule, by its name: "ok", or what is wrong with it. */
  rules(): Promise<Map<string, string>>;
  stop(): Promise<void>;
}

/**
 * Resolves when it serves its API.
 * @param configuration of prometheus.yml.
 * @throws Error with its output when it ends first, or is not ready within 20 s.
 */
export async function startPrometheus(configuration: object): Promise<Prometheus> {
  const folder = mkdtempSync(join(tmpdir(), 'mte-relay-prometheus-'));
  const file = join(folder, 'prometheus.yml');
  writeFileSync(file, JSON.stringify(configuration)); // JSON is YAML
  const origin = urlOf(await freePort());
  const flags = [`--storage.tsdb.path=${join(folder, 'data')}`, `--web.listen-address=${new URL(origin).host}`];
  const program = startProgram(toolPath('prometheus') as string, [`--config.file=${file}`, ...flags]);
  await printed(program, /Server is ready to receive web requests/);
  return {
    range: async (query, from, to) =>
      seriesOf(await ask(origin, 'query_range', { query, start: String(from), end: String(to), step: '1' })),
    now: async (query) => seriesOf(await ask(origin, 'query', { query })),
    rules: async () => healthOf(await ask(origin, 'rules')),
    async stop() {
      await program.stop('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function ask(origin: string, path: string, parameters: Readonly<Record<string, string>> = {}): Promise<unknown> {
  const response = await fetch(`${origin}/api/v1/${path}?${new URLSearchParams(parameters)}`);
  const result = (await response.json()) as { status: string; error?: string; data: unknown };
  if (result.status !== 'success') throw new Error(`${parameters['query']}: ${result.error}`);
  return result.data;
}

function seriesOf(data: unknown): Series[] {
  const { result, resultType } = data as {
    resultType: string;
    result: { metric: Record<string, string>; values?: [number, string][]; value?: [number, string] }[];
  };
  if (resultType === 'scalar') throw new Error('a scalar is not a series');
  return result.map(({ metric, values, value }) => ({
    labels: metric,
    values: (values ?? (value ? [value] : [])).map(([time, text]) => [time, Number(text)] as const),
  }));
}

function healthOf(data: unknown): Map<string, string> {
  const { groups } = data as { groups: { rules: { name: string; health: string; lastError?: string }[] }[] };
  return new Map(groups.flatMap(({ rules }) => rules).map((rule) => [rule.name, rule.lastError || rule.health]));
}
