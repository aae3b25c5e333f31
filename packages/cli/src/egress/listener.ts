// The local port: plain HTTP/1.1, with a limit of concurrent requests, drained on stop.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { RelayForwarder } from '@mte-relay/client/forward';
import { Callers } from './callers.ts';
import { serve, writeFailure } from './exchange.ts';
import { localFailure, problemOf } from './failure.ts';
import type { Log } from './log.ts';
import type { EgressOptions } from './options.ts';

const KEEP_ALIVE_TIMEOUT_MS = 75_000; // longer than callers' pools keep a connection, so that they close it first
const HEADERS_TIMEOUT_MS = 60_000;
const HEAD_MAX_BYTES = 32_768; // the relay allows 65,536 with lengths; node:http refuses longer heads with 431

export class Listener {
  readonly #client: RelayForwarder;
  readonly #log: Log;
  readonly #options: EgressOptions;
  readonly #callers: Callers;
  readonly #server: Server;
  #active = 0;
  #stopping = false;

  constructor(client: RelayForwarder, log: Log, options: EgressOptions) {
    this.#client = client;
    this.#log = log;
    this.#options = options;
    this.#callers = new Callers(options.listen.host, options.allowed);
    this.#server = createServer(
      {
        keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
        headersTimeout: HEADERS_TIMEOUT_MS,
        requestTimeout: 0, // an upload may take any time
        maxHeaderSize: HEAD_MAX_BYTES,
        noDelay: true,
        shouldUpgradeCallback: () => false, // upgrades are handled as plain requests
      },
      (req, res) => void this.#serve(req, res),
    );
    this.#server.maxHeadersCount = 0; // limited by size: node:http drops fields beyond a count without an error
    this.#server.on('connect', refuseConnect);
  }

  /** Resolves with the URL of the port. Rejects when the address is not available. */
  async listen(): Promise<string> {
    const { host, port } = this.#options.listen;
    this.#server.listen(port, host);
    await once(this.#server, 'listening');
    const { address, family, port: listening } = this.#server.address() as AddressInfo;
    return `http://${family === 'IPv6' ? `[${address}]` : address}:${listening}`;
  }

  /** Stops accepting connections. Resolves after the last response; after `deadlineMs` it closes all connections. */
  async stop(deadlineMs: number): Promise<void> {
    this.#stopping = true;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const deadline = setTimeout(() => {
      this.#log('warning', 'stopped with pending requests', { requests: this.#active });
      this.#server.closeAllConnections();
    }, deadlineMs);
    await closed;
    clearTimeout(deadline);
  }

  async #serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    if (this.#stopping) res.shouldKeepAlive = false;
    res.on('close', () => {
      if (this.#stopping) setImmediate(() => this.#server.closeIdleConnections());
    });
    if (this.#active >= this.#options.maxConcurrent) {
      req.resume();
      writeFailure(res, localFailure('too-many'));
      return;
    }
    this.#active += 1;
    try {
      await serve(this.#client, this.#log, this.#callers, req, res);
    } finally {
      this.#active -= 1;
    }
  }
}

function refuseConnect(_req: IncomingMessage, socket: Duplex): void {
  const { headers, body } = problemOf(localFailure('connect-unsupported'));
  let head = 'HTTP/1.1 501 Not Implemented\r\nconnection: close\r\n';
  for (let at = 0; at < headers.length; at += 2) head += `${headers[at]}: ${headers[at + 1]}\r\n`;
  socket.on('error', () => undefined); // the caller may disconnect before the response
  socket.end(Buffer.concat([Buffer.from(`${head}\r\n`), body]));
}
