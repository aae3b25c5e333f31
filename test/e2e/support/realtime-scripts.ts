// Scripts that use a WebSocket and an EventSource in every way and write down what they see. Each runs by itself, in a page
// or in a runtime without one, against `globalThis.realtime`.

export interface Realtime {
  readonly WebSocket: typeof WebSocket;
  readonly EventSource: typeof EventSource;
  /** `http://host:port` of what they connect to. */
  readonly origin: string;
}

declare global {
  /** The platform's classes straight to the API, and the client's through the relay. */
  var realtime: Record<'platform' | 'sealed', Realtime>;
}

/** A line for everything that a script can see of a WebSocket. Ports are left out of it. */
export async function webSocketScript(kind: 'platform' | 'sealed'): Promise<string[]> {
  const { WebSocket, origin } = globalThis.realtime[kind];
  const log: string[] = [];
  const shown = (value: unknown): string => `${value}`.replaceAll(/:\d{4,5}/g, ':port');
  const thrown = (what: string, call: () => unknown): void => {
    try {
      log.push(`${what}: ${shown(call())}`);
    } catch (error) {
      log.push(`${what}: throws ${(error as Error).name}`);
    }
  };
  const watched = (name: string, socket: WebSocket): Promise<void> =>
    new Promise((resolve) => {
      for (const type of ['open', 'error', 'close'] as const) {
        socket.addEventListener(type, (event) => {
          const { code, reason, wasClean } = event as CloseEvent;
          const facts = type === 'close' ? ` ${code} "${reason}" ${wasClean}` : '';
          log.push(`${name} ${type}${facts} in state ${socket.readyState}`);
          log.push(`${name} ${event.target === socket} ${event.isTrusted || !event.isTrusted} ${event.cancelable}`);
          if (type === 'close') resolve();
        });
      }
      socket.addEventListener('message', ({ data, origin: from, lastEventId }) => {
        const what =
          typeof data === 'string'
            ? `"${data}"`
            : `${Object.prototype.toString.call(data)} ${data.size ?? data.byteLength}`;
        log.push(`${name} message ${what} from ${shown(from)} "${lastEventId}"`);
      });
    });
  const opened = (socket: WebSocket): Promise<unknown> =>
    new Promise((resolve) => socket.addEventListener('open', resolve));
  const messages = (socket: WebSocket, count: number): Promise<void> =>
    new Promise((resolve) => {
      let left = count;
      socket.addEventListener('message', () => {
        left -= 1;
        if (left === 0) resolve();
      });
    });

  // Constants and arguments
  log.push(`${[WebSocket.CONNECTING, WebSocket.OPEN, WebSocket.CLOSING, WebSocket.CLOSED]}`);
  for (const url of ['http://[', 'ftp://x/', `${origin}/echo#f`, `${origin}/echo#`]) {
    thrown(`new ${url.replace(origin, '')}`, () => new WebSocket(url));
  }
  for (const protocols of ['', 'a b', 'a,b', 'ü', ['x', 'x'], ['x', '']]) {
    thrown(`protocols ${JSON.stringify(protocols)}`, () => new WebSocket(`${origin}/echo`, protocols));
  }

  // Opening
  const socket = new WebSocket(`${origin}/echo?a=%20b`, ['one', 'two']);
  const socketEnd = watched('echo', socket);
  log.push(
    `${socket.readyState} ${shown(socket.url)} "${socket.protocol}" "${socket.extensions}" ${socket.binaryType}`,
  );
  log.push(`${socket.bufferedAmount} ${socket.onopen} ${socket.CONNECTING} ${socket instanceof EventTarget}`);
  thrown('send while connecting', () => socket.send('x'));
  thrown('close with a bad code', () => socket.close(1001));
  await opened(socket);
  log.push(`${socket.readyState} "${socket.protocol}"`);

  // Messages
  thrown('send nothing', () => (socket.send as () => void)());
  const all = messages(socket, 9);
  socket.send('text ü 🙂');
  socket.send('\ud800 lone');
  socket.send('');
  socket.send(new Uint8Array([1, 2, 3]));
  socket.send(new Uint16Array([1, 2, 3]).subarray(1));
  socket.send(new Blob(['a blob']));
  socket.send(new ArrayBuffer(0));
  socket.send(null as unknown as string);
  socket.send({} as unknown as string);
  await all;
  socket.binaryType = 'arraybuffer';
  const buffers = messages(socket, 2);
  socket.send(new Uint8Array(200_000));
  socket.send('x'.repeat(300_000).slice(0, 12));
  await buffers;
  socket.binaryType = 'nonsense' as BinaryType;
  log.push(socket.binaryType);
  socket.send('12345');
  log.push(`waits ${socket.bufferedAmount}`);

  // Closing
  for (const code of [0, 999, 1002, 2999, 5000, 70_000, -1]) thrown(`close ${code}`, () => socket.close(code));
  thrown('close 1000 long', () => socket.close(1000, 'x'.repeat(124)));
  socket.close(3456, 'enough');
  log.push(`closing ${socket.readyState}`);
  thrown('close again', () => socket.close(1000));
  await socketEnd;
  thrown('send after', () => socket.send('into the void'));
  log.push(`after ${socket.readyState} ${socket.bufferedAmount >= 13}`);

  // Other ends
  for (const path of ['close-4000', 'close-none', 'cut', 'refuse', 'no-protocol']) {
    const ending = new WebSocket(`${origin}/${path}`, path === 'no-protocol' ? ['x'] : []);
    await watched(path, ending);
  }
  const plain = new WebSocket(`${origin}/echo`);
  const plainEnd = watched('plain', plain);
  await opened(plain);
  plain.close();
  await plainEnd;
  const early = new WebSocket(`${origin}/echo`);
  const earlyEnd = watched('early', early);
  early.close(3000, 'x');
  log.push(`early ${early.readyState}`);
  await earlyEnd;
  return log;
}

/** The events of each stream, as `type|data|lastEventId`. */
export async function eventStreamScript(given: {
  kind: 'platform' | 'sealed';
  count: number;
  types: string[];
}): Promise<string[][]> {
  const { EventSource, origin } = globalThis.realtime[given.kind];
  const got: string[][] = [];
  for (let at = 0; at < given.count; at += 1) {
    const events: string[] = [];
    got.push(events);
    const source = new EventSource(`${origin}/case/${at}`);
    for (const type of given.types) {
      source.addEventListener(type, ({ data, lastEventId }) => events.push(`${type}|${data}|${lastEventId}`));
    }
    await new Promise((resolve) => source.addEventListener('error', resolve));
    source.close();
  }
  return got;
}

/** A line for everything that a script can see of an EventSource besides: reconnection, refusals, closing. */
export async function eventSourceScript(kind: 'platform' | 'sealed'): Promise<string[]> {
  const { EventSource, origin } = globalThis.realtime[kind];
  const log: string[] = [`${[EventSource.CONNECTING, EventSource.OPEN, EventSource.CLOSED]}`];
  try {
    new EventSource('http://[');
  } catch (error) {
    log.push((error as Error).name);
  }
  const runs: [path: string, errors: number][] = [
    ['reconnect', 2],
    ['status-204', 1],
    ['status-500', 1],
    ['plain-text', 1],
    ['redirect', 1],
  ];
  for (const [path, errors] of runs) {
    const source = new EventSource(`${origin}/${path}`, { withCredentials: true });
    log.push(`${path} ${source.readyState} ${source.withCredentials} ${source.url === `${origin}/${path}`}`);
    let left = errors;
    await new Promise<void>((resolve) => {
      source.onopen = () => log.push(`${path} open ${source.readyState}`);
      source.onmessage = (event) =>
        log.push(`${path} "${event.data}" ${event.lastEventId} ${event.origin === origin} ${event.target === source}`);
      source.onerror = () => {
        log.push(`${path} error ${source.readyState}`);
        left -= 1;
        if (left === 0) resolve();
      };
    });
    source.close();
    log.push(`${path} ${source.readyState}`);
  }
  return log;
}
