// `npm run chaos`: clients, relays, stores and an upstream under faults, in every set-up, and the comparison of what the
// clients were told with what the upstream ran. Exits with 1 if anything ran twice or late, hung, or was told wrongly.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { CHAOS_RESULT, type Machine, type SavedCampaign } from '../../../scripts/docs/reliability-tables.ts';
import { requireTools } from '../../../scripts/test/provide.ts';
import { machineOf } from '../machine.ts';
import { type CampaignResult, runCampaign } from './campaign.ts';
import { type Options, parseOptions, USAGE } from './options.ts';
import { reportOf } from './report.ts';
import { SETUPS } from './setups.ts';

const LOAD = { processes: 2, clientsEach: 4, concurrency: 8, rounds: 3, calmMaxMs: 900, ageMaxMs: 5_000 };
const INTERRUPTED_EXIT_CODE = 130;

const options = readOptions();
requireTools(['redis-server']);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(INTERRUPTED_EXIT_CODE));
console.log(`chaos: seed ${options.seed}, ${options.calls} calls that are not safe in each set-up`);
let clean = true;
for (const setup of options.setups) {
  const { calls, seed } = options;
  const machine = machineOf();
  const result = await runCampaign({ setup, calls, seed: `${seed} ${setup.name}`, ...LOAD, say: console.error });
  console.log(reportOf(result));
  if (options.save) save(result, machine);
  clean &&= result.findings.length === 0;
}
console.log(clean ? 'no violation' : 'VIOLATED');
process.exit(clean ? 0 : 1);

/** In place of the figures that are saved of this set-up; those of others stay. */
function save({ figures }: CampaignResult, machine: Machine): void {
  const saved = existsSync(CHAOS_RESULT) ? (JSON.parse(readFileSync(CHAOS_RESULT, 'utf8')) as SavedCampaign[]) : [];
  const date = new Date().toISOString().slice(0, 10);
  const all = [
    ...saved.filter(({ setup }) => setup !== figures.setup),
    { date, seed: options.seed, machine, ...figures },
  ];
  const place = ({ setup }: SavedCampaign): number => SETUPS.findIndex(({ name }) => name === setup);
  writeFileSync(
    CHAOS_RESULT,
    `${JSON.stringify(
      all.sort((a, b) => place(a) - place(b)),
      null,
      2,
    )}\n`,
  );
}

function readOptions(): Options {
  try {
    return parseOptions(process.argv.slice(2));
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`);
    process.exit(2);
  }
}
