// An upstream whose responses a test decides, and that keeps what it was asked.
import type { IncomingMessage, Server } from 'node:http';
import { closeServer, listen, type Responder, serverOf, urlOf } from './servers.ts';

/** A request as the upstream saw it. */
export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly rawHeaders: string[];
  readonly headers: IncomingMessage['headers'];
}

export class Backend {
  /** Every request, in order. */
  readonly seen: SeenRequest[] = [];
  readonly server: Server = serverOf((req, res) => {
    const { method = '', url = '', rawHeaders, headers } = req;
    this.seen.push({ method, url, rawHeaders, headers });
    return this.handler(req, res);
  });
  /** A test may set another. */
  handler: Responder;
  #port = 0;

  /** @param handler default: echoes the content */
  constructor(handler: Responder = (req, res) => req.pipe(res)) {
    this.handler = handler;
    this.server.maxHeadersCount = 0;
  }

  /** Listens on any port. */
  async start(): Promise<this> {
    this.#port = await listen(this.server);
    return this;
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return urlOf(this.#port);
  }

  /** Method and target of every request, in order. */
  get ran(): string[] {
    return this.seen.map(({ method, url }) => `${method} ${url}`);
  }

  /** Forgets what it has seen. */
  forget(): void {
    this.seen.length = 0;
  }

  stop(): void {
    closeServer(this.server);
  }
}
