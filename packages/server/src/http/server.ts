// The listening side: node:http with its limits set, slow clients cut off, and an end without lost exchanges.
import { createServer, type Server, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { RelayContext } from '../context.ts';
import { Router } from './router.ts';

const HEADERS_TIMEOUT_MS = 30_000;
const KEEP_ALIVE_TIMEOUT_MS = 75_000; // longer than the idle time of usual load balancers, so that they close first
const OUTER_HEADERS_MAX_BYTES = 32_768;

/** A node:http server that answers for this relay; not listening yet. */
export function createHttpServer(context: RelayContext): Server {
  const router = new Router(context);
  const server = createServer(
    {
      headersTimeout: HEADERS_TIMEOUT_MS,
      // No bound on a whole request: a large upload takes as long as it takes. The idle timeout below bounds a stall.
      requestTimeout: 0,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      maxHeaderSize: OUTER_HEADERS_MAX_BYTES,
      noDelay: true,
      connectionsCheckingInterval: 5_000,
    },
    (req, res) => {
      busy.set(req.socket, req);
      router.route(req, res);
    },
  );
  // Which request a connection is on, to tell a stalled client from a patient one.
  const busy = new WeakMap<Socket, { complete: boolean }>();
  server.timeout = context.settings.CLIENT_IDLE_TIMEOUT_MS;
  server.on('timeout', (socket: Socket) => {
    // A client that waits for the upstream's answer, or for the next event, sends nothing and is right to.
    if (busy.get(socket)?.complete === false) socket.destroy();
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy();
    const status = error.code === 'HPE_HEADER_OVERFLOW' ? 431 : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400;
    socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
  });
  return server;
}

/** Stops accepting, waits for exchanges under way and breaks off what is not done in time. */
export async function closeHttpServer(server: Server, timeoutMs: number): Promise<void> {
  await new Promise<void>((resolve) => {
    const deadline = setTimeout(() => server.closeAllConnections(), timeoutMs);
    server.close(() => {
      clearTimeout(deadline);
      resolve();
    });
    server.closeIdleConnections();
  });
}
