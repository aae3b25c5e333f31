// The client of apps in front of a relay of a test.
import { createRelayClient, type RelayClient, type RelayClientOptions } from '@mte-relay/client';
import { type Stage, stage } from './stage.ts';
import { endsWithTest } from './test-end.ts';

/** A client that pins the relay's key; it is closed with the test. */
export function sdkClient(
  { url, pin }: { readonly url: string; readonly pin: string },
  options: RelayClientOptions = {},
): RelayClient {
  return endsWithTest(createRelayClient(url, { pins: [pin], ...options }));
}

/** A {@link stage} and a client in front of it. */
export async function sdkStage(
  ...options: Parameters<typeof stage>
): Promise<Stage & { readonly client: RelayClient }> {
  const staged = await stage(...options);
  return { ...staged, client: sdkClient(staged) };
}
