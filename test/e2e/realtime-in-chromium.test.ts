// One script and one list of cases, run in real Chromium against the platform's own WebSocket and EventSource straight to
// the API, and against the client's through the relay: the results are equal. The platform's are kept in
// support/realtime-*.txt, which the other runtimes must give too (test/runtimes).
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { join } from 'node:path';
import type { Relay } from '@mte-relay/server';
import { CHROMIUM, type OpenBrowser, openBrowser } from '@mte-relay/testing/chromium';
import { EVENT_STREAM_CASES, EVENT_TYPES } from '@mte-relay/testing/event-stream-cases';
import { relayTo } from '@mte-relay/testing/relay';
import { closeServer, listen, urlOf } from '@mte-relay/testing/servers';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { realtimeApi } from './support/realtime-api.ts';
import { eventSourceScript, eventStreamScript, webSocketScript } from './support/realtime-scripts.ts';

const BUNDLE = join(import.meta.dirname, '../../packages/client/dist/mte-relay-client.mjs');

describe.skipIf(!CHROMIUM)('WebSocket and EventSource in Chromium', () => {
  const upgrades: IncomingMessage['headers'][] = [];
  const streamRequests: IncomingMessage['headers'][] = [];
  let app: Server;
  let api: Server;
  let relay: Relay;
  let browser: OpenBrowser;
  let page: Page;

  beforeAll(async () => {
    api = realtimeApi(upgrades, streamRequests);
    app = createServer((req, res) => {
      res.setHeader('content-type', req.url === '/sdk.js' ? 'text/javascript' : 'text/html');
      res.setHeader('set-cookie', 'session=of-the-page; SameSite=Lax');
      res.end(req.url === '/sdk.js' ? readFileSync(BUNDLE) : PAGE);
    });
    const [apiPort, appPort] = await Promise.all([listen(api), listen(app)]);
    const origin = `http://localhost:${appPort}`;
    relay = relayTo(urlOf(apiPort), { CORS_ORIGINS: origin, COOKIES_OUTER: 'session' });
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
    for (const server of [api, app]) if (server) closeServer(server);
  });

  test('the same script sees the same WebSocket', async () => {
    const platform = await page.evaluate(webSocketScript, 'platform' as const);
    const sealed = await page.evaluate(webSocketScript, 'sealed' as const);
    expect(platform.length).toBeGreaterThan(60);
    expect(sealed).toEqual(platform);
    await expect(`${platform.join('\n')}\n`).toMatchFileSnapshot('support/realtime-websocket.txt');
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
      cookie: headers.cookie?.replace(/(?:; )?mte-relay-[\w-]+=[\w-]+/g, ''), // cookies know no ports
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
    await expect(`${platform.join('\n')}\n`).toMatchFileSnapshot('support/realtime-event-source.txt');
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
