// Two relay processes of one identity behind a balancer, an upstream that logs what it ran, and the check that this
// log agrees with everything that a client was told.
import { createRelayClient, type RelayClient, RelayClientError } from '@mte-relay/client';
import { contentOf } from '@mte-relay/testing/content';
import { printed } from '@mte-relay/testing/processes';
import { type RelayProcess, startRelay } from '@mte-relay/testing/relay-process';
import { serve, urlOf } from '@mte-relay/testing/servers';
import { requiredSettings } from '@mte-relay/testing/settings';
import { expect } from 'vitest';
import { type Balancer, startBalancer } from './balancer.ts';

const UPSTREAM_TAKES_MS = 30;

export interface RelayPair {
  readonly balancer: Balancer;
  readonly url: string;
  readonly pin: string;
  /** Ids that were posted to the upstream, in order, every time one was. */
  readonly ran: readonly string[];
  port(index: number): number;
  /** Kills a relay as a crash would, and starts it again on its port. */
  kill(index: number): Promise<void>;
  start(index: number): Promise<void>;
  close(): Promise<void>;
}

/** Two `mte-relay-server start` with this environment besides the usual. */
export async function startRelayPair(environment: Record<string, string>): Promise<RelayPair> {
  const ran: string[] = [];
  const upstream = await serve(async (req, res) => {
    const body = (await contentOf(req)).toString();
    if (req.method === 'POST') ran.push(body);
    setTimeout(() => res.end(`${req.url} ${body}`), UPSTREAM_TAKES_MS);
  });
  const ports = [0, 0];
  const relays: RelayProcess[] = [];
  const start = async (index: number): Promise<void> => {
    const settings = { ...requiredSettings(upstream.url), PORT: String(ports[index]), ...environment };
    const relay = await startRelay(settings);
    relays[index] = relay;
    ports[index] = relay.port;
  };
  await Promise.all([start(0), start(1)]);
  if (environment['REDIS_URL']) await Promise.all(relays.map((relay) => printed(relay, /"ready":true/)));
  const balancer = await startBalancer(() => ports);
  return {
    balancer,
    url: urlOf(balancer.port),
    pin: (relays[0] as RelayProcess).pin,
    ran,
    port: (index) => ports[index] as number,
    start,
    kill: (index) => (relays[index] as RelayProcess).stop('SIGKILL'),
    async close() {
      balancer.close();
      await Promise.all(relays.map((relay) => relay.stop('SIGKILL')));
      upstream.close();
    },
  };
}

/** What a client was told of many requests, by id. */
export interface Told {
  readonly answered: string[];
  readonly mayHaveRun: string[];
  readonly didNotRun: string[];
  /** What was said of each of the latter two, for people. */
  readonly failures: string[];
}

/** Posts this many ids at once. `meanwhile` begins when a quarter has been answered; both are waited for. */
export async function postAll(client: RelayClient, count: number, meanwhile: () => Promise<void>): Promise<Told> {
  const told: Told = { answered: [], mayHaveRun: [], didNotRun: [], failures: [] };
  const { promise: underWay, resolve: quarterAnswered } = Promise.withResolvers<void>();
  const post = async (id: string): Promise<void> => {
    try {
      const response = await client.fetch(`/orders/${id}`, { method: 'POST', body: id });
      const text = await response.text();
      // Nothing here answers in the relay's own name: the upstream never fails.
      expect([response.status, text]).toEqual([200, `/orders/${id} ${id}`]);
      told.answered.push(id);
      if (told.answered.length === Math.floor(count / 4)) quarterAnswered();
    } catch (error) {
      if (!(error instanceof RelayClientError)) throw error;
      told[error.mayHaveRun ? 'mayHaveRun' : 'didNotRun'].push(id);
      told.failures.push(`${id}: ${error.code} ${error.message}`);
    }
  };
  const posts = Promise.all(Array.from({ length: count }, (_, i) => post(`order-${i}`)));
  await Promise.all([underWay.then(meanwhile), posts]);
  return told;
}

/** No id ran twice, every answered one ran, and none ran that was said not to have. */
export function expectTruth(told: Pick<Told, 'answered' | 'didNotRun'>, ran: readonly string[]): void {
  const distinct = new Set(ran);
  expect(distinct.size).toBe(ran.length);
  expect(told.answered.filter((id) => !distinct.has(id))).toEqual([]);
  expect(told.didNotRun.filter((id) => distinct.has(id))).toEqual([]);
}

export function sdk(relays: Pick<RelayPair, 'url' | 'pin'>): RelayClient {
  return createRelayClient(relays.url, { pins: [relays.pin] });
}
