// A network that fails and returns, over real sockets: calls fail while it is down and work once it is up, with the
// same client and the same session; no failure disables the origin, and nothing runs twice.
import type { RelayClient } from '@mte-relay/client';
import { contentOf } from '@mte-relay/testing/content';
import { sdkClient } from '@mte-relay/testing/sdk-client';
import { stage } from '@mte-relay/testing/stage';
import { TcpForwarder } from '@mte-relay/testing/tcp-forwarder';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { expect, test } from 'vitest';

async function setUp(): Promise<{ wire: TcpForwarder; client: RelayClient; ran: string[]; pairings: () => number }> {
  const ran: string[] = [];
  const { port, pin } = await stage((request, response) => {
    void contentOf(request).then((body) => {
      ran.push(`${request.method} ${request.url} ${body}`);
      setTimeout(() => response.end('ok'), 5);
    });
  });
  const wire = endsWithTest(await new TcpForwarder(() => port).start());
  const client = sdkClient({ url: wire.url, pin });
  let pairings = 0;
  client.on('pair', () => {
    pairings += 1;
  });
  return { wire, client, ran, pairings: () => pairings };
}

test('down, up, down, up: each call reports the state at its time, and one session serves them all', async () => {
  const { wire, client, ran, pairings } = await setUp();
  for (let round = 0; round < 4; round += 1) {
    expect(await (await client.fetch(`/up/${round}`, { method: 'POST', body: 'x' })).text()).toBe('ok');
    await wire.stop();
    // The first may still meet the connection that was cut; the second finds none, so nothing of it left this machine.
    await expect(client.fetch('/down')).rejects.toMatchObject({ code: 'unreachable' });
    const refused = client.fetch('/down', { method: 'POST' });
    await expect(refused).rejects.toMatchObject({ code: 'unreachable', mayHaveRun: false });
    await wire.start();
  }
  expect(ran).toEqual([0, 1, 2, 3].map((round) => `POST /up/${round} x`));
  expect(pairings()).toBe(1);
});

test('down at the first call: the next one pairs', async () => {
  const { wire, client, pairings } = await setUp();
  await wire.stop();
  const failed = await Promise.allSettled([client.fetch('/a'), client.fetch('/b'), client.pair()]);
  for (const result of failed) expect(result).toMatchObject({ status: 'rejected', reason: { code: 'unreachable' } });
  await wire.start();
  expect((await client.fetch('/')).status).toBe(200);
  expect(pairings()).toBe(1);
});

test('connections reset under many calls: none runs twice, each with a response ran, and errors mark those that did not', async () => {
  const { wire, client, ran, pairings } = await setUp();
  await client.fetch('/warm');
  // Not so many that a slow machine gets nothing through.
  let resets = 0;
  const timer = setInterval(() => {
    wire.reset();
    resets += 1;
    if (resets === 10) clearInterval(timer);
  }, 40);
  const posts = Array.from({ length: 60 }, async (_, i) => {
    await new Promise((resolve) => setTimeout(resolve, i * 10));
    return client.fetch(`/post/${i}`, { method: 'POST', body: 'x' });
  });
  const results = await Promise.allSettled(posts);
  expect(resets).toBe(10);
  const runs = (i: number): number => ran.filter((call) => call === `POST /post/${i} x`).length;
  for (const [i, result] of results.entries()) {
    expect(runs(i), `post ${i}`).toBeLessThanOrEqual(1);
    if (result.status === 'fulfilled') expect(runs(i), `post ${i}`).toBe(1);
    else if (!result.reason.mayHaveRun) expect(runs(i), `post ${i}: ${result.reason}`).toBe(0);
  }
  expect(results.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThan(0);
  expect((await client.fetch('/after', { method: 'POST' })).status).toBe(200);
  expect(pairings()).toBe(1); // a network's failures do not make the client pair again
});
