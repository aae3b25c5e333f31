// The script tags of the README, and its module, in real Chromium: a page of another origin loads the client from the relay
// by its integrity hash and calls the API; a client with one changed byte is not run.
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import type { Relay } from '@mte-relay/server';
import { CHROMIUM, type OpenBrowser, openBrowser } from '@mte-relay/testing/chromium';
import { relayTo } from '@mte-relay/testing/relay';
import { closeServer, listen, urlOf } from '@mte-relay/testing/servers';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openWorkerSite, PLAIN_PAGE } from './support/worker-site.ts';

const CLIENT = '/public/mte-relay-client.js';
const INSTALLER = '/public/mte-relay-install.js';
/** The names in the scripts' global. */
const globals = (page: Page): Promise<string[]> =>
  page.evaluate(() => Object.keys((globalThis as unknown as { mteRelay: object }).mteRelay).sort());
const readme = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8');
const installing = /^```js\n(import \{ installRelayServiceWorker[\s\S]*?)^```$/m.exec(readme)?.[1] ?? '';
const snippet = /^```html run script-tag\n([\s\S]*?)^```$/m.exec(readme)?.[1] ?? '';

describe.skipIf(!CHROMIUM)('the script tag of the README in Chromium', () => {
  let relay: Relay;
  let servers: Server[];
  let browser: OpenBrowser;
  let page: Page;
  let relayOrigin = '';
  /** An intermediary that changes one byte of all that it passes on. */
  let intermediaryOrigin = '';
  let appOrigin = '';
  let html = '';
  const seen: string[] = [];
  const printed: string[] = [];

  beforeAll(async () => {
    const api = createServer((req, res) => {
      req.resume();
      seen.push(`${req.method} ${req.url}`);
      res.writeHead(201, { 'content-type': 'application/json' }).end('{"id":1,"text":"hello"}');
    });
    const app = createServer((_req, res) => void res.writeHead(200, { 'content-type': 'text/html' }).end(html));
    const intermediary = createServer(
      (req, res) => void tampered(req.url ?? '', res.writeHead.bind(res), res.end.bind(res)),
    );
    servers = [api, app, intermediary];
    const [apiPort, appPort, intermediaryPort] = await Promise.all([listen(api), listen(app), listen(intermediary)]);
    appOrigin = `http://localhost:${appPort}`;
    intermediaryOrigin = `http://localhost:${intermediaryPort}`;
    relay = relayTo(urlOf(apiPort), { CORS_ORIGINS: appOrigin });
    relayOrigin = `http://localhost:${await relay.listen(0)}`;
    browser = await openBrowser(CHROMIUM as string);
    page = browser.page;
    page.on('console', (message) => printed.push(message.text()));
    page.on('pageerror', (error) => printed.push(error.message));
  });

  afterAll(async () => {
    await browser?.close();
    await relay?.close();
    for (const server of servers ?? []) closeServer(server);
  });

  async function tampered(
    path: string,
    head: (status: number, fields: Record<string, string>) => unknown,
    end: (body: Buffer) => unknown,
  ): Promise<void> {
    const body = Buffer.from(await (await fetch(relayOrigin + path)).arrayBuffer());
    body[body.length - 2] = (body.at(-2) as number) ^ 1;
    head(200, { 'content-type': 'text/javascript', 'access-control-allow-origin': '*' });
    end(body);
  }

  const written = (script: string): string =>
    snippet
      .replace('http://localhost:8080/public', `${script}/public`)
      .replaceAll('http://localhost:8080', relayOrigin)
      .replace('sha384-…', relay.integrity[CLIENT] as string)
      .replace('sha256-…', relay.pin);

  test('it has at most 20 lines, and an integrity hash', () => {
    const lines = snippet.trim().split('\n');
    expect(lines.length).toBeGreaterThan(3);
    expect(lines.length).toBeLessThanOrEqual(20);
    expect(snippet).toContain('integrity="sha384-…" crossorigin');
  });

  test('runs as it stands and prints what it states', async () => {
    html = written(relayOrigin);
    await page.goto(appOrigin);
    const promised = [...snippet.matchAll(/\/\/ prints: (.*)$/gm)].map(([, line]) => line);
    expect(promised).toHaveLength(1);
    await expect.poll(() => printed).toEqual(promised);
    expect(seen).toEqual(['POST /notes']);
    const names = Object.keys(await import('@mte-relay/client'));
    expect(await globals(page)).toEqual(names.sort());
  });

  test.each([
    ['client before installer', [CLIENT, INSTALLER]],
    ['installer before client', [INSTALLER, CLIENT]],
  ])('%s: both put their exports into the one global', async (_order, paths) => {
    const tags = paths.map(
      (path) => `<script src="${relayOrigin}${path}" integrity="${relay.integrity[path]}" crossorigin></script>`,
    );
    html = `<!doctype html>${tags.join('')}`;
    await page.goto(appOrigin);
    const installer = Object.keys(await import('@mte-relay/client/service-worker'));
    const both = new Set([...Object.keys(await import('@mte-relay/client')), ...installer]);
    expect(await globals(page)).toEqual([...both].sort());
    // An error of the client is of the class in the global, whichever file was last.
    const isOwnClass = await page.evaluate(() => {
      const { mteRelay } = globalThis as unknown as { mteRelay: typeof import('@mte-relay/client') };
      try {
        mteRelay.createRelayClient('not a URL');
        return 'no error';
      } catch (error) {
        return error instanceof mteRelay.RelayClientError;
      }
    });
    expect(isOwnClass).toBe(true);
  });

  test('a client with a changed byte is refused by the browser, and nothing is sent', async () => {
    printed.length = 0;
    html = written(intermediaryOrigin);
    await page.goto(appOrigin);
    await expect.poll(() => printed.join('\n')).toMatch(/integrity/);
    expect(await page.evaluate(() => 'mteRelay' in globalThis)).toBe(false);
    expect(seen).toEqual(['POST /notes']);
  });

  test('the module of the README installs the service worker, then starts the app', async () => {
    const site = await openWorkerSite();
    const own = await browser.context.newPage();
    await own.goto(site.app + PLAIN_PAGE);
    const app = 'data:text/javascript,document.title=navigator.serviceWorker.controller.scriptURL';
    expect(installing).toContain("'/app.js'");
    await own.addScriptTag({ type: 'module', content: installing.replace('/app.js', app) });
    await expect.poll(() => own.title()).toBe(`${site.app}/public/mte-relay-sw.js`);
    await own.close();
    site.close();
  });

  test('where WebCrypto has neither X25519 nor ML-KEM, the same file has both', async () => {
    seen.length = 0;
    const asked = `const { subtle } = crypto, { importKey } = subtle; globalThis.refused = [];
      subtle.importKey = (...given) => {
        if (!/X25519|ML-KEM/.test(given[2])) return importKey.apply(subtle, given);
        refused.push(given[2]);
        return Promise.reject(new DOMException('Unrecognized name', 'NotSupportedError'));
      };`;
    html = written(relayOrigin).replace('<script', `<script>${asked}</script><script`);
    await page.goto(appOrigin);
    await expect.poll(() => seen).toEqual(['POST /notes']);
    const refused = await page.evaluate(() => (globalThis as unknown as { refused: string[] }).refused);
    expect(refused.sort()).toEqual(['ML-KEM-768', 'X25519']);
  });
});
