// An intermediary between browsers and a relay that ends TLS: it reads every byte, changes fields of requests and
// responses, and hands requests to another server, as a test decides.
import { createServer, type IncomingMessage, type RequestListener, request, type Server } from 'node:http';
import { contentOf } from '@mte-relay/testing/content';
import { closeServer, listen } from '@mte-relay/testing/servers';

/** A request as it comes from the browser; the relay receives these fields. */
export interface Intercepted {
  readonly host: string;
  readonly method: string;
  /** Without a query. */
  readonly path: string;
  /** By name in lower case. */
  readonly headers: Record<string, string | string[] | undefined>;
}

export class Intermediary {
  readonly #server: Server;
  readonly #target: () => number;
  readonly #crossed: Buffer[] = [];
  #port = 0;

  /** Changes a request. @returns the port of another server than the relay, if that one is to have it */
  onRequest: (intercepted: Intercepted) => number | undefined = () => undefined;
  /** `Set-Cookie` lines to add to the response. */
  onResponse: (intercepted: Intercepted) => readonly string[] = () => [];

  /** @param target port of the relay */
  constructor(target: () => number) {
    this.#target = target;
    this.#server = createServer((req, res) => this.#forward(req, res));
  }

  async start(): Promise<this> {
    this.#port = await listen(this.#server);
    return this;
  }

  get port(): number {
    return this.#port;
  }

  /** Everything that has crossed, both ways. */
  get crossed(): Buffer {
    return Buffer.concat(this.#crossed);
  }

  /** Changes nothing any more. */
  rest(): void {
    this.onRequest = () => undefined;
    this.onResponse = () => [];
  }

  close(): void {
    closeServer(this.#server);
  }

  readonly #forward: RequestListener = async (req, res) => {
    const body = await contentOf(req);
    this.#crossed.push(Buffer.from(`${req.method} ${req.url}\n${req.rawHeaders.join('\n')}\n`, 'latin1'), body);
    const intercepted = interceptedOf(req);
    const port = this.onRequest(intercepted) ?? this.#target();
    const { method, headers } = intercepted;
    const onward = request({ port, host: '127.0.0.1', method, path: req.url, headers }, async (response) => {
      const content = await contentOf(response);
      this.#crossed.push(Buffer.from(`${response.rawHeaders.join('\n')}\n`, 'latin1'), content);
      const planted = this.onResponse(intercepted).flatMap((line) => ['set-cookie', line]);
      res.writeHead(response.statusCode as number, [...response.rawHeaders, ...planted]);
      res.end(content);
    });
    onward.on('error', () => res.destroy());
    onward.end(body);
  };
}

function interceptedOf(req: IncomingMessage): Intercepted {
  const { host = '', ...others } = req.headers;
  const [path = ''] = (req.url ?? '').split('?', 1);
  return { host: host.replace(/:\d+$/, ''), method: req.method ?? '', path, headers: { host, ...others } };
}
