// A TCP forwarder in front of a port: the wire, which a test cuts, mends and reads, or a balancer of connections.
import { connect, createServer, type Server, type Socket } from 'node:net';
import { listen, urlOf } from './servers.ts';

export class TcpForwarder {
  readonly #target: () => number;
  readonly #keeps: boolean;
  readonly #sockets = new Set<Socket>();
  readonly #crossed: Buffer[] = [];
  #server: Server | undefined;
  #port = 0;

  /**
   * @param target port of this machine, asked for each connection
   * @param options.keeps whether {@link crossed} has what crosses
   */
  constructor(target: () => number, options: { readonly keeps?: boolean } = {}) {
    this.#target = target;
    this.#keeps = options.keeps ?? false;
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return urlOf(this.#port);
  }

  /** Everything that has crossed, both ways, in order of arrival. */
  get crossed(): Buffer {
    return Buffer.concat(this.#crossed);
  }

  /** Listens: the first time on any port, later on the same. */
  async start(): Promise<this> {
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
      const far = connect({ port: this.#target(), host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
      this.#forward(near, far);
      this.#forward(far, near);
    });
    this.#port = await listen(this.#server, this.#port);
    return this;
  }

  /** Resets the connections that are open; new ones still come. */
  reset(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /** Resets the connections that are open and listens no more. */
  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server?.close(resolve));
    this.reset();
    await closed;
  }

  #forward(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    if (this.#keeps) from.on('data', (bytes) => this.#crossed.push(bytes as Buffer));
    from.on('error', () => to.destroy());
    from.on('close', () => {
      this.#sockets.delete(from);
      to.destroy();
    });
    from.pipe(to);
  }
}
