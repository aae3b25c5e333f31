// The relay is killed and started again under its client, in the middle of traffic: the next call heals, and the
// upstream's own log shows nothing twice.
import { RelayClientError } from '@mte-relay/client';
import { Backend } from '@mte-relay/testing/backend';
import { type RelayProcess, startRelay } from '@mte-relay/testing/relay-process';
import { sdkClient } from '@mte-relay/testing/sdk-client';
import { requiredSettings } from '@mte-relay/testing/settings';
import { afterEach, beforeEach, expect, test } from 'vitest';

let upstream: Backend;
let relay: RelayProcess;

const settings = (): Record<string, string> => ({ ...requiredSettings(upstream.url), SOLE_INSTANCE: 'true' });

async function restartRelay(): Promise<void> {
  await relay.stop('SIGKILL');
  relay = await startRelay({ ...settings(), PORT: String(relay.port) });
}

beforeEach(async () => {
  upstream = await new Backend((req, res) => {
    req.resume();
    setTimeout(() => res.end(req.url), 5);
  }).start();
  relay = await startRelay(settings());
});

afterEach(async () => {
  await relay.stop('SIGKILL');
  upstream.stop();
});

test('the next call heals after a restart, GET and POST alike, under the same pin', async () => {
  const client = sdkClient(relay);
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
  expect(upstream.ran).toEqual(['POST /first', 'POST /second', 'GET /third']);
  expect(events).toEqual(['pair', 'pair', 'pair']);
});

test('under traffic, every call gets its response or reports that it may have run, and none runs twice', async () => {
  const client = sdkClient(relay);
  const outcomes = { responded: 0, mayHaveRun: 0, didNotRun: 0 };
  let stop = false;
  let next = 0;
  const worker = async (): Promise<void> => {
    while (!stop) {
      const path = `/${next++}`;
      try {
        const response = await client.fetch(path, { method: 'POST', body: path });
        // 502 is the relay's own sealed response when the upstream closes early; here it never does.
        expect(response.status).toBe(200);
        expect(await response.text()).toBe(path);
        outcomes.responded += 1;
      } catch (error) {
        expect(error).toBeInstanceOf(RelayClientError);
        const { mayHaveRun } = error as RelayClientError;
        outcomes[mayHaveRun ? 'mayHaveRun' : 'didNotRun'] += 1;
        // A call reported as not run does not run, now or later.
        if (!mayHaveRun) expect(upstream.ran).not.toContain(`POST ${path}`);
        await new Promise((resolve) => setTimeout(resolve, 50)); // the relay is down: no busy loop
      }
    }
  };
  const workers = Array.from({ length: 8 }, worker);
  /** Traffic flows again: counted, not timed, since a busy machine is slow. */
  const flowing = async (): Promise<void> => {
    const enough = outcomes.responded + 40;
    while (outcomes.responded < enough) await new Promise((resolve) => setTimeout(resolve, 20));
  };
  for (let restarts = 0; restarts < 3; restarts += 1) {
    await flowing();
    await restartRelay();
  }
  await flowing();
  stop = true;
  await Promise.all(workers);
  expect(new Set(upstream.ran).size).toBe(upstream.ran.length);
  expect(outcomes.responded).toBeGreaterThanOrEqual(160);
  expect(await (await client.fetch('/last', { method: 'POST' })).text()).toBe('/last');
});
