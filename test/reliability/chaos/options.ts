// Command line of the chaos campaigns.
import { parseArgs } from 'node:util';
import { SETUPS, type Setup } from './setups.ts';

export interface Options {
  readonly setups: readonly Setup[];
  readonly calls: number;
  readonly seed: string;
  readonly save: boolean;
}

const NAMES = SETUPS.map(({ name }) => name);

export const USAGE = `usage: npm run chaos [-- --setup NAME,… --calls N --seed S --save]
  --setup  of ${NAMES.join(', ')} (default all)
  --calls  calls that are not safe, in each set-up, at least (default 20000)
  --seed   any text; default: a new one, which is printed
  --save   also write the figures to test/reliability/results/chaos.json, from which npm run docs makes a table`;

/** @throws Error with what is wrong. */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      setup: { type: 'string', default: NAMES.join(',') },
      calls: { type: 'string', default: '20000' },
      seed: { type: 'string', default: String(Date.now()) },
      save: { type: 'boolean', default: false },
    },
  });
  const asked = values.setup.split(',');
  const setups = SETUPS.filter(({ name }) => asked.includes(name));
  if (setups.length !== new Set(asked).size) {
    throw new Error(`--setup expected some of ${NAMES.join(',')}, got "${values.setup}"`);
  }
  const calls = Number(values.calls);
  if (!Number.isInteger(calls) || calls < 1) throw new Error(`--calls expected a count, got "${values.calls}"`);
  return { setups, calls, seed: values.seed, save: values.save };
}
