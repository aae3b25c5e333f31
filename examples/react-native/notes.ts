// The app's API: the calls that it made before, with the relay's fetch in place of the platform's.
import { createRelayClient } from '@mte-relay/client';

const RELAY = 'http://localhost:8080';
const relay = createRelayClient(RELAY, { pins: ['sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='] });

export interface Note {
  readonly id: number;
  readonly text: string;
}

export async function addNote(text: string): Promise<Note> {
  const response = await relay.fetch(`${RELAY}/notes`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ text }),
  });
  if (!response.ok) throw new Error(`the API responded with ${response.status}`);
  return (await response.json()) as Note;
}
