// One small relay and one pinned client per test, ended with it.
import type { RelayClient, RelayClientOptions } from '@mte-relay/client';
import { createRelayForwarder, type RelayForwarder } from '@mte-relay/client/forward';
import { sdkClient } from '@mte-relay/testing/sdk-client';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { TestRelay } from '@mte-relay/testing/test-relay';

export async function setUp(options: RelayClientOptions = {}): Promise<{ relay: TestRelay; client: RelayClient }> {
  const relay = endsWithTest(await TestRelay.start());
  return { relay, client: sdkClient(relay, options) };
}

/** The same with a forwarder, as a proxy has it. */
export async function setUpForwarder(): Promise<{ relay: TestRelay; client: RelayForwarder }> {
  const relay = endsWithTest(await TestRelay.start());
  return { relay, client: endsWithTest(createRelayForwarder(relay.url, { pins: [relay.pin] })) };
}
