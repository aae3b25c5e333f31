// The short form of `npm run fuzz`: a fixed seed, the saved cases first, some thousand cases of each target. See
// docs/reliability.md, "Fuzzing".
import { describe, expect, test } from 'vitest';
import { Campaign, checkCase } from './engine/campaign.ts';
import { minimise } from './engine/minimise.ts';
import { savedCases } from './engine/saved.ts';
import { bytesOf, holds, latin1, type Target } from './engine/target.ts';
import { LIVE_TARGETS, runLive } from './live/run.ts';
import { TARGETS } from './targets/all.ts';

const SEED = 1;
const CASES = 2500;
/** For targets that encapsulate keys. */
const TARGET_MAX_MS = 120;
const LIVE_MAX_MS = 6000;
const LIVE_MESSAGES = 3000;

const saved = savedCases();

describe('parsers', () => {
  test.each(TARGETS)(
    '$name: its properties hold for what failed once, its corpus and mutations of it',
    async (target) => {
      for (const { target: name, input } of saved) {
        if (name === target.name) expect(await checkCase(target, input)).toBeUndefined();
      }
      const campaign = new Campaign(target, SEED);
      const untilMs = performance.now() + TARGET_MAX_MS;
      while (campaign.cases < target.corpus.length || (campaign.cases < CASES && performance.now() < untilMs)) {
        const failure = await campaign.take(campaign.next());
        if (failure) {
          const shortest = await minimise(target, failure.input);
          const command = `npm run fuzz -- --only '${target.name}' --input ${Buffer.from(shortest).toString('hex')}`;
          expect.fail(`${failure.message}\nrepeat: ${command}`);
        }
      }
      expect(campaign.outcomes.size).toBeGreaterThan(0);
    },
  );
});

test(`a relay holds against ${LIVE_MESSAGES} hostile messages of every kind`, async () => {
  const result = await runLive({ seed: SEED, maxMs: LIVE_MAX_MS, messages: LIVE_MESSAGES, only: undefined, saved });
  expect(result.failures.map(({ target, message }) => `${target}: ${message}`)).toEqual([]);
  for (const { name } of LIVE_TARGETS) expect(result.messages.get(name), name).toBeGreaterThan(0);
});

test('every saved case is one of a target', () => {
  const names = [...TARGETS, ...LIVE_TARGETS].map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  for (const { target } of saved) expect(names).toContain(target);
});

describe('the fuzzer', () => {
  const faulty = (check: (text: string) => void, corpus = ['seed']): Target => ({
    name: 'faulty',
    corpus: corpus.map(bytesOf),
    dictionary: [bytesOf('needle')],
    check(input) {
      check(latin1(input));
      return 'accepted';
    },
  });

  async function firstFailure(target: Target): Promise<string | undefined> {
    const campaign = new Campaign(target, SEED);
    for (let i = 0; i < 5000; i += 1) {
      const failure = await campaign.take(campaign.next());
      if (failure) return latin1(await minimise(target, failure.input));
    }
    return undefined;
  }

  test('finds a parser that throws, and the shortest input for it', async () => {
    const target = faulty((text) => holds(!text.includes('needle'), 'no needle'));
    expect(await firstFailure(target)).toBe('needle');
  });

  test('finds a parser that takes too long for the length of its input', async () => {
    const target = faulty((text) => {
      // Of computing, as the limit is: a busy machine does not count.
      const began = process.threadCpuUsage();
      while (text.includes('needle') && process.threadCpuUsage(began).user < 80_000);
    });
    expect(await firstFailure(target)).toContain('needle');
  });

  test('finds a parser that takes too much memory for the length of its input', async () => {
    const taken: unknown[] = [];
    const target = faulty(() => taken.push(new Uint8Array(20_000_000)));
    const campaign = new Campaign(target, SEED);
    let failure: unknown;
    for (let i = 0; i < 600 && failure === undefined; i += 1) {
      taken.length = 0;
      failure = await campaign.take(campaign.next());
    }
    expect(failure).toMatchObject({ message: expect.stringContaining('bytes for') });
  });

  test('gives the same cases for the same seed', () => {
    const inputs = (seed: number): string[] => {
      const campaign = new Campaign(
        faulty(() => undefined),
        seed,
      );
      return Array.from({ length: 50 }, () => {
        const input = campaign.next();
        void campaign.take(input);
        return latin1(input);
      });
    };
    expect(inputs(7)).toEqual(inputs(7));
    expect(inputs(7)).not.toEqual(inputs(8));
  });
});
