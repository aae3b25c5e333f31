// The outages of a chaos campaign: what fails as a whole, for how long, and what comes back. Those of a store stand beside
// it in stores.ts.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../random.ts';
import type { Intermediary } from './intermediary.ts';
import type { Relays } from './relays.ts';
import type { Upstream } from './upstream.ts';

/** What an outage can reach. */
export interface Scene {
  readonly random: Random;
  readonly relays: Relays;
  readonly intermediary: Intermediary;
  readonly upstream: Upstream;
}

/** Resolves when everything runs again. */
export type Outage = (scene: Scene) => Promise<void>;

/** No process is paused for longer. */
export const PAUSE_MAX_MS = 2_500;

/** Responses are lost for so long before an outage, at most. */
const LOST_BEFORE_MAX_MS = 150;

const indexOf = ({ random, relays }: Scene): number => random.between(0, relays.ports.length - 1);

/** Of every set-up. */
export const OUTAGES: Readonly<Record<string, Outage>> = {
  'relay killed': async (scene) => {
    const index = indexOf(scene);
    await scene.relays.kill(index);
    await sleep(scene.random.between(0, 500));
    await scene.relays.start(index);
    await scene.intermediary.redeliver(index);
  },
  'responses lost, relay killed': async (scene) => {
    const index = indexOf(scene);
    await scene.intermediary.responsesLostDuring(async () => {
      await sleep(scene.random.between(20, LOST_BEFORE_MAX_MS));
      await scene.relays.kill(index);
    });
    await scene.relays.start(index);
    await scene.intermediary.redeliver(index);
  },
  'relay restarted': async (scene) => {
    const index = indexOf(scene);
    await scene.relays.end(index);
    await scene.relays.start(index);
    await scene.intermediary.redeliver(index);
  },
  'relay paused': async (scene) => {
    const index = indexOf(scene);
    scene.relays.freeze(index, true);
    await sleep(scene.random.between(200, PAUSE_MAX_MS));
    scene.relays.freeze(index, false);
  },
  'connections cut': async ({ intermediary }) => intermediary.cut(),
  'connections refused': async ({ random, intermediary }) => intermediary.refuse(random.between(100, 800)),
  'upstream connections reset': async ({ upstream }) => upstream.reset(),
  'upstream down': async ({ random, upstream }) => {
    await upstream.stop();
    await sleep(random.between(100, 800));
    await upstream.start();
  },
};

/** Where a client stays at one relay. */
export const LED_ON: Readonly<Record<string, Outage>> = {
  'clients led to the other relay': async ({ intermediary }) => intermediary.leadOn(),
  'responses lost, clients led to the other relay': async (scene) => {
    await scene.intermediary.responsesLostDuring(async () => {
      await sleep(scene.random.between(20, LOST_BEFORE_MAX_MS));
      scene.intermediary.leadOn();
    });
  },
};
