// `npm run soak`: mixed traffic between a client process and a relay process, and whether both end as they began. Exits
// with 1 if something is left over, grows, or fails.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { SOAK_RESULT } from '../../../scripts/docs/reliability-tables.ts';
import { machineOf } from '../machine.ts';
import { isClean, runSoak, UNUSED_FORGOTTEN_MS } from './campaign.ts';
import { reportOf } from './report.ts';

const USAGE = `usage: npm run soak [-- --minutes N --seed S --save]
  --minutes  of work (default 30)
  --seed     any text; default: a new one, which is printed
  --save     also write the figures to test/reliability/results/soak.json, from which npm run docs makes a table`;
const INTERRUPTED_EXIT_CODE = 130;

const options = readOptions();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(INTERRUPTED_EXIT_CODE));
const machine = machineOf();
console.log(`soak: seed ${options.seed}, ${options.minutes} minutes`);
const { minutes, seed } = options;
const figures = await runSoak({ seconds: minutes * 60, restMs: UNUSED_FORGOTTEN_MS, seed, say: console.error });
const clean = isClean(figures, UNUSED_FORGOTTEN_MS);
console.log(reportOf(figures));
console.log(clean ? 'both end as they began' : 'LEFT OVER');
if (options.save) {
  const saved = { date: new Date().toISOString().slice(0, 10), seed: options.seed, machine, ...figures };
  writeFileSync(SOAK_RESULT, `${JSON.stringify(saved, null, 2)}\n`);
}
process.exit(clean ? 0 : 1);

function readOptions(): { minutes: number; seed: string; save: boolean } {
  try {
    const { values } = parseArgs({
      options: {
        minutes: { type: 'string', default: '30' },
        seed: { type: 'string', default: String(Date.now()) },
        save: { type: 'boolean', default: false },
      },
    });
    const minutes = Number(values.minutes);
    if (!(minutes > 0)) throw new Error(`--minutes expected a number above 0, got "${values.minutes}"`);
    return { ...values, minutes };
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`);
    process.exit(2);
  }
}
