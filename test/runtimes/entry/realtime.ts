// Runs the scripts of WebSocket and EventSource in the runtime that runs this file (Node, Deno, Bun); prints one line of
// JSON. Argument: where the relay is, as JSON.
import { argv, exit } from 'node:process';
import { createRelayClient } from '@mte-relay/client';
import { EVENT_STREAM_CASES, EVENT_TYPES } from '@mte-relay/testing/event-stream-cases';
import { eventSourceScript, eventStreamScript, webSocketScript } from '../../e2e/support/realtime-scripts.ts';
import type { RealtimePlace } from '../support/realtime.ts';

const { relayUrl, pin } = JSON.parse(argv[2] as string) as RealtimePlace;
const { WebSocket, EventSource } = createRelayClient(relayUrl, { pins: [pin] });
const sealed = { WebSocket, EventSource, origin: relayUrl };
globalThis.realtime = { platform: sealed, sealed };
const kind = 'sealed';
const seen = {
  webSocket: await webSocketScript(kind),
  eventStreams: await eventStreamScript({ kind, count: EVENT_STREAM_CASES.length, types: [...EVENT_TYPES] }),
  eventSource: await eventSourceScript(kind),
};
console.log(JSON.stringify(seen));
exit(0); // connections that are kept alive would keep the process
