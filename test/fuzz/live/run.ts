// Runs the live campaigns against one relay, all at once, for a time or a number of messages.
import { SeededRandom } from '../../../packages/protocol/test/support/bytes.ts';
import type { SavedCase } from '../engine/saved.ts';
import { control } from './control.ts';
import type { LiveLane, LiveTarget } from './live-target.ts';
import { messages } from './messages.ts';
import { orders } from './orders.ts';
import { pairings } from './pairings.ts';
import { rawHttp } from './raw-http.ts';
import { requests } from './requests.ts';
import { type LiveFailure, LiveStage } from './stage.ts';
import { upstreamResponses } from './upstream-responses.ts';
import { webSockets } from './websockets.ts';

export const LIVE_TARGETS: readonly LiveTarget[] = [
  messages,
  requests,
  orders,
  pairings,
  rawHttp,
  upstreamResponses,
  webSockets,
  control,
];

const HEALTH_EVERY_MS = 250;
const PROGRESS_EVERY_MS = 30_000;
const FAILURES_MAX = 10;

/** How far a run goes. */
export interface LiveLimits {
  readonly seed: number;
  /** Whichever comes first. */
  readonly maxMs: number;
  readonly messages: number;
  /** Names of targets; the control client always runs. */
  readonly only?: string | undefined;
  readonly saved: readonly SavedCase[];
}

/** What has run. */
export interface LiveResult {
  readonly messages: ReadonlyMap<string, number>;
  readonly ms: number;
  readonly failures: readonly LiveFailure[];
}

/** Runs until a limit, many failures, or the end of the relay. */
export async function runLive({ seed, maxMs, messages: most, only, saved }: LiveLimits): Promise<LiveResult> {
  const stage = new LiveStage();
  const counts = new Map<string, number>();
  const beganMs = performance.now();
  let total = 0;
  const isOver = (): boolean =>
    stage.hasEnded || stage.failures.length >= FAILURES_MAX || total >= most || performance.now() - beganMs > maxMs;
  const runLane = async ({ name }: LiveTarget, lane: LiveLane): Promise<void> => {
    try {
      while (!isOver()) {
        const count = await lane.batch();
        total += count;
        counts.set(name, (counts.get(name) ?? 0) + count);
      }
    } catch (error) {
      stage.fail(name, (error as Error).stack ?? String(error));
    } finally {
      lane.close();
    }
  };
  await stage.start();
  try {
    await repeatSaved(stage, saved);
    const chosen = LIVE_TARGETS.filter((target) => target === control || only === undefined || target.name === only);
    const lanes = chosen.flatMap((target) => Array.from({ length: target.lanes }, () => target));
    const health = setInterval(() => void stage.checkHealth(), HEALTH_EVERY_MS);
    const progress = setInterval(
      () => console.error(`${total} messages, ${stage.failures.length} failed`),
      PROGRESS_EVERY_MS,
    );
    await Promise.all(
      lanes.map(async (target, at) => runLane(target, await target.begin(stage, new SeededRandom(seed + at)))),
    );
    clearInterval(health);
    clearInterval(progress);
    await stage.checkRest();
  } finally {
    await stage.stop();
  }
  return { messages: counts, ms: performance.now() - beganMs, failures: stage.failures };
}

async function repeatSaved(stage: LiveStage, saved: readonly SavedCase[]): Promise<void> {
  for (const { target: name, input } of saved) {
    const target = LIVE_TARGETS.find((one) => one.name === name);
    const lane = await target?.begin(stage, new SeededRandom(1));
    await lane?.repeat?.(input);
    lane?.close();
  }
}
