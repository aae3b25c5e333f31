// The listening side: node:http with its limits set, slow clients cut off, and an end without lost exchanges.
import { createServer, type IncomingMessage, type OutgoingHttpHeaders, type Server, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { OUTER_STATUS, type OuterCode } from '@mte-relay/protocol';
import type { RelayContext } from '../context.ts';
import { rawRefusal } from '../failure/planes.ts';
import { HEAD_CHECK_MS } from '../limits/fixed.ts';
import { countOuter } from '../observe/account.ts';
import type { Health } from '../observe/health.ts';
import type { Limit } from '../observe/metrics.ts';
import { lingerOnClose } from './lingering-close.ts';
import type { Router } from './router.ts';
import { isWebSocketHandshake } from './upgrade.ts';

/** A node:http server that answers for this relay; not listening yet. */
export function createHttpServer(context: RelayContext, router: Router): Server {
  const { admission, health, metrics, settings } = context;
  const server = createServer(
    {
      headersTimeout: settings.CLIENT_HEAD_TIMEOUT_MS,
      // No bound on a whole request: a large upload takes as long as it takes. The idle timeout below bounds a stall.
      requestTimeout: 0,
      keepAliveTimeout: settings.KEEP_ALIVE_TIMEOUT_MS,
      maxHeaderSize: settings.OUTER_HEAD_MAX_BYTES,
      noDelay: true,
      connectionsCheckingInterval: Math.min(HEAD_CHECK_MS, Math.ceil(settings.CLIENT_HEAD_TIMEOUT_MS / 4)),
      ServerResponse: endingWith(health),
      shouldUpgradeCallback: isWebSocketHandshake,
    },
    (req, res) => {
      latest.set(req.socket, res);
      router.route(req, res);
    },
  );
  // The router refuses by OUTER_FIELDS_MAX. Past node:http's own count some versions drop fields without a word, and
  // what is forwarded is then not what was sent.
  server.maxHeadersCount = 0;
  server.maxConnections = settings.CONNECTIONS_MAX;
  server.on('drop', () => count('CONNECTIONS_MAX'));
  server.on('connection', (socket) => {
    admission.connections += 1;
    socket.on('close', () => {
      admission.connections -= 1;
    });
    lingerOnClose(socket, () => latest.get(socket)?.req);
  });
  // The latest answer of a connection, to tell a stalled client from a patient one.
  const latest = new WeakMap<Socket, ServerResponse>();
  server.timeout = settings.CLIENT_IDLE_TIMEOUT_MS;
  server.on('timeout', (socket: Socket) => {
    const res = latest.get(socket);
    if (!res) return; // the first head is still coming, or this is no longer HTTP
    if (socket.writableLength > 0) {
      count('CLIENT_IDLE_TIMEOUT_MS'); // an answer waits, and the client takes none of it
      socket.destroy();
    } else if (res.writableFinished) {
      socket.destroy(); // kept alive for nothing
    } else if (!res.req.complete && !res.req.isPaused()) {
      count('CLIENT_IDLE_TIMEOUT_MS');
      cutOff(socket, res);
    }
    // Otherwise it waits for the upstream's answer, or for the next event, and is right to send nothing.
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy();
    const code = CLIENT_ERRORS[error.code ?? ''] ?? 'malformed';
    if (code === 'timeout') count('CLIENT_HEAD_TIMEOUT_MS');
    if (code === 'headers-too-large') count('OUTER_HEAD_MAX_BYTES');
    sayGoodbye(socket, code);
  });
  const count = (limit: Limit): void => {
    metrics.limits[limit].value += 1;
  };
  /** A request that stalls is refused where an answer is still possible, and broken off in any case. */
  const cutOff = (socket: Socket, res: ServerResponse): void => {
    if (res.headersSent) return void socket.destroy();
    res.statusCode = OUTER_STATUS.timeout; // what the log says of it
    sayGoodbye(socket, 'timeout');
  };
  const sayGoodbye = (socket: Socket, code: OuterCode): void => {
    countOuter(metrics, code);
    socket.write(rawRefusal(code));
    // Neither end nor a lingering close: those would wait for a client that stalls, or of whom nothing can be read.
    Socket.prototype.destroySoon.call(socket);
  };
  return server;
}

const CLIENT_ERRORS: Readonly<Record<string, OuterCode>> = {
  HPE_HEADER_OVERFLOW: 'headers-too-large',
  ERR_HTTP_REQUEST_TIMEOUT: 'timeout',
};

/** Answers that are begun during a shutdown close their connection, so that no request is sent into its end. */
function endingWith(health: Health): typeof ServerResponse<IncomingMessage> {
  return class extends ServerResponse<IncomingMessage> {
    override writeHead(status: number, reasonOrFields?: unknown, fields?: OutgoingHttpHeaders): this {
      if (health.draining && !this.headersSent) this.shouldKeepAlive = false;
      return super.writeHead(status, reasonOrFields as string, fields);
    }
  };
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
