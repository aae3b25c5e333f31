// An app behind the service worker and a page of another site, for tests of both browsers. Names under .localhost are the
// browser's own machine, secure, and sites of their own. An intermediary in front of the relay records what it can read.

import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse, request as send } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { workerConfigurationLine } from '@mte-relay/protocol';
import type { Relay } from '@mte-relay/server';
import { contentOf } from '@mte-relay/testing/content';
import { relayTo } from '@mte-relay/testing/relay';
import { closeServer, listen, urlOf } from '@mte-relay/testing/servers';
import type { Environment } from '@mte-relay/testing/settings';

/** One request as the API or the intermediary saw it. */
export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

export interface WorkerSite {
  /** Origin of the app: the intermediary, behind it relay and API. */
  readonly app: string;
  /** Origin of another site. */
  readonly evil: string;
  readonly relay: Relay;
  /** What the API received. */
  readonly seen: Seen[];
  /** What the intermediary could read on listed routes. */
  readonly inClear: Seen[];
  /** What the other site received. */
  readonly seenByEvil: Seen[];
  /** The path to whose next response the intermediary adds `Clear-Site-Data: "storage"`. */
  clearsStorageAt: string | undefined;
  close(): void;
}

/** A file of the site. */
export type SitePage = readonly [type: string, content: string, fields?: Record<string, string>];

/** A page that installs the worker, or the one named `script`, and reports failures; its title is "ready" or the error. */
export const APP_PAGE = '/page/app.html';
/** As {@link APP_PAGE}, with the copy of the worker where the relay has an origin of its own. */
export const COPY_PAGE = `${APP_PAGE}?script=/mte-relay-sw.js`;
/** A page of the app that does not. */
export const PLAIN_PAGE = '/page/plain.html';
/** A page that shows nobody its origin. */
export const SILENT_PAGE = '/page/silent.html';
/** As {@link APP_PAGE}, with Trusted Types. */
export const TRUSTED_PAGE = '/page/trusted.html';
/** A worker of the app's own that does not import the relay's. */
export const OTHER_WORKER = '/page/other-worker.js';
const PICTURE = '<svg xmlns="http://www.w3.org/2000/svg" width="7" height="7"/>';

const INSTALLING = `<script src="/public/mte-relay-install.js"></script><script>
  globalThis.failures = [];
  const scriptUrl = new URLSearchParams(location.search).get('script') ?? undefined;
  const onFailure = (failure) => failures.push(failure.code);
  mteRelay.installRelayServiceWorker({ ...(scriptUrl && { scriptUrl }), timeoutMs: 8000, onFailure })
    .then(() => { document.title = 'ready'; }, (error) => { document.title = error.code + ': ' + error.message; });
</script>`;
const TAKES_OVER = `addEventListener('install', () => skipWaiting());
addEventListener('activate', (event) => event.waitUntil(clients.claim()));
addEventListener('fetch', () => undefined);`;

const built = (name: string): string =>
  readFileSync(join(import.meta.dirname, '../../../packages/client/dist', name), 'utf8');
const html = (text: string) => `<!doctype html><meta charset="utf-8"><body>${text}</body>`;

/**
 * Serves all of it.
 * @param scripts further scripts by path, such as workers that import the relay's, or pages with their fields.
 * @param settings of the relay, over its own.
 * @param elsewhere true for a relay of another site than the app's, and a copy of its worker at the app.
 */
export async function openWorkerSite(
  scripts: Readonly<Record<string, string | SitePage>> = {},
  elsewhere = false,
  settings: Environment = {},
): Promise<WorkerSite> {
  const [seen, inClear, seenByEvil]: Seen[][] = [[], [], []] as [Seen[], Seen[], Seen[]];
  const record = async (into: Seen[], req: IncomingMessage): Promise<void> => {
    const body = String(await contentOf(req));
    into.push({ method: req.method ?? '', url: req.url ?? '', headers: req.headers, body });
  };
  const files: Record<string, SitePage> = {
    [APP_PAGE]: ['text/html', html(INSTALLING)],
    [PLAIN_PAGE]: ['text/html', html('plain')],
    [SILENT_PAGE]: ['text/html', html('silent'), { 'referrer-policy': 'no-referrer' }],
    [TRUSTED_PAGE]: [
      'text/html',
      html(INSTALLING),
      { 'content-security-policy': "require-trusted-types-for 'script'; trusted-types mte-relay" },
    ],
    [OTHER_WORKER]: ['text/javascript', TAKES_OVER],
    ...Object.fromEntries(
      Object.entries(scripts).map(([path, page]) => [
        path,
        typeof page === 'string' ? (['text/javascript', page] as const) : page,
      ]),
    ),
  };
  const api = createServer(async (req, res) => {
    const url = new URL(req.url ?? '', 'http://api');
    const file = files[url.pathname];
    if (file) {
      const [type, content, fields] = file;
      return void res.writeHead(200, { 'content-type': type, 'service-worker-allowed': '/', ...fields }).end(content);
    }
    if (!url.pathname.startsWith('/api/v1/')) return void res.writeHead(404).end(); // a favicon
    await record(seen, req);
    respondAsApi(url, req.headers, res);
  });
  const apiPort = await listen(api);
  let clearsStorageAt: string | undefined;
  const relayPort: { value?: number } = {};
  const front = createServer(async (req, res) => {
    const chunks = await contentOf(req);
    if (req.url?.startsWith('/api/v1/')) {
      inClear.push({ method: req.method ?? '', url: req.url, headers: req.headers, body: String(chunks) });
    }
    const clears = req.url === clearsStorageAt;
    if (clears) clearsStorageAt = undefined;
    const fields = clears ? { 'clear-site-data': '"storage"' } : {};
    const { method, url, headers } = req;
    const port = elsewhere ? apiPort : relayPort.value;
    const outer = send({ port, host: '127.0.0.1', method, path: url, headers }, (response) => {
      res.writeHead(response.statusCode ?? 502, { ...response.headers, ...fields });
      response.pipe(res);
      response.on('error', () => res.destroy());
    });
    outer.on('error', () => res.destroy());
    res.on('close', () => outer.destroy());
    outer.end(chunks);
  });
  const evilServer = createServer(async (req, res) => {
    if (!req.url?.startsWith('/page')) await record(seenByEvil, req);
    const silent = req.url?.includes('silent') ? { 'referrer-policy': 'no-referrer' } : {};
    res.writeHead(200, { 'content-type': 'text/html', ...silent }).end(html('evil'));
  });
  const [frontPort, evilPort] = await Promise.all([listenEverywhere(front), listenEverywhere(evilServer)]);
  const app = `http://app.localhost:${frontPort}`;
  const relay = relayTo(urlOf(apiPort), {
    CORS_ORIGINS: app,
    PASS_THROUGH_ROUTES: '/page/*',
    MTE_ROUTES: '/api/v1/*',
    WORKER_ROUTES: '/api/v1/*',
    ...settings,
  });
  relayPort.value = await relay.listen(0);
  if (elsewhere) {
    const configuration = {
      relay: `http://relay.localhost:${relayPort.value}`,
      pins: [relay.pin],
      routes: ['/api/v1/*'],
    };
    files['/mte-relay-sw.js'] = ['text/javascript', workerConfigurationLine(configuration) + built('mte-relay-sw.js')];
    files['/public/mte-relay-install.js'] = ['text/javascript', built('mte-relay-install.js')];
  }
  return {
    app,
    evil: `http://evil.localhost:${evilPort}`,
    relay,
    seen,
    inClear,
    seenByEvil,
    get clearsStorageAt() {
      return clearsStorageAt;
    },
    set clearsStorageAt(path) {
      clearsStorageAt = path;
    },
    close() {
      for (const server of [front, evilServer, api]) closeServer(server);
      void relay.close();
    },
  };
}

function respondAsApi({ pathname, searchParams }: URL, { range }: Seen['headers'], res: ServerResponse): void {
  switch (pathname) {
    case '/api/v1/picture':
      return void res.writeHead(200, { 'content-type': 'image/svg+xml' }).end(PICTURE);
    case '/api/v1/export':
      res.writeHead(200, { 'content-type': 'text/csv', 'content-disposition': 'attachment; filename="depth.csv"' });
      return void res.end('depth;0.43');
    case '/api/v1/sound': {
      const whole = silence();
      const [, from = '0', to = ''] = /bytes=(\d+)-(\d*)/.exec(`${range}`) ?? [];
      const part = whole.subarray(Number(from), to ? Number(to) + 1 : undefined);
      const fields = { 'content-type': 'audio/wav', 'accept-ranges': 'bytes', 'content-length': part.length };
      if (!range) return void res.writeHead(200, fields).end(part);
      const last = Number(from) + part.length - 1;
      res.writeHead(206, { ...fields, 'content-range': `bytes ${from}-${last}/${whole.length}` }).end(part);
      return;
    }
    case '/api/v1/events':
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      return void res.write('data: first\n\n');
    case '/api/v1/to':
      return void res.writeHead(303, { location: searchParams.get('location') ?? '/' }).end();
    case '/api/v1/cut':
    case '/api/v1/ended':
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      res.write('retry: 100\ndata: first\n\n');
      setTimeout(() => (pathname.endsWith('cut') ? res.destroy() : res.end()), 300);
      return;
    case '/api/v1/sign-in':
      res.writeHead(200, {
        'set-cookie': ['strict=1; HttpOnly; SameSite=Strict; Path=/', 'lax=1; HttpOnly; SameSite=Lax; Path=/'],
      });
      return void res.end();
    case '/api/v1/logout':
      return void res.writeHead(200, { 'clear-site-data': '"storage"' }).end('left');
    default:
      res.writeHead(200, { 'content-type': 'text/html' }).end(html('of the API'));
  }
}

/** A second of silence, 8 kHz, 8 bit, mono. */
function silence(): Buffer {
  const header = Buffer.alloc(44);
  header.write('RIFF', 0);
  header.writeUInt32LE(36 + 8_000, 4);
  header.write('WAVEfmt ', 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(8_000, 24);
  header.writeUInt32LE(8_000, 28);
  header.writeUInt16LE(1, 32);
  header.writeUInt16LE(8, 34);
  header.write('data', 36);
  header.writeUInt32LE(8_000, 40);
  return Buffer.concat([header, Buffer.alloc(8_000, 128)]);
}

/** Chromium reaches names under .localhost by IPv6 or IPv4. */
async function listenEverywhere(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '::', resolve));
  return (server.address() as AddressInfo).port;
}
