// Load by the real client, and the outcome of each request: the client's result against the runs of the upstream.
import { setTimeout as sleep } from 'node:timers/promises';
import { createRelayClient, type RelayClient } from '@mte-relay/client';
import { serve } from '@mte-relay/testing/servers';

const METHODS = ['POST', 'GET', 'PUT', 'POST'] as const;
const BODY = 'x'.repeat(1024);
/** Between two requests of one worker, so that the figures are not those of an overloaded machine. */
const THINK_MS = 15;
/** How often a new client arrives, which pairs first. */
const NEWCOMER_EVERY_MS = 500;

/** An upstream that keeps a log of every request by its id. */
export interface LoggingUpstream {
  readonly url: string;
  /** How often each id ran. */
  readonly runs: ReadonlyMap<string, number>;
  close(): void;
}

export async function startUpstream(): Promise<LoggingUpstream> {
  const runs = new Map<string, number>();
  const { url, close } = await serve((req, res) => {
    req.resume();
    const id = req.url as string;
    runs.set(id, (runs.get(id) ?? 0) + 1);
    setTimeout(() => res.end(id), 5 + (runs.size % 20)); // some are fast, some in progress when a relay gets SIGTERM
  });
  return { url, runs, close };
}

/** Counts so far. */
export interface Tally {
  readonly succeeded: number;
  readonly failed: number;
  /** Requests that the client resent by itself. */
  readonly resent: number;
  readonly pairings: number;
}

export interface Load {
  tally(): Tally;
  /** Longest duration of a call since the last reading, ms. */
  slowestMs(): number;
  /** Every client pairs again, as each does within the hour by itself. */
  pairAnew(): Promise<void>;
  /** Resolves when every request in progress has a result. */
  stop(): Promise<void>;
  readonly succeededIds: readonly string[];
  /** Descriptions of failed calls. */
  readonly failures: readonly string[];
}

/** @param pins that every client trusts: the present one and the next. */
export function startLoad(url: string, pins: readonly string[], clientCount: number, workersEach: number): Load {
  const succeededIds: string[] = [];
  const failures: string[] = [];
  let resent = 0;
  let pairings = 0;
  let sent = 0;
  let slowestMs = 0;
  let stopped = false;

  const open = (): RelayClient => {
    const client = createRelayClient(url, { pins });
    client.on('resend', () => {
      resent += 1;
    });
    for (const event of ['pair', 'rekey'] as const) {
      client.on(event, () => {
        pairings += 1;
      });
    }
    return client;
  };

  const call = async (client: RelayClient): Promise<void> => {
    const id = `/${sent}`;
    const method = METHODS[sent++ % METHODS.length] as string;
    const beganMs = performance.now();
    try {
      const response = await client.fetch(id, { method, ...(method !== 'GET' && { body: BODY }) });
      const text = await response.text();
      if (response.status !== 200 || text !== id) throw new Error(`${response.status} ${text.slice(0, 80)}`);
      succeededIds.push(id);
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      failures.push(`${method} ${id}: ${code ?? ''} ${message}`);
    }
    slowestMs = Math.max(slowestMs, performance.now() - beganMs);
  };

  const worker = async (client: RelayClient): Promise<void> => {
    while (!stopped) {
      await call(client);
      await sleep(THINK_MS);
    }
  };

  const newcomers = async (): Promise<void> => {
    while (!stopped) {
      const client = open();
      await call(client);
      client.close();
      await sleep(NEWCOMER_EVERY_MS);
    }
  };

  const clients = Array.from({ length: clientCount }, open);
  const running = [
    newcomers(),
    ...clients.flatMap((client) => Array.from({ length: workersEach }, () => worker(client))),
  ];
  return {
    succeededIds,
    failures,
    tally: () => ({ succeeded: succeededIds.length, failed: failures.length, resent, pairings }),
    slowestMs() {
      const taken = slowestMs;
      slowestMs = 0;
      return taken;
    },
    async pairAnew() {
      await Promise.all(clients.map((client) => client.pair()));
    },
    async stop() {
      stopped = true;
      await Promise.all(running);
      for (const client of clients) client.close();
    },
  };
}
