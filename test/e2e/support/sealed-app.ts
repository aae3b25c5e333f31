// The app of examples/service-worker-app behind a relay: with routes of its own that the tests hold back, and a relay that
// they restart; below it the same app opened in Chromium.
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { workerConfigurationLine } from '@mte-relay/protocol';
import type { Relay } from '@mte-relay/server';
import { CHROMIUM, type OpenBrowser, openBrowser } from '@mte-relay/testing/chromium';
import { freePort } from '@mte-relay/testing/free-port';
import { relayTo } from '@mte-relay/testing/relay';
import { closeServer, listen, urlOf } from '@mte-relay/testing/servers';
import type { Page } from 'playwright-core';

const ROOT = join(import.meta.dirname, '../../..');
const EXAMPLE = join(ROOT, 'examples/service-worker-app');
const WORKER = readFileSync(join(ROOT, 'packages/server/public/mte-relay-sw.js'), 'utf8');
const PIECE_PAUSE_MS = 50;

type Change = (html: string) => string;

export interface ServedApp {
  /** Of the relay, which is where the page is. */
  readonly origin: string;
  /** Of the app's own server, where it runs without relay and worker. */
  readonly directOrigin: string;
  /** Requests to the API as the server behind the relay saw them, method and target. */
  readonly seen: string[];
  /** Those that came to the app's own server directly. */
  readonly seenDirect: string[];
  /** Ids under which `POST`, `PUT` or `GET /api/v1/test/held?id=…` ran; each waits for {@link SealedApp.release}. */
  readonly ran: string[];
  /** Ids whose connection closed before the response was complete. */
  readonly cutOff: string[];
  release(): void;
  /** Resolves when the request of this id has reached the API. */
  reached(id: string): Promise<void>;
  relay(): Relay;
  stopRelay(): Promise<void>;
  startRelay(environment?: Record<string, string>): Promise<void>;
  close(): Promise<void>;
}

export interface SealedApp extends ServedApp {
  readonly browser: OpenBrowser;
  /** The lines that the page has printed to its console. */
  readonly printed: string[];
  /** Has the browser end every worker, as it does when memory is short. */
  stopWorkers(): Promise<void>;
}

/** Serves all of it, for any browser. */
export async function serveSealedApp(): Promise<ServedApp> {
  const { createApp } = (await import(join(EXAMPLE, 'app.js'))) as { createApp(change?: Change): Server };
  const { sealedBy } = (await import(join(EXAMPLE, 'sealed.js'))) as { sealedBy(relay: Relay, html: string): string };
  const seen: string[] = [];
  const held = new Held();
  const seenDirect: string[] = [];
  const worker = (): string => workerConfigurationLine({ relay: origin, pins: [relay.pin], routes: ['/api/v1/*'] });
  const direct = withTestRoutes(createApp(), seenDirect, held, worker);
  const behind = withTestRoutes(
    createApp((html) => sealedBy(relay, html)),
    seen,
    held,
    worker,
  );
  const [directPort, behindPort] = await Promise.all([listen(direct), listen(behind)]);
  const relayPort = await freePort();
  const origin = `http://localhost:${relayPort}`;
  const directOrigin = `http://localhost:${directPort}`;
  let relay: Relay;
  const startRelay: SealedApp['startRelay'] = async (environment = {}) => {
    relay = relayTo(urlOf(behindPort), {
      CORS_ORIGINS: `${origin},${directOrigin}`,
      PASS_THROUGH_ROUTES: '/,/thanks.html,/goodbye.html,/app.js,/seal.js,/axios.js,/style.css,/assets/*,/public/*',
      MTE_ROUTES: '/api/v1/*',
      WORKER_ROUTES: '/api/v1/*',
      SOLE_INSTANCE: 'true',
      ...environment,
    });
    await relay.listen(relayPort);
  };
  await startRelay();
  return {
    origin,
    directOrigin,
    seen,
    seenDirect,
    ran: held.ran,
    cutOff: held.cutOff,
    release: () => held.release(),
    async reached(id) {
      while (!held.ran.includes(id)) await sleep(10);
    },
    relay: () => relay,
    stopRelay: () => relay.close(),
    startRelay,
    async close() {
      await relay.close();
      for (const server of [direct, behind]) closeServer(server);
    },
  };
}

/** Opens all of it in Chromium; the page is not loaded yet. */
export async function openSealedApp(): Promise<SealedApp> {
  const served = await serveSealedApp();
  const browser = await openBrowser(CHROMIUM as string);
  const printed: string[] = [];
  browser.page.on('console', (message) => printed.push(message.text()));
  const devtools = await browser.context.newCDPSession(browser.page);
  await devtools.send('ServiceWorker.enable');
  return {
    ...served,
    browser,
    printed,
    async stopWorkers() {
      await devtools.send('ServiceWorker.stopAllWorkers');
    },
    async close() {
      await browser.close();
      await served.close();
    },
  };
}

/** Loads the page and waits until its worker has let the app begin. */
export async function openSealed(page: Page, origin: string): Promise<void> {
  await page.goto(origin);
  await page.waitForSelector('html[data-sealed]');
}

/** Requests that wait for the release. */
class Held {
  readonly ran: string[] = [];
  readonly cutOff: string[] = [];
  #gate = Promise.withResolvers<void>();

  watch(id: string, res: ServerResponse): void {
    res.on('close', () => {
      if (!res.writableFinished) this.cutOff.push(id);
    });
  }

  async respond(id: string, res: ServerResponse): Promise<void> {
    this.ran.push(id);
    this.watch(id, res);
    await this.#gate.promise;
    res.end(`answer to ${id}`);
  }

  release(): void {
    this.#gate.resolve();
    this.#gate = Promise.withResolvers<void>();
  }
}

/** The app's server, with the tests' routes in front. */
function withTestRoutes(app: Server, seen: string[], held: Held, worker: () => string): Server {
  return createServer((req, res) => {
    if (req.url?.startsWith('/api/')) seen.push(`${req.method} ${req.url}`);
    void respondToTest(req, res, held, worker).then((handled) => handled || app.emit('request', req, res));
  });
}

async function respondToTest(
  req: IncomingMessage,
  res: ServerResponse,
  held: Held,
  worker: () => string,
): Promise<boolean> {
  const { pathname, searchParams } = new URL(req.url ?? '', 'http://app');
  switch (pathname) {
    case '/api/v1/test/held':
      for await (const _ of req);
      await held.respond(searchParams.get('id') ?? '', res);
      return true;
    case '/api/v1/test/redirect':
      for await (const _ of req);
      res.writeHead(Number(searchParams.get('status')), { location: searchParams.get('to') ?? '' }).end();
      return true;
    case '/api/v1/test/stream':
      held.watch('stream', res);
      for (let i = 0; !res.destroyed && i < 200; i += 1) {
        res.write(`piece ${i}\n`);
        await sleep(PIECE_PAUSE_MS);
      }
      res.end();
      return true;
    case '/public/mte-relay-sw.js': // an updated worker, when the relay serves none
      res.writeHead(200, { 'content-type': 'text/javascript', 'service-worker-allowed': '/' });
      res.end(`${worker()}${WORKER}\n// another version`);
      return true;
    default:
      return false;
  }
}
