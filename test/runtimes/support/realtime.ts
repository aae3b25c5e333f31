// WebSocket and EventSource of the client in a runtime, held to what Chromium's own classes give: the same scripts, the
// same API, their results as test/e2e/realtime-in-chromium.test.ts keeps them.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EVENT_STREAM_CASES } from '@mte-relay/testing/event-stream-cases';
import { relayTo } from '@mte-relay/testing/relay';
import { closeServer, listen, urlOf } from '@mte-relay/testing/servers';
import { describe, expect, test } from 'vitest';
import { realtimeApi } from '../../e2e/support/realtime-api.ts';
import { outputOf, ROOT } from './conformance.ts';

/** The records of the scripts of test/e2e/support/realtime-scripts.ts. */
export interface RealtimeSeen {
  readonly webSocket: readonly string[];
  readonly eventStreams: readonly (readonly string[])[];
  readonly eventSource: readonly string[];
}

/** Where the client finds its relay. */
export interface RealtimePlace {
  readonly relayUrl: string;
  readonly pin: string;
}

/** Runs the scripts against a real relay and API. @param origin of the page, where there is one. */
export async function withRealtimeRelay<T>(
  run: (place: RealtimePlace) => Promise<T>,
  origin = 'http://localhost:1',
): Promise<T> {
  const api = realtimeApi();
  const relay = relayTo(urlOf(await listen(api)), { CORS_ORIGINS: origin });
  try {
    return await run({ relayUrl: `http://localhost:${await relay.listen(0)}`, pin: relay.pin });
  } finally {
    await relay.close();
    closeServer(api);
  }
}

/** For runtimes with sockets: the scripts in a process of their own. */
export async function realtimeByCommand(command: string, args: readonly string[]): Promise<RealtimeSeen> {
  const entry = 'test/runtimes/entry/realtime.ts';
  return await withRealtimeRelay(async (place) => {
    const printed = await outputOf(command, [...args, entry, JSON.stringify(place)]);
    return JSON.parse(printed) as RealtimeSeen;
  });
}

/** Called at the top of a test file: a test per script. */
export function realtimeTests(name: string, seen: RealtimeSeen): void {
  describe(`WebSocket and EventSource in ${name}`, () => {
    test('the script sees the same WebSocket as with the class of a browser', () => {
      expect(seen.webSocket).toEqual(inChromium('websocket'));
    });

    test.each(EVENT_STREAM_CASES.map(({ name: caseName, events }, at) => ({ caseName, events, at })))(
      'event stream: $caseName',
      ({ events, at }) => expect(seen.eventStreams[at]).toEqual(events),
    );

    test('the script sees the same EventSource as with the class of a browser', () => {
      expect(seen.eventSource).toEqual(inChromium('event-source'));
    });
  });
}

function inChromium(what: 'websocket' | 'event-source'): string[] {
  return readFileSync(join(ROOT, `test/e2e/support/realtime-${what}.txt`), 'utf8')
    .trimEnd()
    .split('\n');
}
