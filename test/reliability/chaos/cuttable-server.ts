// A server of a chaos campaign whose connections can be cut, and which can stop and listen again on its port.
import { createServer, type RequestListener, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { closeServer, listen, urlOf } from '@mte-relay/testing/servers';

export class CuttableServer {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #port = 0;

  /** @param keepAliveTimeoutMs default: that of node:http */
  constructor(handle: RequestListener, keepAliveTimeoutMs?: number) {
    this.#server = createServer(handle);
    if (keepAliveTimeoutMs !== undefined) this.#server.keepAliveTimeout = keepAliveTimeoutMs;
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  get url(): string {
    return urlOf(this.#port);
  }

  /** The first time on any port, later on the same. */
  async listen(): Promise<void> {
    this.#port = await listen(this.#server, this.#port);
  }

  /** Resets every connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /** Resets every connection and refuses new ones. Resolves when it no longer listens. */
  async refuse(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.cut();
    await closed;
  }

  close(): void {
    closeServer(this.#server);
  }
}
