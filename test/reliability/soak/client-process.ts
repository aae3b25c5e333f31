// The client process of a soak campaign: works with the SDK until it is told to rest, and reports what it then holds.
import { Random } from '../random.ts';
import type { SoakJob, SoakReport, ToSoakClient } from './messages.ts';
import { takeSample } from './sample.ts';
import { ClientMaker, type Tools, WEIGHTS, WORK } from './work.ts';

const FAILURES_MAX = 20;
const HUNG_AFTER_MS = 45_000;

const done: Record<string, number> = {};
const failures: string[] = [];
let working = false;
let workers: Promise<unknown> = Promise.resolve();
let start: () => void;
let makers: ClientMaker;
let closeAll: () => void;

process.once('disconnect', () => process.exit()); // the campaign has ended, in whatever way
process.on('message', (message: ToSoakClient) => {
  if ('job' in message) prepare(message.job);
  else if ('work' in message) start();
  else if ('rest' in message) void rest();
  else end();
});

function prepare({ seed, url, pin, concurrency }: SoakJob): void {
  const random = new Random(seed);
  makers = new ClientMaker(url, pin);
  const client = makers.make();
  const tools: Tools = { random, client, newClient: (used) => makers.make(used) };
  closeAll = () => client.close();
  start = () => {
    working = true;
    workers = Promise.all(Array.from({ length: concurrency }, () => work(tools)));
  };
  void rest();
}

async function work(tools: Tools): Promise<void> {
  while (working) {
    const kind = tools.random.weighted(WEIGHTS);
    try {
      await inTime(WORK[kind](tools));
    } catch (error) {
      if (failures.length < FAILURES_MAX) failures.push(`${kind}: ${(error as Error).message}`);
    }
    done[kind] = (done[kind] ?? 0) + 1;
  }
}

/** @throws Error when the work hangs */
async function inTime(work: Promise<void>): Promise<void> {
  const hung = Promise.withResolvers<never>();
  const timer = setTimeout(() => hung.reject(new Error(`not done after ${HUNG_AFTER_MS} ms`)), HUNG_AFTER_MS);
  await Promise.race([work, hung.promise]).finally(() => clearTimeout(timer));
}

/** Ends the work in progress, and reports. */
async function rest(): Promise<void> {
  working = false;
  await workers;
  const { paired, used } = makers;
  const report: SoakReport = { sample: await takeSample(), done, failures, paired, used };
  process.send?.(report);
}

function end(): void {
  closeAll();
  process.disconnect?.();
}
