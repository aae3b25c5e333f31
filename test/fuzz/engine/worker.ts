// A thread of the fuzzer: the targets in turn, a slice of time each, until it is told to stop. Shared memory has the present
// input and a count of cases, so that the main thread can name the input of a case that does not end.
import { parentPort, workerData } from 'node:worker_threads';
import type { Bytes } from '@mte-relay/protocol';
import { TARGETS } from '../targets/all.ts';
import { Campaign, type Failure } from './campaign.ts';
import { minimise } from './minimise.ts';
import { COUNT_AT, INPUT_AT, LENGTH_AT, STOP_AT, TARGET_AT, type WorkerMessage, type WorkerOrder } from './threads.ts';

const SLICE_MS = 150;
const FAILURES_PER_TARGET_MAX = 3;

const { seed, only, shared } = workerData as WorkerOrder;
const numbers = new Int32Array(shared, 0, INPUT_AT / 4);
const present = new Uint8Array(shared, INPUT_AT);

function post(message: WorkerMessage): void {
  parentPort?.postMessage(message);
}

/** Writes down what the next case is. */
function note(at: number, input: Bytes): void {
  numbers[TARGET_AT] = at;
  numbers[LENGTH_AT] = Math.min(input.length, present.length);
  present.set(input.subarray(0, present.length));
  Atomics.add(numbers, COUNT_AT, 1);
}

async function slice(at: number, campaign: Campaign): Promise<Failure | undefined> {
  const untilMs = performance.now() + SLICE_MS;
  while (performance.now() < untilMs && Atomics.load(numbers, STOP_AT) === 0) {
    const input = campaign.next();
    note(at, input);
    const failure = await campaign.take(input);
    if (failure) return failure;
  }
  return undefined;
}

const failed = new Map<string, number>();
const campaigns = TARGETS.map((target) => new Campaign(target, seed));
while (Atomics.load(numbers, STOP_AT) === 0) {
  for (const [at, campaign] of campaigns.entries()) {
    const { name } = campaign.target;
    if ((only !== undefined && name !== only) || (failed.get(name) ?? 0) >= FAILURES_PER_TARGET_MAX) continue;
    const failure = await slice(at, campaign);
    if (!failure) continue;
    failed.set(name, (failed.get(name) ?? 0) + 1);
    post({ failure: { ...failure, input: await minimise(campaign.target, failure.input) } });
  }
  if (failed.size > 0 && only !== undefined) break;
  // The thread must turn its loop, or it would not end.
  await new Promise((resolve) => setImmediate(resolve));
}
post({ counts: new Map(campaigns.map(({ target, cases }) => [target.name, cases])) });
