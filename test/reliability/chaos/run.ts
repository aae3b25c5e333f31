// `npm run chaos`: clients, relays, stores and an upstream under faults, in every set-up, and the comparison of what the
// clients were told with what the upstream ran. Exits with 1 if anything ran twice or late, hung, or was told wrongly.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { requireTools } from '../../../scripts/test/provide.ts';
import { machineOf } from '../machine.ts';
import { type CampaignResult, runCampaign } from './campaign.ts';
import { type Options, parseOptions, USAGE } from './options.ts';
import { reportOf } from './report.ts';

const RESULT = join(import.meta.dirname, '../results/chaos.json');
const LOAD = { processes: 2, clientsEach: 4, concurrency: 8, rounds: 2, calmMaxMs: 900, ageMaxMs: 5_000 };
const INTERRUPTED_EXIT_CODE = 130;

const options = readOptions();
requireTools(['redis-server']);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(INTERRUPTED_EXIT_CODE));
const machine = machineOf();
console.log(`chaos: seed ${options.seed}, ${options.calls} calls that are not safe in each set-up`);
const results: CampaignResult[] = [];
for (const setup of options.setups) {
  const { calls, seed } = options;
  const result = await runCampaign({ setup, calls, seed: `${seed} ${setup.name}`, ...LOAD, say: console.error });
  results.push(result);
  console.log(reportOf(result));
}
const clean = results.every(({ findings }) => findings.length === 0);
console.log(clean ? 'no violation' : 'VIOLATED');
if (options.save) {
  const date = new Date().toISOString().slice(0, 10);
  const saved = { date, seed: options.seed, machine, campaigns: results.map(({ figures }) => figures) };
  writeFileSync(RESULT, `${JSON.stringify(saved, null, 2)}\n`);
}
process.exit(clean ? 0 : 1);

function readOptions(): Options {
  try {
    return parseOptions(process.argv.slice(2));
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`);
    process.exit(2);
  }
}
