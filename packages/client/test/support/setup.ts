// One relay and one pinned client per test, ended with it.
import { createRelayClient, type RelayClient, type RelayClientOptions } from '@mte-relay/client';
import { createRelayForwarder, type RelayForwarder } from '@mte-relay/client/forward';
import { onTestFinished } from 'vitest';
import { TestRelay } from './relay.ts';

export async function setUp(options: RelayClientOptions = {}): Promise<{ relay: TestRelay; client: RelayClient }> {
  const relay = await TestRelay.start();
  const client = createRelayClient(relay.url, { pins: [relay.pin], ...options });
  onTestFinished(async () => {
    client.close();
    await relay.stop();
  });
  return { relay, client };
}

/** The same with a forwarder, as a proxy has it. */
export async function setUpForwarder(): Promise<{ relay: TestRelay; client: RelayForwarder }> {
  const relay = await TestRelay.start();
  const client = createRelayForwarder(relay.url, { pins: [relay.pin] });
  onTestFinished(async () => {
    client.close();
    await relay.stop();
  });
  return { relay, client };
}

/** Content in pieces, each flushed, with nothing behind them until `hold` resolves. */
export async function* inPieces(pieces: readonly Uint8Array[], hold?: Promise<unknown>): AsyncGenerator<Uint8Array> {
  yield* pieces;
  await hold;
}

/** A promise that stays open. */
export function never<T>(): Promise<T> {
  return new Promise<T>(() => undefined);
}
