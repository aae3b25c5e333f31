// A WebSocket's message and a stream's event that do not end: what the client holds of them is bounded, also where the
// relay's own bound is set higher, and the error names it.
import { sdkClient } from '@mte-relay/testing/sdk-client';
import { stage } from '@mte-relay/testing/stage';
import { webSocketStage } from '@mte-relay/testing/websocket-stage';
import { expect, test } from 'vitest';
import { EventStreamReader } from '../src/realtime/event-stream.ts';
import { MESSAGE_MAX } from '../src/realtime/limits.ts';

const PIECE_BYTES = 1_048_576;

test('a WebSocket whose message is longer ends with an error that names the limit', async () => {
  const on = await webSocketStage({ environment: { WEBSOCKET_MESSAGE_MAX_BYTES: '1073741824' } });
  const socket = new (sdkClient(on).WebSocket)('/');
  socket.binaryType = 'arraybuffer';
  const sizes: number[] = [];
  socket.onmessage = ({ data }) => sizes.push((data as ArrayBuffer).byteLength);
  const failure = new Promise<unknown>((resolve) => {
    socket.onerror = (event) => resolve((event as ErrorEvent).error);
  });
  const closed = new Promise<CloseEvent>((resolve) => {
    socket.onclose = resolve;
  });
  const { ws } = await on.socket();
  ws.send(new Uint8Array(MESSAGE_MAX));
  ws.send(new Uint8Array(MESSAGE_MAX + 1));
  expect(await failure).toMatchObject({
    code: 'websocket-broken',
    message: expect.stringContaining(`more than ${MESSAGE_MAX} bytes`),
  });
  expect(await closed).toMatchObject({ code: 1006, wasClean: false });
  expect(sizes).toEqual([MESSAGE_MAX]);
});

test.each([
  ['of one line', 'x'.repeat(PIECE_BYTES)],
  ['of many lines', `data: ${'x'.repeat(1_000)}\n`.repeat(1_000)],
])('an EventSource with an event %s that does not end fails for good', async (_, piece) => {
  let connections = 0;
  const on = await stage((_req, res) => {
    connections += 1;
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    res.write('data: ');
    const more = (): void => {
      while (!res.destroyed && res.write(piece));
    };
    res.on('drain', more);
    more();
  });
  const source = new (sdkClient(on).EventSource)('/');
  const error = await new Promise<ErrorEvent>((resolve) => {
    source.onerror = (event) => resolve(event as ErrorEvent);
  });
  expect(error.error).toMatchObject({
    code: 'event-stream-refused',
    message: expect.stringContaining(`more than ${MESSAGE_MAX} characters`),
  });
  expect(source.readyState).toBe(source.CLOSED);
  expect(connections).toBe(1);
});

test('events that end may together be longer', () => {
  let events = 0;
  const reader = new EventStreamReader('', () => {
    events += 1;
  });
  const event = `data: ${'x'.repeat(PIECE_BYTES)}\n\n`;
  for (let bytes = 0; bytes <= MESSAGE_MAX; bytes += PIECE_BYTES) reader.push(event);
  expect(events).toBe(MESSAGE_MAX / PIECE_BYTES + 1);
});
