// A session store that fails: each way refuses with 503, and the operator sees the store's failure, not the client's.
import { MemorySessionStore } from '@mte-relay/server';
import { SealedClient } from '@mte-relay/testing/sealed-client';
import { openOuter, TestWebSocket } from '@mte-relay/testing/sealed-websocket';
import { stage } from '@mte-relay/testing/stage';
import { expect, onTestFinished, test } from 'vitest';
import { relaySeries } from '../support/admin.ts';

type Operation = 'birth' | 'create' | 'find' | 'claim';

/** A store in memory, of which one operation rejects with an error of its own kind once it is told to. */
class FailingStore extends MemorySessionStore {
  failing: Operation | undefined;

  constructor() {
    super({ sessionsMax: 100, soleInstance: true });
    for (const operation of ['birth', 'create', 'find', 'claim'] as const) {
      const work = this[operation].bind(this) as (...args: unknown[]) => unknown;
      (this as unknown as Record<string, unknown>)[operation] = async (...args: unknown[]) => {
        if (this.failing === operation) throw new TypeError('the disk is full');
        return work(...args);
      };
    }
  }
}

test.each(['birth', 'create'] as const)(
  'a pairing is refused with 503 when %s fails, and counts as failed',
  async (operation) => {
    const sessions = new FailingStore();
    const { port, relay } = await stage(undefined, { sessions });
    sessions.failing = operation;
    await expect(SealedClient.pair(port)).rejects.toThrow(/503 unavailable/);
    const series = await relaySeries({ relay });
    expect(series.get('mte_relay_pairings_total{outcome="failed"}')).toBe(1);
    expect(series.get('mte_relay_store_failures_total')).toBe(1);
  },
);

test('a sealed WebSocket is closed with 4503 when the store fails, and the time of the store is observed', async () => {
  const sessions = new FailingStore();
  const { port, relay } = await stage(undefined, { sessions });
  const client = await SealedClient.pair(port);
  sessions.failing = 'claim';
  const outer = await openOuter(port);
  onTestFinished(() => outer.terminate());
  const socket = new TestWebSocket(outer);
  outer.send(await socket.sealOpening(client));
  expect((await socket.outerClosed).code).toBe(4503);
  const series = await relaySeries({ relay });
  expect(series.get('mte_relay_store_failures_total')).toBe(1);
  expect(series.get('mte_relay_store_seconds_count{operation="find"}')).toBe(1);
});
