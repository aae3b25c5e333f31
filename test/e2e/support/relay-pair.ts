// Two relay processes of one identity behind a balancer, an upstream that logs what it ran, and the check that this
// log agrees with every outcome at a client.
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

/** The outcomes of many requests at a client, by id. */
export interface Outcomes {
  readonly responded: string[];
  readonly mayHaveRun: string[];
  readonly didNotRun: string[];
  /** The error of each of the latter two, for people. */
  readonly failures: string[];
}

/** Posts this many ids at once. `meanwhile` begins when a quarter has its responses; both are waited for. */
export async function postAll(client: RelayClient, count: number, meanwhile: () => Promise<void>): Promise<Outcomes> {
  const outcomes: Outcomes = { responded: [], mayHaveRun: [], didNotRun: [], failures: [] };
  const { promise: inProgress, resolve: quarterResponded } = Promise.withResolvers<void>();
  const post = async (id: string): Promise<void> => {
    try {
      const response = await client.fetch(`/orders/${id}`, { method: 'POST', body: id });
      const text = await response.text();
      // No response is the relay's own: the upstream never fails.
      expect([response.status, text]).toEqual([200, `/orders/${id} ${id}`]);
      outcomes.responded.push(id);
      if (outcomes.responded.length === Math.floor(count / 4)) quarterResponded();
    } catch (error) {
      if (!(error instanceof RelayClientError)) throw error;
      outcomes[error.mayHaveRun ? 'mayHaveRun' : 'didNotRun'].push(id);
      outcomes.failures.push(`${id}: ${error.code} ${error.message}`);
    }
  };
  const posts = Promise.all(Array.from({ length: count }, (_, i) => post(`order-${i}`)));
  await Promise.all([inProgress.then(meanwhile), posts]);
  return outcomes;
}

/** No id ran twice, every one with a response ran, and none ran that a client reported as not run. */
export function expectTruth(outcomes: Pick<Outcomes, 'responded' | 'didNotRun'>, ran: readonly string[]): void {
  const distinct = new Set(ran);
  expect(distinct.size).toBe(ran.length);
  expect(outcomes.responded.filter((id) => !distinct.has(id))).toEqual([]);
  expect(outcomes.didNotRun.filter((id) => distinct.has(id))).toEqual([]);
}

export function sdk(relays: Pick<RelayPair, 'url' | 'pin'>): RelayClient {
  return createRelayClient(relays.url, { pins: [relays.pin] });
}
