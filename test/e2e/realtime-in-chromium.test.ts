// One script and one list of cases, run in real Chromium against the platform's own WebSocket and EventSource straight to
// the API, and against the client's through the relay: the results are equal.
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createRelay, type Relay } from '@mte-relay/server';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocketServer } from 'ws';
import { EVENT_STREAM_CASES, EVENT_TYPES } from '../../packages/client/test/support/event-stream-cases.ts';
import { CHROMIUM, type OpenBrowser, openBrowser } from './support/chromium.ts';

const BUNDLE = join(import.meta.dirname, '../../packages/client/dist/mte-relay-client.mjs');

interface Realtime {
  readonly WebSocket: typeof WebSocket;
  readonly EventSource: typeof EventSource;
  /** `http://host:port` of what they connect to. */
  readonly origin: string;
}

declare global {
  /** Set by the page's own script. */
  var realtime: Record<'platform' | 'sealed', Realtime>;
}

describe.skipIf(!CHROMIUM)('WebSocket and EventSource in Chromium', () => {
  const upgrades: IncomingMessage['headers'][] = [];
  const streamRequests: IncomingMessage['headers'][] = [];
  let app: Server;
  let api: Server;
  let relay: Relay;
  let browser: OpenBrowser;
  let page: Page;

  beforeAll(async () => {
    api = apiServer(upgrades, streamRequests);
    app = createServer((req, res) => {
      res.setHeader('content-type', req.url === '/sdk.js' ? 'text/javascript' : 'text/html');
      res.setHeader('set-cookie', 'session=of-the-page; SameSite=Lax');
      res.end(req.url === '/sdk.js' ? readFileSync(BUNDLE) : PAGE);
    });
    const [apiPort, appPort] = await Promise.all([listen(api), listen(app)]);
    const origin = `http://localhost:${appPort}`;
    relay = createRelay({
      environment: {
        UPSTREAM: `http://127.0.0.1:${apiPort}`,
        CORS_ORIGINS: origin,
        CLIENT_ID_SECRET: '2DkV4DDabehO8cifDktdF9elKJL0CKrk',
        LOG_LEVEL: 'off',
        ADMIN_PORT: 'off',
        SHUTDOWN_TIMEOUT_MS: '100',
      },
    });
    const relayPort = await relay.listen(0);
    browser = await openBrowser(CHROMIUM as string);
    page = browser.page;
    const hash = new URLSearchParams({
      relay: `http://localhost:${relayPort}`,
      api: `http://localhost:${apiPort}`,
      pin: relay.pin,
    });
    await page.goto(`${origin}/#${hash}`);
    await page.waitForFunction(() => globalThis.realtime !== undefined);
  });

  afterAll(async () => {
    await browser?.close();
    await relay?.close();
    for (const server of [api, app]) {
      server?.closeAllConnections();
      server?.close();
    }
  });

  test('the same script sees the same WebSocket', async () => {
    const platform = await page.evaluate(webSocketScript, 'platform' as const);
    const sealed = await page.evaluate(webSocketScript, 'sealed' as const);
    expect(platform.length).toBeGreaterThan(60);
    expect(sealed).toEqual(platform);
  });

  test('the upstream sees the same page: origin, cookies, agent', async () => {
    upgrades.length = 0;
    for (const kind of ['platform', 'sealed'] as const) {
      await page.evaluate(async (which) => {
        const { WebSocket, origin } = globalThis.realtime[which];
        const socket = new WebSocket(`${origin}/echo`);
        await new Promise((resolve) => socket.addEventListener('open', resolve));
        socket.close();
      }, kind);
    }
    const [platform, sealed] = upgrades.map((headers) => ({
      origin: headers.origin,
      cookie: headers.cookie,
      agent: headers['user-agent'],
      protocols: headers['sec-websocket-protocol'],
    }));
    expect(platform?.cookie).toBe('session=of-the-page');
    expect(sealed).toEqual(platform);
  });

  test('the same event streams are the same events', async () => {
    const count = EVENT_STREAM_CASES.length;
    const platform = await page.evaluate(eventStreamScript, {
      kind: 'platform' as const,
      count,
      types: [...EVENT_TYPES],
    });
    const sealed = await page.evaluate(eventStreamScript, { kind: 'sealed' as const, count, types: [...EVENT_TYPES] });
    for (const [at, { name, events }] of EVENT_STREAM_CASES.entries()) {
      expect(platform[at], `the platform, ${name}`).toEqual(events);
      expect(sealed[at], `sealed, ${name}`).toEqual(events);
    }
  });

  test('the same script sees the same EventSource: reconnection, refusals, closing', async () => {
    streamRequests.length = 0;
    const platform = await page.evaluate(eventSourceScript, 'platform' as const);
    const asked = streamRequests.splice(0).map((headers) => headers['last-event-id']);
    const sealed = await page.evaluate(eventSourceScript, 'sealed' as const);
    expect(platform.length).toBeGreaterThan(15);
    expect(sealed).toEqual(platform);
    expect(asked).toContain(Buffer.from('é1').toString('latin1'));
    expect(streamRequests.map((headers) => headers['last-event-id'])).toEqual(asked);
  });
});

const PAGE = `<!doctype html><script type="module">
  import { createRelayClient } from '/sdk.js';
  const { relay, api, pin } = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  const client = createRelayClient(relay, { pins: [pin] });
  globalThis.realtime = {
    platform: { WebSocket, EventSource, origin: api },
    sealed: { WebSocket: client.WebSocket, EventSource: client.EventSource, origin: relay },
  };
</script>`;

/** Runs in the page; a line for everything that a script can see. Ports are left out of it. */
async function webSocketScript(kind: 'platform' | 'sealed'): Promise<string[]> {
  const { WebSocket, origin } = globalThis.realtime[kind];
  const log: string[] = [];
  const shown = (value: unknown): string => `${value}`.replaceAll(/:\d{4,5}/g, ':port');
  const thrown = (what: string, call: () => unknown): void => {
    try {
      log.push(`${what}: ${shown(call())}`);
    } catch (error) {
      log.push(`${what}: throws ${(error as Error).name}`);
    }
  };
  const watched = (name: string, socket: WebSocket): Promise<void> =>
    new Promise((resolve) => {
      for (const type of ['open', 'error', 'close'] as const) {
        socket.addEventListener(type, (event) => {
          const { code, reason, wasClean } = event as CloseEvent;
          const facts = type === 'close' ? ` ${code} "${reason}" ${wasClean}` : '';
          log.push(`${name} ${type}${facts} in state ${socket.readyState}`);
          log.push(`${name} ${event.target === socket} ${event.isTrusted || !event.isTrusted} ${event.cancelable}`);
          if (type === 'close') resolve();
        });
      }
      socket.addEventListener('message', ({ data, origin: from, lastEventId }) => {
        const what =
          typeof data === 'string'
            ? `"${data}"`
            : `${Object.prototype.toString.call(data)} ${data.size ?? data.byteLength}`;
        log.push(`${name} message ${what} from ${shown(from)} "${lastEventId}"`);
      });
    });
  const opened = (socket: WebSocket): Promise<unknown> =>
    new Promise((resolve) => socket.addEventListener('open', resolve));
  const messages = (socket: WebSocket, count: number): Promise<void> =>
    new Promise((resolve) => {
      let left = count;
      socket.addEventListener('message', () => {
        left -= 1;
        if (left === 0) resolve();
      });
    });

  // Constants and arguments
  log.push(`${[WebSocket.CONNECTING, WebSocket.OPEN, WebSocket.CLOSING, WebSocket.CLOSED]}`);
  for (const url of ['http://[', 'ftp://x/', `${origin}/echo#f`, `${origin}/echo#`]) {
    thrown(`new ${url.replace(origin, '')}`, () => new WebSocket(url));
  }
  for (const protocols of ['', 'a b', 'a,b', 'ü', ['x', 'x'], ['x', '']]) {
    thrown(`protocols ${JSON.stringify(protocols)}`, () => new WebSocket(`${origin}/echo`, protocols));
  }

  // Opening
  const socket = new WebSocket(`${origin}/echo?a=%20b`, ['one', 'two']);
  const socketEnd = watched('echo', socket);
  log.push(
    `${socket.readyState} ${shown(socket.url)} "${socket.protocol}" "${socket.extensions}" ${socket.binaryType}`,
  );
  log.push(`${socket.bufferedAmount} ${socket.onopen} ${socket.CONNECTING} ${socket instanceof EventTarget}`);
  thrown('send while connecting', () => socket.send('x'));
  thrown('close with a bad code', () => socket.close(1001));
  await opened(socket);
  log.push(`${socket.readyState} "${socket.protocol}"`);

  // Messages
  thrown('send nothing', () => (socket.send as () => void)());
  const all = messages(socket, 9);
  socket.send('text ü 🙂');
  socket.send('\ud800 lone');
  socket.send('');
  socket.send(new Uint8Array([1, 2, 3]));
  socket.send(new Uint16Array([1, 2, 3]).subarray(1));
  socket.send(new Blob(['a blob']));
  socket.send(new ArrayBuffer(0));
  socket.send(null as unknown as string);
  socket.send({} as unknown as string);
  await all;
  socket.binaryType = 'arraybuffer';
  const buffers = messages(socket, 2);
  socket.send(new Uint8Array(200_000));
  socket.send('x'.repeat(300_000).slice(0, 12));
  await buffers;
  socket.binaryType = 'nonsense' as BinaryType;
  log.push(socket.binaryType);
  socket.send('12345');
  log.push(`waits ${socket.bufferedAmount}`);

  // Closing
  for (const code of [0, 999, 1002, 2999, 5000, 70_000, -1]) thrown(`close ${code}`, () => socket.close(code));
  thrown('close 1000 long', () => socket.close(1000, 'x'.repeat(124)));
  socket.close(3456, 'enough');
  log.push(`closing ${socket.readyState}`);
  thrown('close again', () => socket.close(1000));
  await socketEnd;
  thrown('send after', () => socket.send('into the void'));
  log.push(`after ${socket.readyState} ${socket.bufferedAmount >= 13}`);

  // Other ends
  for (const path of ['close-4000', 'close-none', 'cut', 'refuse', 'no-protocol']) {
    const ending = new WebSocket(`${origin}/${path}`, path === 'no-protocol' ? ['x'] : []);
    await watched(path, ending);
  }
  const plain = new WebSocket(`${origin}/echo`);
  const plainEnd = watched('plain', plain);
  await opened(plain);
  plain.close();
  await plainEnd;
  const early = new WebSocket(`${origin}/echo`);
  const earlyEnd = watched('early', early);
  early.close(3000, 'x');
  log.push(`early ${early.readyState}`);
  await earlyEnd;
  return log;
}

async function eventStreamScript(given: {
  kind: 'platform' | 'sealed';
  count: number;
  types: string[];
}): Promise<string[][]> {
  const { EventSource, origin } = globalThis.realtime[given.kind];
  const got: string[][] = [];
  for (let at = 0; at < given.count; at += 1) {
    const events: string[] = [];
    got.push(events);
    const source = new EventSource(`${origin}/case/${at}`);
    for (const type of given.types) {
      source.addEventListener(type, ({ data, lastEventId }) => events.push(`${type}|${data}|${lastEventId}`));
    }
    await new Promise((resolve) => source.addEventListener('error', resolve));
    source.close();
  }
  return got;
}

async function eventSourceScript(kind: 'platform' | 'sealed'): Promise<string[]> {
  const { EventSource, origin } = globalThis.realtime[kind];
  const log: string[] = [`${[EventSource.CONNECTING, EventSource.OPEN, EventSource.CLOSED]}`];
  try {
    new EventSource('http://[');
  } catch (error) {
    log.push((error as Error).name);
  }
  const runs: [path: string, errors: number][] = [
    ['reconnect', 2],
    ['status-204', 1],
    ['status-500', 1],
    ['plain-text', 1],
    ['redirect', 1],
  ];
  for (const [path, errors] of runs) {
    const source = new EventSource(`${origin}/${path}`, { withCredentials: true });
    log.push(`${path} ${source.readyState} ${source.withCredentials} ${source.url === `${origin}/${path}`}`);
    let left = errors;
    await new Promise<void>((resolve) => {
      source.onopen = () => log.push(`${path} open ${source.readyState}`);
      source.onmessage = (event) =>
        log.push(`${path} "${event.data}" ${event.lastEventId} ${event.origin === origin} ${event.target === source}`);
      source.onerror = () => {
        log.push(`${path} error ${source.readyState}`);
        left -= 1;
        if (left === 0) resolve();
      };
    });
    source.close();
    log.push(`${path} ${source.readyState}`);
  }
  return log;
}

function apiServer(upgrades: IncomingMessage['headers'][], streamRequests: IncomingMessage['headers'][]): Server {
  const server = createServer((req, res) => {
    res.setHeader('access-control-allow-origin', req.headers.origin ?? '*');
    res.setHeader('access-control-allow-credentials', 'true');
    const [, first = '', second] = (req.url ?? '').split('/');
    if (first === 'case') {
      const { pieces } = EVENT_STREAM_CASES[Number(second)] as (typeof EVENT_STREAM_CASES)[0];
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const piece of pieces) res.write(Buffer.from(piece, 'latin1'));
      return void res.end();
    }
    streamRequests.push(req.headers);
    if (first.startsWith('status-')) return void res.writeHead(Number(first.slice(7))).end();
    if (first === 'redirect') return void res.writeHead(307, { location: '/reconnect' }).end();
    res.writeHead(200, { 'content-type': first === 'plain-text' ? 'text/plain' : 'text/event-stream' });
    res.end(`retry: 30\nid: é1\ndata: after ${req.headers['last-event-id'] ? 'one' : 'none'}\n\ndata: unfinished`);
  });
  const sockets = new WebSocketServer({
    noServer: true,
    handleProtocols: (offered, req) => (req.url === '/no-protocol' ? false : ([...offered][1] ?? false)),
  });
  server.on('upgrade', (req, socket, head) => {
    upgrades.push(req.headers);
    if (req.url === '/refuse') return void socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n');
    sockets.handleUpgrade(req, socket, head, (ws) => {
      if (req.url === '/close-4000') ws.close(4000, 'grüße');
      else if (req.url === '/close-none') ws.close();
      else if (req.url === '/cut') setTimeout(() => ws.terminate(), 50);
      else ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary }));
    });
  });
  return server;
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, resolve));
  return (server.address() as AddressInfo).port;
}
