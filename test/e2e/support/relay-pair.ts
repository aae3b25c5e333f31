// Two relay processes of one identity behind a balancer, an upstream that logs what it ran, and the check that this
// log agrees with everything that a client was told.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createRelayClient, type RelayClient, RelayClientError } from '@mte-relay/client';
import { expect } from 'vitest';
import { printed, type RunningProcess, startScript } from '../../../scripts/test/programs/process.ts';
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
  const upstream = createServer((req, res) => {
    const parts: Buffer[] = [];
    req.on('data', (part: Buffer) => parts.push(part));
    req.on('end', () => {
      if (req.method === 'POST') ran.push(Buffer.concat(parts).toString());
      setTimeout(() => res.end(`${req.url} ${Buffer.concat(parts)}`), UPSTREAM_TAKES_MS);
    });
  });
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  const ports = [0, 0];
  const relays: RunningProcess[] = [];
  const start = async (index: number): Promise<void> => {
    const relay = startScript('packages/server/bin/mte-relay-server.js', ['start'], {
      UPSTREAM: `http://127.0.0.1:${portOf(upstream)}`,
      CORS_ORIGINS: 'https://app.example',
      CLIENT_ID_SECRET: '2DkV4DDabehO8cifDktdF9elKJL0CKrk',
      PORT: String(ports[index]),
      ADMIN_PORT: 'off',
      DRAIN_DELAY_MS: '0',
      ...environment,
    });
    relays[index] = relay;
    ports[index] = Number((await printed(relay, /"port":(\d+)/))[1]);
  };
  await Promise.all([start(0), start(1)]);
  if (environment['REDIS_URL']) await Promise.all(relays.map((relay) => printed(relay, /"ready":true/)));
  const balancer = await startBalancer(() => ports);
  return {
    balancer,
    url: `http://127.0.0.1:${balancer.port}`,
    pin: /"pin":"([^"]+)"/.exec((relays[0] as RunningProcess).output())?.[1] as string,
    ran,
    port: (index) => ports[index] as number,
    start,
    kill: (index) => (relays[index] as RunningProcess).stop('SIGKILL'),
    async close() {
      balancer.close();
      await Promise.all(relays.map((relay) => relay.stop('SIGKILL')));
      upstream.closeAllConnections();
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

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}
