// Workers of an app's own that import the relay's as their first line, with the real packages: Workbox, Angular's and
// Firebase's. One list for Chromium and Firefox.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { expect, test } from 'vitest';
import type { AnyPage } from './worker-attacks.ts';
import { APP_PAGE, PLAIN_PAGE, type WorkerSite } from './worker-site.ts';

/** Where the packages are, beside those of the runtimes. */
const INSTALLED = join(import.meta.dirname, '../../runtimes');
const MODULES = join(INSTALLED, 'node_modules');
const read = (path: string): string => readFileSync(join(MODULES, path), 'utf8');
const FIRST_LINE = `importScripts('/public/mte-relay-sw.js');\n`;

/** What the tests ask each worker for: the messages that it has received, and a request of its own. */
const ASKED = `
const received = [];
addEventListener('message', (event) => {
  if (typeof event.data === 'string') received.push(event.data); // Angular's worker sends itself others
  if (event.data === 'what have you received?') event.source.postMessage(received);
  if (event.data === 'send') event.waitUntil(fetch('/api/v1/queued', { method: 'POST', body: 'from the queue' }));
});
`;
const WORKBOX = `${FIRST_LINE}${ASKED}
importScripts('/page/workbox/workbox-sw.js');
workbox.setConfig({ modulePathPrefix: '/page/workbox/', debug: false });
workbox.loadModule('workbox-strategies');
workbox.core.clientsClaim();
workbox.precaching.precacheAndRoute([{ url: '${PLAIN_PAGE}', revision: '1' }]);
workbox.routing.registerRoute(() => true, new workbox.strategies.CacheFirst({ cacheName: 'everything' }));
`;
const NGSW = `${FIRST_LINE}${ASKED}importScripts('/page/ngsw-worker.js');\n`;
const FIREBASE = `
import { initializeApp } from '@firebase/app';
import { getMessaging, onBackgroundMessage } from '@firebase/messaging/sw';
const app = initializeApp({ apiKey: 'k', projectId: 'p', messagingSenderId: '1', appId: '1:1:web:1' });
onBackgroundMessage(getMessaging(app), () => undefined);
addEventListener('message', (event) => {
  if (event.data === 'is it running?') event.source.postMessage(app.options.projectId);
});
`;

const PLAIN_TEXT = '<!doctype html><meta charset="utf-8"><body>plain</body>';
const NGSW_MANIFEST = JSON.stringify({
  configVersion: 1,
  timestamp: 1,
  index: '/page/index.html',
  assetGroups: [
    {
      name: 'app',
      installMode: 'prefetch',
      updateMode: 'prefetch',
      urls: [PLAIN_PAGE],
      patterns: [],
      cacheQueryOptions: {},
    },
  ],
  dataGroups: [
    {
      name: 'api',
      patterns: ['\\/api\\/.*'],
      strategy: 'performance',
      maxSize: 100,
      maxAge: 3_600_000,
      version: 1,
      cacheQueryOptions: {},
    },
  ],
  hashTable: { [PLAIN_PAGE]: createHash('sha1').update(PLAIN_TEXT).digest('hex') },
  navigationUrls: [],
});

/** The scripts to serve, by path. */
export async function sideBySideScripts(): Promise<Record<string, string>> {
  const { outputFiles } = await build({
    stdin: { contents: FIREBASE, resolveDir: INSTALLED },
    bundle: true,
    write: false,
    format: 'iife',
    logLevel: 'error',
  });
  const modules = ['core', 'precaching', 'routing', 'strategies'].map((name) => `workbox-${name}`);
  return {
    '/page/workbox/workbox-sw.js': read('workbox-sw/build/workbox-sw.js'),
    ...Object.fromEntries(
      modules.map((name) => [`/page/workbox/${name}.prod.js`, read(`${name}/build/${name}.prod.js`)] as const),
    ),
    '/page/ngsw-worker.js': read('@angular/service-worker/ngsw-worker.js'),
    '/page/ngsw.json': NGSW_MANIFEST,
    '/page/workbox.js': WORKBOX,
    '/page/ngsw.js': NGSW,
    '/page/firebase.js': FIRST_LINE + ASKED + outputFiles[0]?.text,
  };
}

/** Declares the tests. @param open called in each test. */
export function testSideBySide(open: () => { site: WorkerSite; page: AnyPage }): void {
  /** Opens the app's page with this worker, and waits for it. */
  const openApp = async (script: string): Promise<ReturnType<typeof open>> => {
    const { site, page } = open();
    await page.goto(site.app + PLAIN_PAGE);
    await page.evaluate(async () => void (await (await navigator.serviceWorker.getRegistration('/'))?.unregister()));
    await page.goto(`${site.app}${APP_PAGE}?script=${script}`);
    await expect.poll(() => page.evaluate(() => document.title)).toBe('ready');
    for (const list of [site.seen, site.inClear]) list.length = 0;
    return { site, page };
  };
  /** Asks the worker, as the app would; its reply. */
  const ask = (page: AnyPage, question: string): Promise<unknown> =>
    page.evaluate((data) => {
      const reply = new Promise((resolve) => {
        navigator.serviceWorker.addEventListener('message', (event) => resolve(event.data), { once: true });
      });
      navigator.serviceWorker.controller?.postMessage(data);
      return reply;
    }, question);

  test.each(['/page/workbox.js', '/page/ngsw.js', '/page/firebase.js'])(
    '%s with the relay’s worker imported: listed routes are sealed, never cached, and messages are the app’s alone',
    async (script) => {
      const { site, page } = await openApp(script);
      const outcome = await page.evaluate(async () => {
        const texts: number[] = [];
        for (let i = 0; i < 2; i += 1) texts.push((await fetch('/api/v1/notes')).status);
        texts.push((await fetch('/api/v1/notes', { method: 'POST', body: 'secret' })).status);
        const cached: string[] = [];
        for (const name of await caches.keys()) {
          for (const { url } of await (await caches.open(name)).keys()) cached.push(new URL(url).pathname);
        }
        return { texts, cached: cached.filter((path) => path.startsWith('/api')) };
      });
      expect(outcome).toEqual({ texts: [200, 200, 200], cached: [] });
      expect(site.seen.map(({ method, url }) => `${method} ${url}`)).toEqual([
        'GET /api/v1/notes',
        'GET /api/v1/notes',
        'POST /api/v1/notes',
      ]);
      expect(await ask(page, 'what have you received?')).toEqual(['what have you received?']);
      await page.evaluate(() => navigator.serviceWorker.controller?.postMessage('send'));
      await expect.poll(() => site.seen.at(-1)).toMatchObject({ url: '/api/v1/queued', body: 'from the queue' });
      expect(site.inClear).toEqual([]);
    },
  );

  test('Workbox still has its own requests: what is not listed comes from its cache', async () => {
    const { page } = await openApp('/page/workbox.js');
    await page.evaluate(async (path) => void (await fetch(`${path}?any`)), PLAIN_PAGE);
    const cached = (): Promise<string[]> =>
      page.evaluate(async () => {
        const keys = await (await caches.open('everything')).keys();
        return keys.map(({ url }) => new URL(url).search);
      });
    await expect.poll(cached).toContain('?any');
  });

  test('Angular’s worker is running, with its manifest', async () => {
    const { site, page } = await openApp('/page/ngsw.js');
    const state = async (): Promise<string> =>
      await page.evaluate(async () => await (await fetch('/ngsw/state')).text());
    await expect.poll(state).toMatch(/Driver state: NORMAL[\s\S]*Latest manifest hash: [0-9a-f]{40}/);
    expect(site.inClear).toEqual([]);
  });

  test('Firebase’s messaging is running', async () => {
    const { page } = await openApp('/page/firebase.js');
    expect(await ask(page, 'is it running?')).toBe('p');
  });

  test('a worker of the app that does not import the relay’s is not taken for one', async () => {
    const { site, page } = open();
    await page.goto(site.app + PLAIN_PAGE);
    await page.evaluate(async () => void (await (await navigator.serviceWorker.getRegistration('/'))?.unregister()));
    await page.goto(`${site.app}${APP_PAGE}?script=/page/other-worker.js`);
    await expect.poll(() => page.evaluate(() => document.title)).toMatch(/^no-service-worker: .* does not import/);
  });
}
