// The relay is killed and started again under its client, in the middle of traffic: the next call heals, and the
// upstream's own log shows nothing twice.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createRelayClient, RelayClientError } from '@mte-relay/client';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { printed, type RunningProcess, startScript } from '../../scripts/test/programs/process.ts';

let upstream: Server;
let ran: string[];
let relay: RunningProcess;
let port: number;

/** Starts the real command; the first time on any free port, later on the same. */
async function startRelay(): Promise<void> {
  relay = startScript('packages/server/bin/mte-relay-server.js', ['start'], {
    UPSTREAM: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`,
    CORS_ORIGINS: 'https://app.example',
    CLIENT_ID_SECRET: '2DkV4DDabehO8cifDktdF9elKJL0CKrk',
    PORT: String(port),
    ADMIN_PORT: 'off',
    DRAIN_DELAY_MS: '0',
  });
  const [, listening] = await printed(relay, /"port":(\d+)/);
  port = Number(listening);
}

async function restartRelay(): Promise<void> {
  await relay.stop('SIGKILL');
  await startRelay();
}

function pinOf(running: RunningProcess): string {
  return /"pin":"([^"]+)"/.exec(running.output())?.[1] as string;
}

beforeEach(async () => {
  ran = [];
  port = 0;
  upstream = createServer((req, res) => {
    req.resume();
    ran.push(`${req.method} ${req.url}`);
    setTimeout(() => res.end(req.url), 5);
  });
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  await startRelay();
});

afterEach(async () => {
  await relay.stop('SIGKILL');
  upstream.closeAllConnections();
  upstream.close();
});

test('the next call heals after a restart, GET and POST alike, under the same pin', async () => {
  const client = createRelayClient(`http://127.0.0.1:${port}`, { pins: [pinOf(relay)] });
  const events: string[] = [];
  client.on('pair', () => events.push('pair'));
  expect(await (await client.fetch('/first', { method: 'POST', body: 'x' })).text()).toBe('/first');
  for (const [method, path] of [
    ['POST', '/second'],
    ['GET', '/third'],
  ] as const) {
    await restartRelay();
    const response = await client.fetch(path, { method });
    expect(await response.text()).toBe(path);
  }
  expect(ran).toEqual(['POST /first', 'POST /second', 'GET /third']);
  expect(events).toEqual(['pair', 'pair', 'pair']);
  client.close();
});

test('with traffic under way, every call answers or says that it may have run, and none runs twice', async () => {
  const client = createRelayClient(`http://127.0.0.1:${port}`, { pins: [pinOf(relay)] });
  const outcomes = { answered: 0, mayHaveRun: 0, didNotRun: 0 };
  let stop = false;
  let next = 0;
  const worker = async (): Promise<void> => {
    while (!stop) {
      const path = `/${next++}`;
      try {
        const response = await client.fetch(path, { method: 'POST', body: path });
        // 502 is the relay's own sealed word on an upstream that broke off; here that never happens.
        expect(response.status).toBe(200);
        expect(await response.text()).toBe(path);
        outcomes.answered += 1;
      } catch (error) {
        expect(error).toBeInstanceOf(RelayClientError);
        const { mayHaveRun } = error as RelayClientError;
        outcomes[mayHaveRun ? 'mayHaveRun' : 'didNotRun'] += 1;
        // What is said not to have run has not, now or later.
        if (!mayHaveRun) expect(ran).not.toContain(`POST ${path}`);
        await new Promise((resolve) => setTimeout(resolve, 50)); // the relay is down: no busy loop
      }
    }
  };
  const workers = Array.from({ length: 8 }, worker);
  /** Traffic flows again: counted, not timed, since a busy machine is slow. */
  const flowing = async (): Promise<void> => {
    const enough = outcomes.answered + 40;
    while (outcomes.answered < enough) await new Promise((resolve) => setTimeout(resolve, 20));
  };
  for (let restarts = 0; restarts < 3; restarts += 1) {
    await flowing();
    await restartRelay();
  }
  await flowing();
  stop = true;
  await Promise.all(workers);
  expect(new Set(ran).size).toBe(ran.length);
  expect(outcomes.answered).toBeGreaterThanOrEqual(160);
  expect(await (await client.fetch('/last', { method: 'POST' })).text()).toBe('/last');
  client.close();
});
