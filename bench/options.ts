// Command line of the bench. Without flags a run takes some five minutes; --quick takes less than 90 seconds.
import { parseArgs } from 'node:util';
import { SUBJECT_NAMES, type SubjectName } from './load/subjects.ts';

export interface Options {
  readonly quick: boolean;
  readonly rounds: number;
  /** Measured time of a Node subject in one round; programs that need no compiler get half of it. */
  readonly seconds: number;
  /** Load before the first round, per Node subject. */
  readonly warmupSeconds: number;
  readonly connections: number;
  readonly subjects: readonly SubjectName[];
  /** Also write the text to bench/results/. */
  readonly save: boolean;
}

export const USAGE = `usage: npm run bench -- [--quick] [--seconds N] [--connections N] [--subjects a,b] [--save]
  --quick        3 rounds of 4 s after 10 s of warm-up, instead of 5 rounds of 8 s after 15 s
  --seconds      measured seconds per Node subject and round, 1 to 60
  --connections  kept connections with one request in flight each, 1 to 512 (default 64)
  --subjects     of ${SUBJECT_NAMES.join(', ')} (default all)
  --save         also write the text to bench/results/DATE.txt`;

/** @throws Error with what is wrong. */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      seconds: { type: 'string' },
      connections: { type: 'string', default: '64' },
      subjects: { type: 'string', default: SUBJECT_NAMES.join(',') },
      save: { type: 'boolean', default: false },
    },
  });
  const shape = values.quick
    ? { rounds: 3, seconds: 4, warmupSeconds: 10 }
    : { rounds: 5, seconds: 8, warmupSeconds: 15 };
  return {
    ...shape,
    quick: values.quick,
    save: values.save,
    seconds: values.seconds === undefined ? shape.seconds : integer('--seconds', values.seconds, 1, 60),
    // The replay window is 1024 messages and a client keeps at most half of it in flight.
    connections: integer('--connections', values.connections, 1, 512),
    subjects: subjectList(values.subjects),
  };
}

function integer(flag: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new Error(`${flag} expected an integer from ${least} to ${most}, got "${text}"`);
  }
  return value;
}

function subjectList(text: string): SubjectName[] {
  const asked = new Set(text.split(','));
  const known = SUBJECT_NAMES.filter((name) => asked.has(name));
  if (known.length !== asked.size)
    throw new Error(`--subjects expected some of ${SUBJECT_NAMES.join(',')}, got "${text}"`);
  return known;
}
