// Two monitored relays, one with sessions in memory and one with Redis: an API behind them, clients and faults in front, a
// Prometheus beside them.
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { createRelayClient, type RelayClient } from '@mte-relay/client';
import { createRelayForwarder } from '@mte-relay/client/forward';
import { CONTENT_TYPE_PAIRING, PATH_PAIR } from '@mte-relay/protocol';
import { contentOf } from '@mte-relay/testing/content';
import { printed } from '@mte-relay/testing/processes';
import { type Prometheus, startPrometheus } from '@mte-relay/testing/prometheus';
import { type RedisServer, startRedis } from '@mte-relay/testing/redis';
import { type RelayProcess, startRelay } from '@mte-relay/testing/relay-process';
import { type Served, serve } from '@mte-relay/testing/servers';
import { requiredSettings } from '@mte-relay/testing/settings';
import { until } from '@mte-relay/testing/until';
import { WebSocket, WebSocketServer } from 'ws';
import { parse } from 'yaml';

const PROMETHEUS_FILES = join(import.meta.dirname, '../prometheus');
const SCRAPED_WITHIN_MS = 20_000;

/** Minimum response time of the API. */
export const UPSTREAM_TAKES_MS = 10;

interface ObservedRelay extends RelayProcess {
  readonly pod: string;
}

export interface Observed {
  readonly prometheus: Prometheus;
  readonly relays: readonly ObservedRelay[];
  readonly redis: RedisServer;
  /** Exchanges of the load that succeeded with 200. */
  readonly succeeded: () => number;
  /** Sends for this time, with `concurrency` requests in progress at each relay, and one of each fault every second. */
  load(seconds: number, concurrency: number): Promise<void>;
  close(): Promise<void>;
}

/** Starts all of it; the caller closes it. */
export async function startObserved(): Promise<Observed> {
  const upstream = await startUpstream();
  const redis = await startRedis();
  const relays = await Promise.all([
    startObservedRelay('relay-memory', upstream.url, {}),
    startObservedRelay('relay-redis', upstream.url, { REDIS_URL: redis.url, REDIS_TIMEOUT_MS: '2000' }),
  ]);
  const prometheus = await startPrometheus(scraping(relays));
  await until(async () => (await prometheus.now('up == 1')).length === relays.length, SCRAPED_WITHIN_MS);
  const clients = relays.map(({ url, pin }) => createRelayClient(url, { pins: [pin] }));
  const sockets = await Promise.all(relays.map(({ port }) => openWebSocket(port)));
  let succeeded = 0;
  return {
    prometheus,
    relays,
    redis,
    succeeded: () => succeeded,
    async load(seconds, concurrency) {
      const untilMs = performance.now() + seconds * 1_000;
      const workers = clients.flatMap((client) =>
        Array.from({ length: concurrency }, async () => {
          while (performance.now() < untilMs) {
            if (await sendOne(client).catch(refused)) succeeded += 1;
          }
        }),
      );
      const faults = relays.map(async (relay) => {
        while (performance.now() < untilMs) {
          await oneOfEachFault(relay).catch(refused);
          await new Promise((resolve) => setTimeout(resolve, 1_000));
        }
      });
      await Promise.all([...workers, ...faults]);
    },
    async close() {
      for (const socket of sockets) socket.terminate();
      for (const client of clients) client.close();
      await prometheus.stop();
      await Promise.all(relays.map((relay) => relay.stop('SIGKILL')));
      await redis.remove();
      upstream.close();
    },
  };
}

/** Echoes; destroys the connection under /break; accepts WebSockets. */
async function startUpstream(): Promise<Served> {
  const upstream = await serve(async (req, res) => {
    if (req.url?.startsWith('/break')) return void req.socket.destroy();
    const body = await contentOf(req);
    setTimeout(() => res.end(body), UPSTREAM_TAKES_MS * (1 + Math.random()));
  });
  const sockets = new WebSocketServer({ noServer: true });
  upstream.server.on('upgrade', (req, socket, head) => sockets.handleUpgrade(req, socket, head, () => {}));
  return upstream;
}

async function startObservedRelay(
  pod: string,
  upstreamUrl: string,
  environment: Record<string, string>,
): Promise<ObservedRelay> {
  const relay = await startRelay({
    ...requiredSettings(upstreamUrl),
    UPSTREAM_CA: rootCertificates[0] as string, // unused with http, but monitored
    PASS_THROUGH_ROUTES: '/plain/*',
    // Small, so that their use is visible.
    EXCHANGES_MAX: '50',
    SESSIONS_MAX: '250',
    CONNECTIONS_MAX: '100',
    WEBSOCKETS_MAX: '20',
    ...environment,
  });
  if (environment['REDIS_URL']) await printed(relay, /"ready":true/);
  return { ...relay, pod };
}

/** The project's own configuration for Kubernetes and its rules, with the pods that its discovery would find. */
function scraping(relays: readonly ObservedRelay[]): object {
  const config = parse(readFileSync(join(PROMETHEUS_FILES, 'prometheus-kubernetes.yaml'), 'utf8'));
  const [{ kubernetes_sd_configs: _, ...job }] = config.scrape_configs;
  const found = relays.map(({ pod, adminPort }) => ({
    targets: [`127.0.0.1:${adminPort}`],
    labels: {
      __meta_kubernetes_namespace: 'shop',
      __meta_kubernetes_pod_name: pod,
      __meta_kubernetes_pod_label_app_kubernetes_io_name: 'mte-relay',
      __meta_kubernetes_pod_container_port_name: 'admin',
    },
  }));
  return {
    ...config,
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: [join(PROMETHEUS_FILES, 'mte-relay-rules.yaml')],
    scrape_configs: [{ ...job, static_configs: found }],
  };
}

const BODY = JSON.stringify({ text: 'x'.repeat(1_000) });

async function sendOne(client: RelayClient): Promise<boolean> {
  const response = await client.fetch('/notes', { method: 'POST', body: BODY });
  return response.status === 200 && (await response.text()) === BODY;
}

/** While its store hangs, a relay rejects requests. */
async function refused(): Promise<false> {
  await new Promise((resolve) => setTimeout(resolve, 200));
  return false;
}

/** One of each fault, by a real request. */
async function oneOfEachFault({ port, pin, url: origin }: ObservedRelay): Promise<void> {
  let resend: () => Promise<unknown> = async () => undefined;
  const client = createRelayForwarder(origin, {
    pins: [pin],
    async fetch(input, init) {
      // A stream could not be sent a second time.
      const replayable = init?.body ? { ...init, body: await new Response(init.body).bytes() } : init;
      resend = () => ended(fetch(input, replayable));
      return fetch(input, replayable);
    },
  });
  const forward = async (method: string, target: string): Promise<void> => {
    for await (const _ of (await client.forward({ method, target, headers: [] })).body);
  };
  try {
    await forward('GET', '/notes');
    await resend(); // replayed
    await forward('POST', '/break'); // upstream-failed
    await forward('GET', '/../secret'); // path-refused
  } finally {
    client.close();
  }
  await ended(fetch(`${origin}/plain/notes`, { method: 'POST', body: new Uint8Array(100) }));
  const headers = { 'content-type': CONTENT_TYPE_PAIRING };
  await ended(fetch(origin + PATH_PAIR, { method: 'POST', headers, body: new Uint8Array(10) })); // version-unsupported
  await tooManyFields(port);
}

async function ended(response: Promise<Response>): Promise<void> {
  await (await response).arrayBuffer();
}

function tooManyFields(port: number): Promise<void> {
  const headers = Object.fromEntries(Array.from({ length: 300 }, (_, at) => [`x-${at}`, '1']));
  return new Promise((resolve, reject) => {
    request({ port, host: '127.0.0.1', path: '/plain/notes', headers: { ...headers, connection: 'close' } }, (res) => {
      res.resume().on('end', resolve);
    })
      .on('error', reject)
      .end();
  });
}

async function openWebSocket(port: number): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/plain/socket`);
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  const beats = setInterval(() => socket.ping(), 10_000); // below WEBSOCKET_IDLE_TIMEOUT_MS
  socket.on('close', () => clearInterval(beats));
  return socket;
}
