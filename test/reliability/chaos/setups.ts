// The set-ups of a chaos campaign: how many relays, what they share, and how the intermediary leads clients to them.
import { LED_ON, OUTAGES, type Outage } from './outages.ts';
import { cluster, inMemory, oneRedis, regions, type Store, sentinel, withoutInfo } from './stores.ts';

export interface Setup {
  readonly name: string;
  readonly title: string;
  /** True: consecutive messages go to the relays in turn. False: a client stays at one, until it is led to another. */
  readonly inTurn: boolean;
  start(): Promise<Store>;
}

/** All of them. */
export const SETUPS: readonly Setup[] = [
  {
    name: 'memory',
    title: 'One relay in memory, SOLE_INSTANCE',
    inTurn: true,
    start: () => inMemory({ SOLE_INSTANCE: 'true' }),
  },
  {
    name: 'memory-twice',
    title: 'Two relays in memory behind one balancer',
    inTurn: false,
    start: () => inMemory({}, {}),
  },
  { name: 'redis', title: 'Two relays, one Redis', inTurn: true, start: oneRedis },
  { name: 'sentinel', title: 'Two relays, Redis with Sentinel', inTurn: true, start: sentinel },
  { name: 'cluster', title: 'Two relays, Redis Cluster', inTurn: true, start: cluster },
  { name: 'without-info', title: 'Two relays, Redis that hides INFO and failovers', inTurn: true, start: withoutInfo },
  { name: 'regions', title: 'Two regions with a relay and a Redis each', inTurn: false, start: regions },
];

/** The outages of a set-up, by name. */
export function outagesOf(setup: Setup, store: Store): Readonly<Record<string, Outage>> {
  return { ...OUTAGES, ...(setup.inTurn ? {} : LED_ON), ...store.outages };
}
