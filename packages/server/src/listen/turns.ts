// One request of a connection at a time (RFC 9112 §9.3.2). node:http hands over every head that it has parsed, also before the
// response to an earlier one. Here the others wait: a connection takes one place of EXCHANGES_MAX, nothing runs beside an
// unsafe method, and nothing runs behind a response that closes the connection (RFC 9112 §9.6).
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { PIPELINED_MAX } from '../limits/fixed.ts';
import type { Router } from './router.ts';

interface Turn {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
}

/** What the relay knows of one connection. */
class Connection {
  latest: ServerResponse | undefined;
  isBusy = false; // the latest response has not closed
  readonly waiting: Turn[] = [];
  dropped = 0; // requests behind the end of the connection
  atEnd: (() => void) | undefined;
}

/** The requests of connections, in turn. */
export class Turns {
  readonly #connections = new WeakMap<Socket, Connection>();
  readonly #router: Router;

  /** @param router handles a request whose turn it is. */
  constructor(router: Router) {
    this.#router = router;
  }

  /** Handles a request, or has it wait for the response before it. A client that sends too many of them is cut off. */
  take(req: IncomingMessage, res: ServerResponse): void {
    const { socket } = req;
    const connection = this.#of(socket);
    if (!connection.isBusy && !isEnding(socket)) return this.#begin(connection, { req, res });
    const { waiting } = connection;
    if (isEnding(socket)) connection.dropped += 1;
    else waiting.push({ req, res });
    if (waiting.length > PIPELINED_MAX || connection.dropped > PIPELINED_MAX) socket.destroy();
  }

  /** The response whose turn it was last; undefined before the first one. */
  latest(socket: Socket): ServerResponse | undefined {
    return this.#connections.get(socket)?.latest;
  }

  /** The response in progress, if there is one. */
  current(socket: Socket): ServerResponse | undefined {
    const connection = this.#connections.get(socket);
    return connection?.isBusy ? connection.latest : undefined;
  }

  /** True if requests wait for their turn. */
  hasWaiting(socket: Socket): boolean {
    return (this.#connections.get(socket)?.waiting.length ?? 0) > 0;
  }

  /** Calls back once the last response in turn is over, if the connection is still open. */
  atEnd(socket: Socket, end: () => void): void {
    this.#of(socket).atEnd = end;
  }

  #of(socket: Socket): Connection {
    const known = this.#connections.get(socket);
    if (known) return known;
    const connection = new Connection();
    this.#connections.set(socket, connection);
    return connection;
  }

  #begin(connection: Connection, { req, res }: Turn): void {
    connection.latest = res;
    connection.isBusy = true;
    res.once('close', () => this.#next(connection, req.socket));
    this.#router.route(req, res);
  }

  #next(connection: Connection, socket: Socket): void {
    connection.isBusy = false;
    const next = connection.waiting.shift();
    if (isEnding(socket)) connection.waiting.length = 0;
    else if (next) this.#begin(connection, next);
    else connection.atEnd?.();
  }
}

/** True if nothing more can be sent: the connection is closed, or will be behind what was sent. */
function isEnding(socket: Socket): boolean {
  return socket.destroyed || socket.writableEnded;
}
