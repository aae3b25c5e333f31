// A backend of the test's own, the real relay command before it, and the real egress command before that.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestOptions, request, type Server } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export { freePort } from '../../../../scripts/test/programs/free-port.ts';

import { printed, type RunningProcess, startScript } from '../../../../scripts/test/programs/process.ts';

const SECRET = '2DkV4DDabehO8cifDktdF9elKJL0CKrk';

type Handler = NonNullable<Parameters<typeof createServer>[1]>;

/** A backend whose handler a test sets. */
export class Backend {
  readonly #server: Server = createServer((req, res) => {
    this.ran.push(`${req.method} ${req.url}`);
    this.handler(req, res);
  });
  handler: Handler = (req, res) => req.pipe(res);
  /** Method and target of every request, in order. */
  readonly ran: string[] = [];

  async start(): Promise<void> {
    this.#server.maxHeadersCount = 0;
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  get url(): string {
    return urlOf(this.#server);
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

/** Starts the real relay. @param port 0 for any. */
export async function startRelay(
  upstream: string,
  port: number,
  settings: Record<string, string> = {},
): Promise<{ process: RunningProcess; port: number; pin: string }> {
  const running = startScript('packages/server/bin/mte-relay-server.js', ['start'], {
    UPSTREAM: upstream,
    CORS_ORIGINS: 'https://app.example',
    CLIENT_ID_SECRET: SECRET,
    PORT: String(port),
    ADMIN_PORT: '0',
    ...settings,
  });
  const [, listening] = await printed(running, /"port":(\d+),.*"pin"/);
  const [, pin] = await printed(running, /"pin":"([^"]+)"/);
  return { process: running, port: Number(listening), pin: pin as string };
}

/** Starts the real egress on any port, without waiting for it. */
export function spawnEgress(args: string[], environment: Record<string, string> = {}): RunningProcess {
  return startScript('packages/cli/bin/mte-relay.js', ['egress', '--listen', '127.0.0.1:0', ...args], environment);
}

/** Starts it and waits until it is ready; gives its URL. */
export async function startEgress(
  args: string[],
  environment: Record<string, string> = {},
): Promise<{ process: RunningProcess; url: string }> {
  const running = spawnEgress(args, environment);
  const [, url] = await printed(running, /^ready (\S+)$/m);
  return { process: running, url: url as string };
}

/** Passes bytes on between clients and a port, and keeps them. */
export class Tap {
  readonly #server;
  readonly #sockets = new Set<{ destroy(): unknown }>();
  readonly #recorded: Buffer[] = [];

  constructor(targetPort: number) {
    this.#server = createTcpServer((near) => {
      const far = connect(targetPort, '127.0.0.1');
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(from);
        from.on('data', (bytes) => this.#recorded.push(bytes as Buffer));
        from.on('error', () => to.destroy());
        from.on('close', () => to.destroy());
        from.pipe(to);
      }
    });
  }

  async start(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get recorded(): Buffer {
    return Buffer.concat(this.#recorded);
  }

  stop(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly rawHeaders: readonly string[];
  readonly trailers: IncomingMessage['trailers'];
  readonly body: Buffer;
}

/** One request by node:http, read to its end. */
export async function call(
  url: string,
  target: string,
  options: RequestOptions = {},
  body?: string | Buffer,
): Promise<Answer> {
  const { hostname, port } = new URL(url);
  const req = request({ hostname, port, path: target, ...options });
  req.end(body);
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  return {
    status: res.statusCode as number,
    headers: res.headers,
    rawHeaders: res.rawHeaders,
    body: await contentOf(res),
    trailers: res.trailers,
  };
}

export async function contentOf(message: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of message) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** Resolves when the condition holds; rejects after `timeoutMs`. */
export async function until(holds: () => boolean | Promise<boolean>, what: string, timeoutMs = 10_000): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs;
  while (!(await holds())) {
    if (performance.now() > deadlineMs) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await sleep(20);
  }
}

function urlOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
