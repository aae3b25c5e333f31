// `npm run bench:scaling`: one and two relays before an API that takes its time, at rising concurrency, each beside the
// API alone in the same round. Order: API, relays → warm-up → rounds → table → everything ends. With --save the result
// goes to bench/results/scaling.json, from which `npm run docs` makes the table of docs/operations.md.
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { freePort } from '@mte-relay/testing/free-port';
import { SCALING_RESULT, type ScalingResult, type ScalingRow, scalingTable } from '../scripts/docs/scaling-table.ts';
import { type Load, type LoadResult, sealedLoad, wrkLoad } from './load/load.ts';
import { endAll, listening, start } from './load/processes.ts';
import type { Cores } from './load/subjects.ts';
import { chooseCores, describeMachine, requirePrograms } from './machine.ts';

/** Time that the API takes to respond. */
const THINK_MS = 100;
const CONCURRENCIES = [50, 200, 400];
const RELAYS = [1, 2];
const WARMUP_SECONDS = 8;
const SECONDS = 6;
const API_SCRIPT = join(import.meta.dirname, 'load/paced-api.ts');
const RELAY_SCRIPT = join(import.meta.dirname, '../packages/server/bin/mte-relay-server.js');
/** The whole run takes some three minutes. */
const RUN_MAX_MS = 6 * 60_000;

interface Way {
  readonly port: number;
  readonly load: Load;
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { save: { type: 'boolean', default: false } } });
  requirePrograms();
  const directory = mkdtempSync(join(os.tmpdir(), 'mte-relay-scaling-'));
  chmodSync(directory, 0o755);
  const overrun = setTimeout(() => {
    console.error('the bench takes too long');
    void endAll().finally(() => process.exit(1));
  }, RUN_MAX_MS);
  try {
    const result = await measureAll(chooseCores(), directory);
    console.log(scalingTable(result));
    if (values.save) writeFileSync(SCALING_RESULT, `${JSON.stringify(result, null, 2)}\n`);
  } finally {
    clearTimeout(overrun);
    await endAll();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function measureAll(cores: Cores, directory: string): Promise<ScalingResult> {
  const machine = describeMachine();
  const api = { port: await freePort(), load: wrkLoad(cores.load, directory) };
  const env = { PORT: String(api.port), THINK_MS: String(THINK_MS) };
  await listening(start('api', [process.execPath, API_SCRIPT], { core: cores.load, env }), api.port);
  const relays: Way[] = [];
  const secret = randomBytes(32).toString('hex');
  // The second shares the core of the load: there are two.
  for (const core of [cores.subject, cores.load]) relays.push(await startRelay(core, cores.load, api.port, secret));
  for (const way of [api, ...relays]) await measured([way], CONCURRENCIES[0] as number, WARMUP_SECONDS);
  const rows: ScalingRow[] = [];
  for (const relayCount of RELAYS) {
    for (const concurrency of CONCURRENCIES) {
      const alone = await measured([api], concurrency, SECONDS);
      const relayed = await measured(relays.slice(0, relayCount), concurrency, SECONDS);
      rows.push({ relays: relayCount, concurrency, api: alone, relay: relayed });
      console.error(`${relayCount} × ${concurrency}: ${relayed.perSecond} of ${alone.perSecond} requests/s`);
    }
  }
  const { cpu, cores: coreCount, node, loadBefore } = machine;
  return {
    date: new Date().toISOString().slice(0, 10),
    thinkMs: THINK_MS,
    machine: { cpu, cores: coreCount, node, loadBefore },
    rows,
  };
}

async function startRelay(core: number, loadCore: number, apiPort: number, secret: string): Promise<Way> {
  const port = await freePort();
  const env = {
    NODE_ENV: 'production',
    PORT: String(port),
    ADMIN_PORT: String(await freePort()),
    UPSTREAM: `http://127.0.0.1:${apiPort}`,
    CORS_ORIGINS: 'http://localhost',
    CLIENT_ID_SECRET: secret,
    LOG_LEVEL: 'off',
  };
  await listening(start('relay', [process.execPath, RELAY_SCRIPT, 'start'], { core, env }), port);
  return { port, load: sealedLoad(loadCore) };
}

/** Connections are shared out among the ways, as a balancer would. */
async function measured(ways: readonly Way[], concurrency: number, seconds: number): Promise<ScalingRow['api']> {
  const results = await Promise.all(ways.map(({ port, load }) => load(port, concurrency / ways.length, seconds)));
  const [failure] = results.flatMap(({ failures }) => failures);
  if (failure !== undefined) throw new Error(`a response was missing or wrong: ${failure}`);
  const sum = (of: (result: LoadResult) => number): number => results.reduce((total, result) => total + of(result), 0);
  return {
    perSecond: Math.round(sum(({ requests, durationSeconds }) => requests / durationSeconds)),
    // Equal shares of the connections: the mean of their medians.
    medianMs: Math.round((sum(({ p50Ms }) => p50Ms) / results.length) * 10) / 10,
  };
}

await main();
