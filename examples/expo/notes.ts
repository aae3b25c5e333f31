// The app's API. Relay and pin come from the environment that Expo builds with: EXPO_PUBLIC_RELAY, EXPO_PUBLIC_PIN.
import { createRelayClient } from '@mte-relay/client';

const relay = createRelayClient(process.env.EXPO_PUBLIC_RELAY ?? 'http://localhost:8080', {
  pins: [process.env.EXPO_PUBLIC_PIN ?? 'sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='],
});

export interface Note {
  readonly id: number;
  readonly text: string;
}

export async function listNotes(): Promise<readonly Note[]> {
  const response = await relay.fetch('/notes');
  if (!response.ok) throw new Error(`the API responded with ${response.status}`);
  return (await response.json()) as Note[];
}
