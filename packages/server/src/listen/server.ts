// The public port: node:http with the relay's limits, timeouts of slow clients, and a shutdown that loses no exchange.
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
import type { Turns } from './turns.ts';
import { isWebSocketHandshake } from './upgrade.ts';

/** A node:http server for this relay, which does not listen yet. @param turns handle its requests. */
export function createHttpServer(context: RelayContext, turns: Turns): Server {
  const { admission, health, metrics, settings } = context;
  const server = createServer(
    {
      headersTimeout: settings.CLIENT_HEAD_TIMEOUT_MS,
      // A large upload may take any time. The idle timeout below bounds a stall.
      requestTimeout: 0,
      keepAliveTimeout: settings.KEEP_ALIVE_TIMEOUT_MS,
      maxHeaderSize: settings.OUTER_HEAD_MAX_BYTES,
      noDelay: true,
      connectionsCheckingInterval: Math.min(HEAD_CHECK_MS, Math.ceil(settings.CLIENT_HEAD_TIMEOUT_MS / 4)),
      ServerResponse: endingWith(health),
      shouldUpgradeCallback: isWebSocketHandshake,
      requireHostHeader: false, // the router refuses in turn; node:http would run what is pipelined behind
    },
    (req, res) => turns.take(req, res),
  );
  // The router refuses by OUTER_FIELDS_MAX. Above their own limit some versions of node:http silently drop fields, and
  // the relay would then forward another request than the client sent.
  server.maxHeadersCount = 0;
  server.maxConnections = settings.CONNECTIONS_MAX;
  server.on('drop', () => count('CONNECTIONS_MAX'));
  server.on('connection', (socket) => {
    admission.connections += 1;
    socket.on('close', () => {
      admission.connections -= 1;
    });
    lingerOnClose(socket, turns);
  });
  server.timeout = settings.CLIENT_IDLE_TIMEOUT_MS;
  // node:http would respond itself, out of turn, and nothing would then end the connection when it is idle.
  server.on('checkExpectation', (req, res) => turns.take(req, res));
  server.on('timeout', (socket: Socket) => {
    const res = turns.latest(socket); // to distinguish a client that stalls from one that waits
    if (!res) return; // the first head is incomplete, or the connection was upgraded
    if (socket.writableLength > 0) {
      count('CLIENT_IDLE_TIMEOUT_MS'); // the client does not read its response
      socket.destroy();
    } else if (res.writableFinished) {
      socket.destroy(); // an idle connection
    } else if (!res.req.complete && !res.req.isPaused()) {
      count('CLIENT_IDLE_TIMEOUT_MS');
      cutOff(socket, res);
    }
    // Otherwise the client waits for the upstream's response or for its next event.
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy();
    const code = CLIENT_ERRORS[error.code ?? ''] ?? 'malformed';
    const refuse = (): void => {
      if (code === 'timeout') count('CLIENT_HEAD_TIMEOUT_MS');
      if (code === 'headers-too-large') count('OUTER_HEAD_MAX_BYTES');
      refuseAndClose(socket, code);
    };
    const res = turns.current(socket);
    if (!res || (!res.headersSent && !res.req.complete)) return refuse();
    // Bytes behind a request that closes the connection are not a request (RFC 9112 §9.6).
    if (error.code === 'HPE_CLOSED_CONNECTION') return;
    // A head that takes too long, behind responses that take longer.
    if (code === 'timeout') turns.atEnd(socket, refuse);
    else closeSilently(socket, res);
  });
  server.on('connect', (req, socket: Socket) => {
    socket.on('error', () => socket.destroy()); // node:http has removed its own listener
    const res = turns.current(req.socket);
    if (res) closeSilently(socket, res);
    else refuseAndClose(socket, 'malformed');
  });
  const count = (limit: Limit): void => {
    metrics.limits[limit].value += 1;
  };
  /** Closes a request that stalls, with a refusal unless its response has begun. */
  const cutOff = (socket: Socket, res: ServerResponse): void => {
    if (res.headersSent) return void socket.destroy();
    res.statusCode = OUTER_STATUS.timeout; // for the log line
    refuseAndClose(socket, 'timeout');
  };
  const refuseAndClose = (socket: Socket, code: OuterCode): void => {
    countOuter(metrics, code);
    socket.write(rawRefusal(code));
    // Without a lingering close, which would wait for a client that stalls or whose bytes cannot be parsed.
    Socket.prototype.destroySoon.call(socket);
  };
  return server;
}

/** Closes without a byte that a client would take for a part of the response; one that was written whole is sent. */
function closeSilently(socket: Socket, res: ServerResponse): void {
  if (res.writableEnded) Socket.prototype.destroySoon.call(socket);
  else socket.destroy();
}

const CLIENT_ERRORS: Readonly<Record<string, OuterCode>> = {
  HPE_HEADER_OVERFLOW: 'headers-too-large',
  ERR_HTTP_REQUEST_TIMEOUT: 'timeout',
};

/** Responses that begin during a shutdown close their connection, so that no client sends its next request there. */
function endingWith(health: Health): typeof ServerResponse<IncomingMessage> {
  return class extends ServerResponse<IncomingMessage> {
    override writeHead(status: number, reasonOrFields?: unknown, fields?: OutgoingHttpHeaders): this {
      if (health.draining && !this.headersSent) this.shouldKeepAlive = false;
      return super.writeHead(status, reasonOrFields as string, fields);
    }
  };
}

/** Stops accepting connections, waits for exchanges in progress, and closes the others after the timeout. */
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
