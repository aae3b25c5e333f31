// Gives one target case after case: mutations of its corpus, and of earlier inputs with a new outcome. Equal seeds give
// equal cases. Each case is bounded in time and memory by the length of its input.
import type { Bytes } from '@mte-relay/protocol';
import { SeededRandom } from '../../../packages/protocol/test/support/bytes.ts';
import { mutated } from '../../../packages/protocol/test/support/mutations.ts';
import { Broken, type Target } from './target.ts';

const INPUT_MAX_BYTES = 4096;
/** Inputs with new outcomes that are kept. */
const KEPT_MAX = 500;
const OUTCOMES_MAX = 2000;
/** A case may compute this long, and so much more per byte; the fastest of several attempts counts. */
const CASE_MAX_MS = 40;
const BYTE_MAX_MS = 0.02;
const ATTEMPTS = 3;
/** A case may allocate this much, and so much more per byte. One case in so many is measured. */
const MEMORY_MAX_BYTES = 8_388_608;
const BYTE_MAX_BYTES = 4096;
const MEASURED_EVERY = 512;

/** A case that broke a property. */
export interface Failure {
  readonly target: string;
  readonly input: Bytes;
  readonly message: string;
}

/** The cases of one target. */
export class Campaign {
  readonly target: Target;
  /** Cases so far. */
  cases = 0;
  /** Number of cases by outcome. */
  readonly outcomes: Map<string, number> = new Map();
  readonly #random: SeededRandom;
  readonly #kept: Bytes[] = [];
  readonly #dictionary: readonly Bytes[];

  constructor(target: Target, seed: number) {
    this.target = target;
    this.#random = new SeededRandom(seed ^ hashOf(Buffer.from(target.name)));
    this.#dictionary = target.dictionary ?? [];
  }

  /** The next input. */
  next(): Bytes {
    const random = this.#random;
    const { corpus, maxBytes = INPUT_MAX_BYTES } = this.target;
    if (this.cases < corpus.length) return corpus[this.cases] as Bytes;
    const pool = this.#kept.length > 0 && random.below(2) === 0 ? this.#kept : corpus;
    const { message } = mutated(random, random.pick(pool), corpus, this.#dictionary);
    return message.length > maxBytes ? message.slice(0, maxBytes) : message;
  }

  /** Gives an input to the target. Resolves with the failure, if it is one. */
  take(input: Bytes): Failure | undefined | Promise<Failure | undefined> {
    this.cases += 1;
    if (this.cases % MEASURED_EVERY === 0) return this.#measured(input);
    const beganMs = performance.now();
    try {
      const outcome = checkOnce(this.target, input);
      if (outcome instanceof Promise) {
        return outcome.then(
          (settled) => this.#done(input, settled, beganMs),
          (error) => failureOf(this.target, input, error),
        );
      }
      return this.#done(input, outcome, beganMs);
    } catch (error) {
      return failureOf(this.target, input, error);
    }
  }

  #done(input: Bytes, outcome: string, beganMs: number): Failure | undefined | Promise<Failure | undefined> {
    const count = this.outcomes.get(outcome);
    if (count !== undefined) this.outcomes.set(outcome, count + 1);
    else if (this.outcomes.size < OUTCOMES_MAX) {
      this.outcomes.set(outcome, 1);
      if (this.#kept.length < KEPT_MAX) this.#kept.push(input);
    }
    return performance.now() - beganMs > timeLimitMs(input) ? checkCase(this.target, input) : undefined;
  }

  async #measured(input: Bytes): Promise<Failure | undefined> {
    const before = process.memoryUsage();
    const failure = await this.take(input);
    const after = process.memoryUsage();
    this.cases -= 1; // the same case
    const taken = after.heapUsed - before.heapUsed + (after.arrayBuffers - before.arrayBuffers);
    return failure ?? (taken > memoryLimitBytes(this.target, input) ? checkCase(this.target, input) : undefined);
  }
}

/** Checks one input with both bounds, each by the best of several attempts. */
export async function checkCase(target: Target, input: Bytes): Promise<Failure | undefined> {
  let leastMs = Number.POSITIVE_INFINITY;
  let leastBytes = Number.POSITIVE_INFINITY;
  try {
    for (let i = 0; i < ATTEMPTS; i += 1) {
      const before = process.memoryUsage();
      const began = process.threadCpuUsage();
      await checkOnce(target, input);
      const { user, system } = process.threadCpuUsage(began);
      leastMs = Math.min(leastMs, (user + system) / 1000);
      const after = process.memoryUsage();
      leastBytes = Math.min(leastBytes, after.heapUsed - before.heapUsed + after.arrayBuffers - before.arrayBuffers);
    }
    if (leastMs > timeLimitMs(input)) throw new Broken(`took ${Math.round(leastMs)} ms for ${input.length} bytes`);
    if (leastBytes > memoryLimitBytes(target, input)) throw new Broken(`took ${leastBytes} bytes for ${input.length}`);
  } catch (error) {
    return failureOf(target, input, error);
  }
  return undefined;
}

function checkOnce(target: Target, input: Bytes): string | Promise<string> {
  return target.check(input, new SeededRandom(hashOf(input)));
}

function failureOf({ name }: Target, input: Bytes, error: unknown): Failure {
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { target: name, input, message };
}

function timeLimitMs({ length }: Bytes): number {
  return CASE_MAX_MS + length * BYTE_MAX_MS;
}

function memoryLimitBytes({ memoryMaxBytes = MEMORY_MAX_BYTES }: Target, { length }: Bytes): number {
  return memoryMaxBytes + length * BYTE_MAX_BYTES;
}

/** FNV-1a, over the beginning and the length of what is long. */
function hashOf(bytes: Uint8Array): number {
  let hash = 0x811c9dc5 ^ bytes.length;
  for (let i = 0; i < bytes.length && i < 256; i += 1) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
  return hash >>> 0;
}
