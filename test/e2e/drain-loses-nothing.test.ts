// A rolling update under load: the relay gets SIGTERM while a client sends, another process takes over behind a TCP
// balancer that follows readiness, and every exchange gets its response.
import { setTimeout as sleep } from 'node:timers/promises';
import { createRelayClient } from '@mte-relay/client';
import { Backend } from '@mte-relay/testing/backend';
import { readiness } from '@mte-relay/testing/readiness';
import { REDIS_SERVER, startRedis } from '@mte-relay/testing/redis';
import { type RelayProcess, relayProcessTo } from '@mte-relay/testing/relay-process';
import { TcpForwarder } from '@mte-relay/testing/tcp-forwarder';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { expect, onTestFinished, test } from 'vitest';

const WORKERS = 16;

/** Sends each new connection to the first relay that reports ready; those that exist stay where they are. */
async function startBalancer(backends: RelayProcess[]): Promise<string> {
  let chosen = backends[0];
  const poll = setInterval(async () => {
    for (const backend of backends) {
      if ((await readiness(backend)) === 200) {
        chosen = backend;
        return;
      }
    }
  }, 50);
  onTestFinished(() => clearInterval(poll));
  return endsWithTest(await new TcpForwarder(() => chosen?.port as number).start()).url;
}

/** Requests by many workers until it is stopped; rejects with the first that gets no response. */
function load(url: string, pin: string, method: string): { sent: () => number; stop: () => Promise<number> } {
  const client = createRelayClient(url, { pins: [pin] });
  let stopped = false;
  let sent = 0;
  let responded = 0;
  const worker = async (): Promise<void> => {
    while (!stopped) {
      const path = `/${sent++}`;
      const response = await client.fetch(path, { method, body: path });
      expect([response.status, await response.text()]).toEqual([200, path]);
      responded += 1;
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
      return responded;
    },
  };
}

test.runIf(REDIS_SERVER).each(['POST', 'PUT'])(
  'with sessions in Redis no %s is lost or run twice while one relay hands over to another',
  async (method) => {
    const redis = endsWithTest(await startRedis());
    const upstream = endsWithTest(
      await new Backend((req, res) => {
        req.resume();
        setTimeout(() => res.end(req.url), 5 + Number(req.url?.at(-1)));
      }).start(),
    );
    const settings = { REDIS_URL: redis.url, DRAIN_DELAY_MS: '1000', SOLE_INSTANCE: 'false' };
    const backends = [await relayProcessTo(upstream.url, settings)];
    const [first] = backends as [RelayProcess];
    const running = load(await startBalancer(backends), first.pin, method);
    await sleep(1_000);
    const second = await relayProcessTo(upstream.url, settings);
    backends.push(second);
    await sleep(500);
    first.child.kill('SIGTERM');
    await expect.poll(() => readiness(first)).not.toBe(200);
    const sentWhenUnready = running.sent();
    const code = await new Promise((resolve) => first.child.on('exit', resolve));
    expect(code).toBe(0);
    expect(running.sent()).toBeGreaterThan(sentWhenUnready); // served on, here or there, all the while
    await sleep(700);
    const responded = await running.stop();
    const { ran } = upstream;
    console.log(`${method}: ${responded} responses, ${running.sent()} sent, ${ran.length} run by the upstream`);
    expect(responded).toBe(running.sent());
    expect(responded).toBeGreaterThan(4 * WORKERS); // counted, not timed: on a busy machine there are few
    expect(ran.length).toBe(responded);
    expect(new Set(ran).size).toBe(responded);
    expect(second.output()).toContain('"route":"exchange"');
  },
);
