// What content in pieces of one byte costs the relay and its other clients, beside the same number of bytes on the wire
// in ordinary pieces: processor time, memory, and the time of a well-behaved client's calls.
import { setTimeout as sleep } from 'node:timers/promises';
import { SealedClient } from '@mte-relay/testing/sealed-client';
import { describe, expect, test } from 'vitest';
import type { Cut } from './support/floods/pieces.ts';
import { callsDuring, cpuMs, type FloodStage, floodStage, residentBytes } from './support/floods/stage.ts';
import { STUCK_WAYS, type StuckWay } from './support/floods/stuck-ways.ts';
import { WAYS, type Way } from './support/floods/ways.ts';

/** Processor time below this is not measured exactly enough for a ratio. */
const CPU_LEAST_MS = 30;
/** Processor time that the relay spends on floods, at most, before it serves the next call of another client. */
const PER_CALL_MAX_MS = 250;
const FLOODS_AT_ONCE = 2;
const QUIET_MS = 500;
/** Growth of the memory below this has other reasons. */
const GROWTH_LEAST_BYTES = 24_000_000;
const GROWTH_RATIO_MAX = 3;
const STUCK_AT_ONCE = 3;

const NO_PROC = process.platform !== 'linux';
/** The slow ones too, by `npm run floods`. */
const STUCK = STUCK_WAYS.filter(({ isSlow }) => !isSlow || process.env['MTE_RELAY_FLOODS'] === 'all');

describe('pieces of one byte cost about what ordinary ones do, and other clients are served meanwhile', () => {
  test.skipIf(NO_PROC).each(WAYS.map((way): [string, Way] => [way.name, way]))('%s', async (name, way) => {
    const stage = await floodStage();
    const caller = await SealedClient.pair(stage.relay.port);
    await cost(stage, way, 'coarse'); // compiles
    const coarseMs = await cost(stage, way, 'coarse');
    const fineMs = await cost(stage, way, 'fine');
    const floods: (() => Promise<unknown>)[] = [];
    while (floods.length < FLOODS_AT_ONCE) floods.push(await way.prepare(stage, way.wireBytes, 'fine'));
    const before = cpuMs(stage);
    const calls = await callsDuring(caller, Promise.all(floods.map((send) => send())));
    const perCallMs = (cpuMs(stage) - before) / calls.length;
    console.log(
      `${name}: processor ${coarseMs} ms in ordinary pieces, ${fineMs} ms in pieces of one byte; ` +
        `${calls.length} calls during ${FLOODS_AT_ONCE} floods, ${perCallMs.toFixed(1)} ms of the relay per call`,
    );
    expect(fineMs / Math.max(coarseMs, CPU_LEAST_MS)).toBeLessThan(way.ratioMax);
    if (way.isPaced) expect(perCallMs).toBeLessThan(PER_CALL_MAX_MS);
  });
});

describe('before a reader that does not read, pieces of one byte take about the memory of ordinary ones', () => {
  test.skipIf(NO_PROC).each(STUCK.map((way): [string, StuckWay] => [way.name, way]))('%s', async (name, way) => {
    const growth = { coarse: await growthOf(way, 'coarse'), fine: await growthOf(way, 'fine') };
    console.log(`${name}: ${mb(growth.coarse)} MB in ordinary pieces, ${mb(growth.fine)} MB in pieces of one byte`);
    expect(growth.fine / Math.max(growth.coarse, GROWTH_LEAST_BYTES)).toBeLessThan(way.ratioMax ?? GROWTH_RATIO_MAX);
  });
});

/** Processor time of the relay for one flood, in ms. */
async function cost(stage: FloodStage, way: Way, cut: Cut): Promise<number> {
  const send = await way.prepare(stage, way.wireBytes, cut);
  const before = cpuMs(stage);
  await send();
  return cpuMs(stage) - before;
}

/** Growth of a new relay's memory by several floods that nobody reads, in bytes. */
async function growthOf(way: StuckWay, cut: Cut): Promise<number> {
  const stage = await floodStage();
  await way.begin(stage, cut);
  await settled(stage);
  const before = residentBytes(stage);
  for (let begun = 0; begun < STUCK_AT_ONCE; begun += 1) await way.begin(stage, cut);
  await settled(stage);
  return residentBytes(stage) - before;
}

/** Waits until the relay does nothing more. */
async function settled(stage: FloodStage): Promise<void> {
  for (let before = -1; before !== cpuMs(stage); ) {
    before = cpuMs(stage);
    await sleep(QUIET_MS);
  }
}

function mb(bytes: number): number {
  return Math.round(bytes / 1e6);
}
