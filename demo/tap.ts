// Pipes a public port to the relay's own port, unaltered, and keeps the first bytes of each sealed exchange that passes.

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { Feed, type Observation } from './feed.ts';
import { type BodyLength, HttpFramer } from './http-framer.ts';

const CAPTURE_MAX_BYTES = 4096;
const EXCHANGES_KEPT = 200;

/** The bytes of one direction of one exchange. */
export interface WireBytes {
  totalBytes: number;
  /** The first bytes as they were on the wire, base64 in JSON. */
  captured: Buffer;
}

export interface WireExchange extends Observation {
  readonly connection: number;
  readonly method: string;
  readonly path: string;
  readonly startedAtMs: number;
  durationMs: number;
  status: number;
  done: boolean;
  /** True once a request at the backend has been put down to this exchange. */
  claimed: boolean;
  readonly request: WireBytes;
  readonly response: WireBytes;
}

export interface Tap {
  readonly port: number;
  readonly exchanges: Feed<WireExchange>;
  close(): Promise<void>;
}

/**
 * Listens on both loopback addresses. `port` 0 takes any free one.
 * Rejects with the listen error (`EADDRINUSE`) when the port is taken.
 */
export async function openTap(options: { port: number; relayPort: number }): Promise<Tap> {
  const exchanges = new Feed<WireExchange>(EXCHANGES_KEPT);
  const sockets = new Set<Socket>();
  let connections = 0;
  const accept = (client: Socket): void => {
    connections += 1;
    // Only loopback may come in by 127.0.0.1, so the relay is always reached there too.
    const relay = connect({ port: options.relayPort, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    for (const socket of [client, relay]) {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
    }
    watch(client, relay, exchanges, connections);
    join(client, relay);
  };
  const first = await listen(accept, '127.0.0.1', options.port);
  const port = (first.address() as AddressInfo).port;
  const second = await listen(accept, '::1', port).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EADDRINUSE') return undefined; // a machine without IPv6
    first.close();
    throw error;
  });
  return {
    port,
    exchanges,
    async close() {
      for (const socket of sockets) socket.destroy();
      await Promise.all([first, second].map((server) => server?.[Symbol.asyncDispose]()));
    },
  };
}

async function listen(accept: (client: Socket) => void, host: string, port: number): Promise<Server> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, accept);
  server.listen(port, host);
  await once(server, 'listening');
  return server;
}

/** Both ways with back-pressure; an end travels as an end, a broken side breaks the other. */
function join(client: Socket, relay: Socket): void {
  client.pipe(relay);
  relay.pipe(client);
  for (const [socket, other] of [
    [client, relay],
    [relay, client],
  ] as const) {
    socket.on('error', () => other.destroy());
    socket.on('close', () => {
      const bothEnded = socket.readableEnded && other.readableEnded;
      if (!bothEnded) other.destroy();
    });
  }
}

/** Follows the exchanges of one connection. HTTP/1.1 responses come in order, so a queue pairs them with requests. */
function watch(client: Socket, relay: Socket, feed: Feed<WireExchange>, connection: number): void {
  const waiting: WireExchange[] = [];
  let sending: WireExchange | undefined;
  let interim = false;

  const requests = new HttpFramer({
    head(head) {
      const [method = '', path = ''] = head.split(' ', 2);
      sending = startExchange(feed, connection, method, path);
      waiting.push(sending);
      return bodyLength(head) ?? 0;
    },
    bytes: (bytes) => sending && note(feed, sending, sending.request, bytes),
  });

  const responses = new HttpFramer({
    head(head) {
      const status = Number(head.split(' ', 2)[1]);
      const exchange = waiting[0];
      interim = status >= 100 && status < 200 && status !== 101;
      if (exchange && !interim) exchange.status = status;
      if (status === 101) requests.switchToOpen();
      if (interim || status === 204 || status === 304 || exchange?.method === 'HEAD') return 0;
      return bodyLength(head) ?? 'open';
    },
    bytes: (bytes) => waiting[0] && note(feed, waiting[0], waiting[0].response, bytes),
    end() {
      if (!interim) finishExchange(feed, waiting.shift());
    },
  });

  client.on('data', (bytes: Buffer) => requests.push(bytes));
  relay.on('data', (bytes: Buffer) => responses.push(bytes));
  client.once('close', () => {
    for (const exchange of waiting.splice(0)) finishExchange(feed, exchange);
  });
}

function startExchange(feed: Feed<WireExchange>, connection: number, method: string, path: string): WireExchange {
  const make = (id: number, changed: number): WireExchange => ({
    id,
    changed,
    connection,
    method,
    path,
    startedAtMs: performance.timeOrigin + performance.now(),
    durationMs: 0,
    status: 0,
    done: false,
    claimed: false,
    request: { totalBytes: 0, captured: Buffer.alloc(0) },
    response: { totalBytes: 0, captured: Buffer.alloc(0) },
  });
  // The page's own files and questions pass here too; they are not sealed and not what is being shown.
  return path.startsWith('/api/mte') ? feed.add(make) : make(0, 0);
}

function finishExchange(feed: Feed<WireExchange>, exchange: WireExchange | undefined): void {
  if (!exchange) return;
  exchange.done = true;
  exchange.durationMs = performance.timeOrigin + performance.now() - exchange.startedAtMs;
  if (exchange.id > 0) feed.touch(exchange);
}

function note(feed: Feed<WireExchange>, exchange: WireExchange, side: WireBytes, bytes: Buffer): void {
  if (exchange.id === 0) return;
  side.totalBytes += bytes.length;
  const room = CAPTURE_MAX_BYTES - side.captured.length;
  if (room > 0) side.captured = Buffer.concat([side.captured, bytes.subarray(0, room)]);
  feed.touch(exchange);
}

function bodyLength(head: string): BodyLength | undefined {
  if (/^transfer-encoding:.*\bchunked\b/im.test(head)) return 'chunked';
  const length = /^content-length:\s*(\d+)/im.exec(head)?.[1];
  return length === undefined ? undefined : Number(length);
}
