// The local port: plain HTTP/1.1, bounded in number, stopped by draining.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { RelayForwarder } from '@mte-relay/client/forward';
import { answerFailure, serve } from './exchange.ts';
import { localFailure, problemOf } from './failure.ts';
import type { Log } from './log.ts';
import type { ListenAddress } from './options.ts';

const KEEP_ALIVE_TIMEOUT_MS = 75_000; // longer than callers' pools keep a connection, so that they close it first
const HEADERS_TIMEOUT_MS = 60_000;
const HEAD_MAX_BYTES = 32_768; // the relay takes 65,536, counting lengths; beyond it node answers 431

export class Listener {
  readonly #client: RelayForwarder;
  readonly #log: Log;
  readonly #maxConcurrent: number;
  readonly #server: Server;
  #active = 0;
  #stopping = false;

  constructor(client: RelayForwarder, log: Log, maxConcurrent: number) {
    this.#client = client;
    this.#log = log;
    this.#maxConcurrent = maxConcurrent;
    this.#server = createServer(
      {
        keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
        headersTimeout: HEADERS_TIMEOUT_MS,
        requestTimeout: 0, // an upload takes as long as it takes
        maxHeaderSize: HEAD_MAX_BYTES,
        noDelay: true,
        shouldUpgradeCallback: () => false, // asked for, refused or ignored as a plain request
      },
      (req, res) => void this.#serve(req, res),
    );
    this.#server.maxHeadersCount = 0; // bounded by size; a number would drop the rest silently
    this.#server.on('connect', refuseConnect);
  }

  /** Resolves with the URL of the port. Rejects when the address cannot be had. */
  async listen({ host, port }: ListenAddress): Promise<string> {
    this.#server.listen(port, host);
    await once(this.#server, 'listening');
    const { address, family, port: listening } = this.#server.address() as AddressInfo;
    return `http://${family === 'IPv6' ? `[${address}]` : address}:${listening}`;
  }

  /** Takes no more connections, and resolves when the last answer is out; after `deadlineMs` breaks off what is left. */
  async stop(deadlineMs: number): Promise<void> {
    this.#stopping = true;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const deadline = setTimeout(() => {
      this.#log('warning', 'stopped with requests under way', { requests: this.#active });
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
    if (this.#active >= this.#maxConcurrent) {
      req.resume();
      answerFailure(res, localFailure('too-many'));
      return;
    }
    this.#active += 1;
    try {
      await serve(this.#client, this.#log, req, res);
    } finally {
      this.#active -= 1;
    }
  }
}

function refuseConnect(_req: IncomingMessage, socket: Duplex): void {
  const { headers, body } = problemOf(localFailure('connect-unsupported'));
  let head = 'HTTP/1.1 501 Not Implemented\r\nconnection: close\r\n';
  for (let at = 0; at < headers.length; at += 2) head += `${headers[at]}: ${headers[at + 1]}\r\n`;
  socket.on('error', () => undefined); // a caller that does not wait for the answer
  socket.end(Buffer.concat([Buffer.from(`${head}\r\n`), body]));
}
