// The servers behind a page of another origin: an app server with the client's bundle, and, in front of the relay, a
// counter of every HTTP request that reaches the wire, preflights included.
import { readFileSync } from 'node:fs';
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from 'node:http';
import { join } from 'node:path';
import { relayTo } from '@mte-relay/testing/relay';
import { closeServer, listen, urlOf } from '@mte-relay/testing/servers';

const DIST = join(import.meta.dirname, '../../../packages/client/dist');

declare global {
  /** Set by the page's own script. */
  var client: { fetch: typeof fetch; pair(): Promise<void>; close(): void };
}

export interface PageStage {
  /** The app's page, with relay and pin behind its hash. */
  readonly pageUrl: string;
  readonly relayUrl: string;
  /** "METHOD /path" of what has reached the relay's wire since the last asking, in order. */
  takeWire(): string[];
  /** Bundles that the app's server was asked for. */
  readonly loaded: string[];
  /** Responds to a request on the wire in the relay's place, or returns false. Default: none. */
  intermediary: ((req: IncomingMessage, res: ServerResponse) => boolean) | undefined;
  close(): Promise<void>;
}

/** @param backendListener the backend. @param bundle file of packages/client/dist that exports createRelayClient. */
export async function startPageStage(backendListener: RequestListener, bundle: string): Promise<PageStage> {
  const backend = createServer(backendListener);
  const wire: string[] = [];
  const loaded: string[] = [];
  let relayPort = 0;
  const counter = createServer((req, res) => {
    wire.push(`${req.method} ${req.url}`);
    if (stage.intermediary?.(req, res)) return;
    const onward = httpRequest(
      { port: relayPort, method: req.method, path: req.url, headers: req.headers },
      (response) => {
        res.writeHead(response.statusCode as number, response.rawHeaders);
        response.pipe(res);
      },
    );
    onward.on('error', () => res.destroy());
    res.on('close', () => onward.destroy());
    req.pipe(onward);
  });
  const app = createServer((req, res) => {
    const file = /^\/([\w-]+\.mjs)$/.exec(req.url ?? '')?.[1];
    if (file) {
      loaded.push(file);
      res.setHeader('content-type', 'text/javascript');
      return void res.end(readFileSync(join(DIST, file)));
    }
    res.setHeader('content-type', 'text/html');
    res.end(`<!doctype html><input type="file"><script type="module">
      import { createRelayClient } from '/${bundle}';
      const { relay, pin } = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
      globalThis.client = createRelayClient(relay, { pins: [pin] });
    </script>`);
  });
  const [backendPort, counterPort, appPort] = await Promise.all([listen(backend), listen(counter), listen(app)]);
  const relay = relayTo(urlOf(backendPort), { CORS_ORIGINS: `http://localhost:${appPort}` });
  relayPort = await relay.listen(0);
  const relayUrl = `http://localhost:${counterPort}`;
  const stage: PageStage = {
    pageUrl: `http://localhost:${appPort}/#${new URLSearchParams({ relay: relayUrl, pin: relay.pin })}`,
    relayUrl,
    takeWire: () => wire.splice(0),
    loaded,
    async close() {
      await relay.close();
      for (const server of [backend, counter, app]) closeServer(server);
    },
    intermediary: undefined,
  };
  return stage;
}
