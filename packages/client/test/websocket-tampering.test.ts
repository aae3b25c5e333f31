// An intermediary on the outer hop of a client's WebSocket: a frame that it changes, repeats, drops, cuts or makes up
// ends the WebSocket with 1006, is not delivered, and does not make the client reconnect.
import type { RelayClientError } from '@mte-relay/client';
import { sdkClient } from '@mte-relay/testing/sdk-client';
import { type WebSocketStage, webSocketStage } from '@mte-relay/testing/websocket-stage';
import { expect, test, vi } from 'vitest';
import {
  type InterceptedHop,
  type WebSocketIntermediary,
  webSocketIntermediary,
} from './support/websocket-intermediary.ts';

interface Intercepted {
  readonly on: WebSocketStage;
  readonly intermediary: WebSocketIntermediary;
  readonly pairings: () => number;
  open(): Watched;
}

interface Watched {
  readonly socket: WebSocket;
  readonly got: unknown[];
  /** The events at the end, and the error. */
  readonly ended: Promise<{ events: string[]; error: RelayClientError }>;
  readonly opened: Promise<void>;
}

async function intercepted(environment: Record<string, string> = {}): Promise<Intercepted> {
  const on = await webSocketStage({ environment });
  const intermediary = await webSocketIntermediary(on.port);
  const client = sdkClient(on, { WebSocket: intermediary.WebSocket });
  let pairings = 0;
  client.on('pair', () => {
    pairings += 1;
  });
  return {
    on,
    intermediary,
    pairings: () => pairings,
    open() {
      const socket = new client.WebSocket('/');
      const got: unknown[] = [];
      const events: string[] = [];
      let error: RelayClientError;
      socket.addEventListener('message', ({ data }) => got.push(data));
      return {
        socket,
        got,
        opened: new Promise((resolve) => socket.addEventListener('open', () => resolve())),
        ended: new Promise((resolve) => {
          socket.addEventListener('error', (event) => {
            events.push('error');
            ({ error } = event as ErrorEvent);
          });
          socket.addEventListener('close', ({ code, reason, wasClean }) => {
            events.push(`close ${code} ${reason} ${wasClean}`);
            resolve({ events, error });
          });
        }),
      };
    },
  };
}

const BROKEN = ['error', 'close 1006  false'];
const CUT = ['close 1006  false'];

function flipped(message: Buffer, at = message.length - 1): Buffer {
  const changed = Buffer.from(message);
  changed[at] = (changed[at] as number) ^ 1;
  return changed;
}

test.each<[string, (message: Buffer, hop: InterceptedHop) => Buffer[]]>([
  ['a flipped bit', (message) => [flipped(message)]],
  ['a repeated frame', (message) => [message, message]],
  ['a frame that is not the next one', (message) => [Buffer.concat([message, Buffer.of(0)])]],
  ['a truncated frame', (message) => [message.subarray(0, -1)]],
  ['an empty frame', () => [Buffer.alloc(0)]],
  ['a frame above the limit', () => [Buffer.alloc(70_000)]],
])('%s from the relay ends it, and delivers nothing more', async (_name, change) => {
  const { intermediary, open, pairings } = await intercepted();
  intermediary.toClient = (message, at, hop) => (at === 2 ? change(message, hop) : [message]);
  const { socket, got, ended, opened } = open();
  await opened;
  socket.send('one');
  socket.send('two');
  socket.send('three');
  const { events, error } = await ended;
  expect(events).toEqual(BROKEN);
  expect(error.code).toBe('websocket-broken');
  expect(got.slice(0, 1)).toEqual(['one']);
  expect(got).not.toContain('three');
  await new Promise((resolve) => setTimeout(resolve, 150));
  expect(intermediary.hops.length).toBe(1);
  expect(pairings()).toBe(1);
});

test('dropped and swapped frames are seen', async () => {
  const { intermediary, open } = await intercepted();
  let held: Buffer | undefined;
  intermediary.toClient = (message, at, { client }) => {
    if (at !== 1) return held ? [message, held] : [message];
    if (intermediary.hops.at(-1)?.client === client) held = message;
    return [];
  };
  const { socket, got, ended, opened } = open();
  await opened;
  socket.send('one');
  socket.send('two');
  expect((await ended).events).toEqual(BROKEN);
  expect(got).toEqual([]);
});

test('a text message from the intermediary ends it', async () => {
  const { intermediary, open } = await intercepted();
  const { got, ended, opened } = open();
  await opened;
  intermediary.hops[0]?.client.send('in clear');
  expect((await ended).events).toEqual(BROKEN);
  expect(got).toEqual([]);
});

test.each([1000, 1001, 1011, 4000])('an outer close %i without a sealed one is a cut, not an end', async (code) => {
  const { intermediary, open, on } = await intercepted();
  const { ended, opened } = open();
  await opened;
  intermediary.hops[0]?.client.close(code, 'all done');
  expect((await ended).events).toEqual(CUT);
  expect(await (await on.socket()).closed).toMatchObject({ code: 1006 });
  expect(intermediary.hops.length).toBe(1);
});

test('a cut connection, open or about to close, is never clean, and the client does not reopen it', async () => {
  const { intermediary, open } = await intercepted();
  const first = open();
  await first.opened;
  intermediary.hops[0]?.client.terminate();
  expect((await first.ended).events).toEqual(CUT);

  const second = open();
  await second.opened;
  intermediary.toRelay = () => []; // the close frame is swallowed
  second.socket.close(1000);
  await expect.poll(() => intermediary.hops[1]?.client.readyState).toBe(1);
  intermediary.hops[1]?.client.terminate();
  expect((await second.ended).events).toEqual(CUT);
  await new Promise((resolve) => setTimeout(resolve, 150));
  expect(intermediary.hops.length).toBe(2);
});

test('a response that was changed, made up, or belongs to another opening does not open it', async () => {
  const { intermediary, open, on } = await intercepted();
  let other: Buffer | undefined;
  const changes: ((message: Buffer) => Buffer)[] = [
    (message) => {
      other = message;
      return flipped(message, 0);
    },
    (message) => flipped(message),
    () => Buffer.alloc(40),
    () => other as Buffer,
  ];
  for (const change of changes) {
    intermediary.toClient = (message, at) => (at === 0 ? [change(message)] : [message]);
    const { ended } = open();
    const { events } = await ended;
    expect(events).toEqual(BROKEN);
  }
  expect(on.upgrades.length).toBe(changes.length);
});

test('a forged "session unknown" costs one pairing, and no more', async () => {
  const { intermediary, open, pairings } = await intercepted();
  intermediary.toRelay = (message, at, { client }) => {
    if (at > 0) return [message];
    client.close(4401, 'session-unknown');
    return [];
  };
  const { ended } = open();
  const { events, error } = await ended;
  expect(events).toEqual(BROKEN);
  expect(error.code).toBe('unreachable');
  expect(intermediary.hops.length).toBe(2);
  expect(pairings()).toBe(2);
});

test('a recorded opening does not open twice, and no message goes in clear', async () => {
  const { intermediary, open, on } = await intercepted();
  const seen: Buffer[] = [];
  intermediary.toRelay = (message) => {
    seen.push(message);
    return [message];
  };
  const first = open();
  await first.opened;
  first.socket.send('a secret word');
  await expect.poll(() => first.got).toEqual(['a secret word']);
  expect(Buffer.concat(seen).includes('secret')).toBe(false);
  const [recorded] = seen as [Buffer];
  intermediary.toRelay = (message, at) => (at === 0 ? [recorded] : [message]);
  const { events, error } = await open().ended;
  expect(events).toEqual(BROKEN);
  expect(error.message).toContain('4409 replayed');
  expect(on.upgrades.length).toBe(1);
});

test.each<[string, boolean, (hop: InterceptedHop) => Buffer[]]>([
  [
    'has passed its handshake on, drops the response and closes',
    true,
    ({ relay, client }) => {
      relay.once('message', () => client.close(1011)); // before the handshake is passed on
      return [];
    },
  ],
  [
    'closes before it passes the handshake on',
    true,
    ({ client }) => {
      client.close(4503, 'unavailable');
      return [];
    },
  ],
])('an intermediary %s: the API may have seen the WebSocket', async (_what, mayHaveRun, act) => {
  const { intermediary, open } = await intercepted();
  intermediary.toClient = () => [];
  intermediary.toRelay = (message, _at, hop) => {
    const passed = act(hop);
    return passed.length > 0 ? passed : [message];
  };
  const { error } = await open().ended;
  expect(error).toMatchObject({ code: 'unreachable', mayHaveRun });
});

test('an outer WebSocket that never opens: nothing was sent', async () => {
  const on = await webSocketStage();
  const client = sdkClient(on, {
    WebSocket: class extends globalThis.WebSocket {
      constructor() {
        super('ws://127.0.0.1:1');
      }
    } as unknown as typeof globalThis.WebSocket,
  });
  const socket = new client.WebSocket('/');
  const error = await new Promise((resolve) => {
    socket.addEventListener('error', (event) => resolve((event as ErrorEvent).error));
  });
  expect(error).toMatchObject({ code: 'unreachable', mayHaveRun: false });
});

test('closed by the app before the response to its handshake: the API may have seen the WebSocket', async () => {
  const { intermediary, open } = await intercepted();
  const { promise: responded, resolve } = Promise.withResolvers<void>();
  intermediary.toClient = () => {
    resolve();
    return [];
  };
  const { socket, ended } = open();
  await responded;
  socket.close();
  expect((await ended).error).toMatchObject({ code: 'closed', mayHaveRun: true });
});

test('the outer WebSocket of an opening that was too old is closed, and its end is not that of the next one', async () => {
  const { intermediary, open } = await intercepted({ MESSAGE_AGE_MAX_MS: '1000' });
  intermediary.toRelay = (message, at, { relay }) => {
    if (at > 0 || intermediary.hops.length > 1) return [message];
    setTimeout(() => relay.send(message), 1_300);
    return [];
  };
  intermediary.holdsClose = true;
  const { socket, got, opened } = open();
  await opened;
  const [stale] = intermediary.hops as [InterceptedHop];
  await vi.waitFor(() => expect(stale.client.readyState).toBe(stale.client.CLOSED));
  const echoed = new Promise((resolve) => socket.addEventListener('message', resolve));
  socket.send('one');
  await echoed;
  expect(got).toEqual(['one']);
});
