// The threads of the fuzzer, and the watch over them: one per core, each with a seed of its own.
import { Worker } from 'node:worker_threads';
import { TARGETS } from '../targets/all.ts';
import type { Failure } from './campaign.ts';

/** What a thread is told. */
export interface WorkerOrder {
  readonly seed: number;
  readonly only: string | undefined;
  readonly shared: SharedArrayBuffer;
}

/** What a thread reports: a failure, or at its end the cases by target. */
export type WorkerMessage = { readonly failure: Failure } | { readonly counts: ReadonlyMap<string, number> };

// Places in the shared memory: of 32-bit numbers, then of the input in bytes.
export const COUNT_AT = 0;
export const TARGET_AT = 1;
export const LENGTH_AT = 2;
export const STOP_AT = 3;
export const INPUT_AT = 16;
const SHARED_BYTES = INPUT_AT + 262_144;

/** A case that takes longer does not end: every target bounds its input. */
const CASE_ENDS_WITHIN_MS = 60_000;
const WATCH_EVERY_MS = 1000;
/** Of those looks, one in so many prints a line. */
const PROGRESS_EVERY = 30;
/** Memory of a thread: a parser that takes more than its input allows ends the thread. */
const HEAP_MAX_MB = 1024;

/** What the threads have done. */
export interface ThreadsResult {
  readonly counts: ReadonlyMap<string, number>;
  readonly failures: readonly Failure[];
  readonly ms: number;
}

/** Runs the targets in so many threads for a time. */
export async function runThreads(
  count: number,
  seed: number,
  only: string | undefined,
  ms: number,
): Promise<ThreadsResult> {
  const beganMs = performance.now();
  console.error(`${count} threads for ${Math.round(ms / 1000)} s`);
  const results = await Promise.all(Array.from({ length: count }, (_, at) => runThread(seed + at, only, ms)));
  const counts = new Map<string, number>();
  for (const result of results) {
    for (const [name, cases] of result.counts) counts.set(name, (counts.get(name) ?? 0) + cases);
  }
  return { counts, failures: results.flatMap(({ failures }) => failures), ms: performance.now() - beganMs };
}

async function runThread(seed: number, only: string | undefined, ms: number): Promise<Omit<ThreadsResult, 'ms'>> {
  const shared = new SharedArrayBuffer(SHARED_BYTES);
  const numbers = new Int32Array(shared, 0, INPUT_AT / 4);
  const order: WorkerOrder = { seed, only, shared };
  const failures: Failure[] = [];
  let counts: ReadonlyMap<string, number> = new Map();
  const worker = new Worker(new URL('./worker.ts', import.meta.url), {
    workerData: order,
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MAX_MB },
  });
  const presentCase = (message: string): Failure => ({
    target: TARGETS[numbers[TARGET_AT] as number]?.name ?? 'unknown',
    input: new Uint8Array(new Uint8Array(shared, INPUT_AT, numbers[LENGTH_AT])),
    message,
  });
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  worker.on('message', (message: WorkerMessage) => {
    if ('failure' in message) {
      failures.push(message.failure);
      console.error(`failed: ${message.failure.target}`);
    }
    if ('counts' in message) counts = message.counts;
  });
  worker.on('error', (error: Error) => failures.push(presentCase(`the thread ended: ${error.message}`)));
  worker.on('exit', () => resolve());
  let lastCount = 0;
  let seconds = 0;
  let movedMs = performance.now();
  const watch = setInterval(() => {
    const cases = Atomics.load(numbers, COUNT_AT);
    if (cases !== lastCount) movedMs = performance.now();
    lastCount = cases;
    seconds += 1;
    if (seconds % PROGRESS_EVERY === 0) console.error(`seed ${seed}: ${cases} cases, ${failures.length} failed`);
    if (performance.now() - movedMs < CASE_ENDS_WITHIN_MS || cases === 0) return;
    failures.push(presentCase('does not end'));
    void worker.terminate();
  }, WATCH_EVERY_MS);
  const timer = setTimeout(() => Atomics.store(numbers, STOP_AT, 1), ms);
  await ended;
  clearInterval(watch);
  clearTimeout(timer);
  return { counts, failures };
}
