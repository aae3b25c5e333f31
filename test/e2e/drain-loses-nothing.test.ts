// A rolling update under load: the relay is told to end while a client sends, another process takes over behind a TCP
// balancer that follows readiness, and every exchange answers.
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Server as TcpServer } from 'node:net';
import { createRelayClient } from '@mte-relay/client';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { printed, type RunningProcess, startScript } from '../../scripts/test/programs/process.ts';
import { REDIS_SERVER, startRedis } from '../../scripts/test/programs/redis.ts';

const WORKERS = 16;
const SECRET = '2DkV4DDabehO8cifDktdF9elKJL0CKrk';

let upstream: Server;
let ran: string[];
let relays: RunningProcess[];
let balancer: TcpServer | undefined;

beforeEach(async () => {
  ran = [];
  relays = [];
  upstream = createServer((req, res) => {
    req.resume();
    ran.push(`${req.method} ${req.url}`);
    setTimeout(() => res.end(req.url), 5 + Number(req.url?.at(-1)));
  });
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
});

afterEach(async () => {
  for (const relay of relays) await relay.stop('SIGKILL');
  balancer?.close();
  upstream.closeAllConnections();
  upstream.close();
});

interface RelayProcess extends RunningProcess {
  readonly port: number;
  readonly adminPort: number;
  readonly pin: string;
}

async function startRelay(environment: Record<string, string> = {}): Promise<RelayProcess> {
  const relay = startScript('packages/server/bin/mte-relay-server.js', ['start'], {
    UPSTREAM: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`,
    CORS_ORIGINS: 'https://app.example',
    CLIENT_ID_SECRET: SECRET,
    PORT: '0',
    DRAIN_DELAY_MS: '1000',
    SOLE_INSTANCE: 'false',
    ...environment,
  });
  relays.push(relay);
  const [line] = await printed(relay, /\{.*"relay is listening"\}/);
  const { port, adminPort, pin } = JSON.parse(line) as { port: number; adminPort: number; pin: string };
  return { ...relay, port, adminPort, pin };
}

async function isReady({ adminPort }: RelayProcess): Promise<boolean> {
  return fetch(`http://127.0.0.1:${adminPort}/readyz`).then(
    ({ ok }) => ok,
    () => false,
  );
}

/** Sends each new connection to the first relay that says it is ready; those that exist stay where they are. */
async function startBalancer(backends: RelayProcess[]): Promise<number> {
  let chosen = backends[0];
  const poll = setInterval(async () => {
    for (const backend of backends) {
      if (await isReady(backend)) {
        chosen = backend;
        return;
      }
    }
  }, 50);
  const server = createTcpServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const relay = connect({ port: chosen?.port as number, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    client.pipe(relay);
    relay.pipe(client);
    for (const [side, other] of [
      [client, relay],
      [relay, client],
    ] as const) {
      side.on('error', () => other.destroy());
      side.on('close', () => other.destroy());
    }
  });
  server.on('close', () => clearInterval(poll));
  balancer = server;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** Requests by many workers until it is stopped; rejects with the first that does not answer. */
function load(port: number, pin: string, method: string): { sent: () => number; stop: () => Promise<number> } {
  const client = createRelayClient(`http://127.0.0.1:${port}`, { pins: [pin] });
  let stopped = false;
  let sent = 0;
  let answered = 0;
  const worker = async (): Promise<void> => {
    while (!stopped) {
      const path = `/${sent++}`;
      const response = await client.fetch(path, { method, body: path });
      expect([response.status, await response.text()]).toEqual([200, path]);
      answered += 1;
    }
  };
  const workers = Promise.all(Array.from({ length: WORKERS }, worker));
  workers.catch(() => {}); // reported by stop
  return {
    sent: () => sent,
    async stop() {
      stopped = true;
      await workers;
      client.close();
      return answered;
    },
  };
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test.runIf(REDIS_SERVER).each(['POST', 'PUT'])(
  'with sessions in Redis no %s is lost or run twice while one relay hands over to another',
  async (method) => {
    const redis = await startRedis();
    onTestFinished(() => redis.remove());
    const shared = { REDIS_URL: redis.url };
    const backends = [await startRelay(shared)];
    const [first] = backends as [RelayProcess];
    const port = await startBalancer(backends);
    const running = load(port, first.pin, method);
    await pause(1_000);
    const second = await startRelay(shared);
    backends.push(second);
    await pause(500);
    first.child.kill('SIGTERM');
    await expect.poll(() => isReady(first)).toBe(false);
    const sentWhenUnready = running.sent();
    const code = await new Promise((resolve) => first.child.on('exit', resolve));
    expect(code).toBe(0);
    expect(running.sent()).toBeGreaterThan(sentWhenUnready); // served on, here or there, all the while
    await pause(700);
    const answered = await running.stop();
    console.log(`${method}: ${answered} exchanges answered, ${running.sent()} sent, ${ran.length} run by the upstream`);
    expect(answered).toBe(running.sent());
    expect(answered).toBeGreaterThan(4 * WORKERS); // counted, not timed: on a busy machine there are few
    expect(ran.length).toBe(answered);
    expect(new Set(ran).size).toBe(answered);
    expect(second.output()).toContain('"route":"exchange"');
  },
);
