// Ways by which a controlled page, or the app's own worker beside the relay's, makes a browser request a listed route. Each
// request is sealed or fails: one list for Chromium and Firefox.
import { expect, test } from 'vitest';
import type { AnyPage } from './worker-attacks.ts';
import { APP_PAGE, PLAIN_PAGE, type WorkerSite } from './worker-site.ts';

const OWN_WORKER = '/page/own-worker.js';

/** The app's own worker, which imports the relay's. It runs the way that a message names, and replies with the outcome. */
export const OWN_WORKER_SCRIPTS: Readonly<Record<string, string>> = {
  [OWN_WORKER]: `importScripts('/public/mte-relay-sw.js');
    addEventListener('install', (event) => {
      skipWaiting();
      const urlPattern = globalThis.URLPattern && new URLPattern({ pathname: '/api/v1/routed' });
      event.addRoutes?.({ condition: { urlPattern }, source: 'network' });
    });
    addEventListener('activate', (event) => event.waitUntil(clients.claim()));
    const ways = {
      add: (url) => caches.open('own').then((cache) => cache.add(url)),
      addAll: (url) => caches.open('own').then((cache) => cache.addAll(['/page/plain.html', url])),
      addOfOthers: () => caches.open('own').then((cache) => cache.addAll(['/page/plain.html'])),
      socket: (url) => new WebSocket(url.replace('http', 'ws')),
      events: (url) => new EventSource(url),
      preload: () => registration.navigationPreload.enable(),
      route: (url) => undefined,
    };
    addEventListener('message', ({ data, ports }) => {
      if (!ways[data.way]) return;
      new Promise((resolve) => resolve(ways[data.way](data.url)))
        .then(() => 'done', (error) => error.code ?? error.message)
        .then((outcome) => ports[0].postMessage(outcome));
    });`,
};

/** TypeScript's library lacks Background Fetch, which Chromium has. */
type WithBackgroundFetch = ServiceWorkerRegistration & {
  backgroundFetch?: { fetch(id: string, urls: string[]): Promise<unknown> };
};

type Way = (url: string) => unknown;

/** Fragments of the names of ways that are sealed. The others are refused, or the browser may lack them. */
const SEALED = ['a fetch', 'download'];
const isSealed = (name: string): boolean =>
  SEALED.some((fragment) => name.includes(fragment)) && !name.includes('about:blank');

/** Of pages; each runs in one. */
const WAYS: Readonly<Record<string, Way>> = {
  'a fetch with keepalive': (url) => fetch(url, { method: 'POST', body: 'secret', keepalive: true }),
  'a fetch of a Request with keepalive': (url) =>
    fetch(new Request(url, { method: 'POST', body: 'secret', keepalive: true })),
  'a fetch with the content type of sealed messages': (url) =>
    fetch(url, { method: 'POST', body: 'secret', headers: { 'content-type': 'application/mte-relay' } }),
  'a fetch of an about:blank frame that is reached by its number': (url) => {
    document.body.append(document.createElement('iframe'));
    return (window[window.length - 1] as Window).fetch(url);
  },
  'navigation preload': async (src) => {
    const registration = await navigator.serviceWorker.ready;
    await registration.navigationPreload.enable();
    const frame = Object.assign(document.createElement('iframe'), { src });
    await new Promise((resolve) => {
      frame.onload = resolve;
      document.body.append(frame);
    });
    await registration.navigationPreload.disable();
  },
  'background fetch': async (url) => {
    const registration = (await navigator.serviceWorker.ready) as WithBackgroundFetch;
    await registration.backgroundFetch?.fetch('one', [url]);
  },
  'the script of another service worker': (url) => navigator.serviceWorker.register(url, { scope: '/elsewhere/' }),
  'a WebSocketStream': (url) => {
    const { WebSocketStream } = globalThis as { WebSocketStream?: new (url: string) => unknown };
    if (WebSocketStream) new WebSocketStream(url.replace('http', 'ws'));
  },
  'a click that a script dispatches to a download link outside of the document': (href) => {
    const link = Object.assign(document.createElement('a'), { href, download: '' });
    link.dispatchEvent(new MouseEvent('click')); // as FileSaver.js does
  },
  'an event that cannot be cancelled, at a download link of the document': (href) => {
    const link = Object.assign(document.createElement('a'), { href, download: '' });
    document.body.append(link);
    link.dispatchEvent(new MouseEvent('click', { bubbles: true }));
    link.dispatchEvent(new MouseEvent('click', { cancelable: true }));
    if (link.href !== href) throw new Error('the link has lost its href');
  },
  'an area element with download': (href) => {
    const area = Object.assign(document.createElement('area'), { href, download: '', shape: 'default' });
    const map = Object.assign(document.createElement('map'), { name: 'map' });
    map.append(area);
    document.body.append(map);
    area.click();
  },
  'a link of SVG with download': (url) => {
    document.body.insertAdjacentHTML('beforeend', `<svg><a download="" href="${url}"><text>x</text></a></svg>`);
    document.querySelector('svg a')?.dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true }));
  },
};

/** Declares the tests. @param open called in each test. */
export function testWays(open: () => { site: WorkerSite; page: AnyPage }): void {
  const openApp = async (path: string): Promise<ReturnType<typeof open>> => {
    const { site, page } = open();
    await page.goto(site.app + path);
    await expect.poll(() => page.evaluate(() => document.title)).toBe('ready');
    for (const list of [site.seen, site.inClear]) list.length = 0;
    return { site, page };
  };
  const waits = () => new Promise((resolve) => setTimeout(resolve, 1_500));

  test.each(Object.entries(WAYS))('%s does not send a listed request in clear', async (name, way) => {
    const { site, page } = await openApp(APP_PAGE);
    const path = `/api/v1/way${Object.keys(WAYS).indexOf(name)}`; // some requests come late
    // Not awaited: some wait for the user.
    await page.evaluate(
      (text) => {
        const [work, url] = text as [string, string];
        void (async () => await new Function(`return (${work})`)()(url))().catch(() => undefined);
      },
      [`${way}`, site.app + path],
    );
    for (let at = 0; at < (name === 'background fetch' ? 8 : 1); at += 1) await waits();
    expect(site.inClear.filter(({ url }) => url === path).map(({ method, body }) => `${method} ${body}`)).toEqual([]);
    if (isSealed(name)) expect(site.seen.map(({ url }) => url)).toContain(path);
  });

  test('what is refused while the worker controls the page has a code', async () => {
    const { site, page } = await openApp(APP_PAGE);
    const outcome = await page.evaluate(async (url) => {
      const registration = (await navigator.serviceWorker.ready) as WithBackgroundFetch;
      const codeOf = (error: { code: string }) => error.code;
      return [
        await registration.navigationPreload.enable().catch(codeOf),
        await navigator.serviceWorker.register(url, { scope: '/elsewhere/' }).catch(codeOf),
        (await registration.backgroundFetch?.fetch('two', ['/page/plain.html', url]).catch(codeOf)) ?? 'none',
      ];
    }, `${site.app}/api/v1/refused`);
    expect(outcome.slice(0, 2)).toEqual(['misuse', 'misuse']);
    expect(['no-service-worker', 'none']).toContain(outcome[2]);
  });

  test.each([
    ['add', 'done'],
    ['addAll', 'done'],
    ['addOfOthers', 'done'],
    ['socket', 'misuse'],
    ['events', 'misuse'],
    ['preload', 'misuse'],
    ['route', 'done'],
  ])('in the app’s own worker ‘%s’ does not send a listed request in clear: %s', async (way, expected) => {
    const { site, page } = open();
    const unregister = async () => void (await (await navigator.serviceWorker.getRegistration('/'))?.unregister());
    await page.goto(site.app + APP_PAGE);
    await page.evaluate(unregister);
    await page.goto(site.app + PLAIN_PAGE);
    await page.evaluate(unregister);
    await openApp(`${APP_PAGE}?script=${OWN_WORKER}`);
    const outcome = await page.evaluate(
      async ([name, origin]) => {
        if (name === 'route') await fetch('/api/v1/routed');
        const { port1, port2 } = new MessageChannel();
        navigator.serviceWorker.controller?.postMessage({ way: name, url: `${origin}/api/v1/way` }, [port2]);
        return await new Promise((resolve) => {
          port1.onmessage = ({ data }) => resolve(data);
        });
      },
      [way, site.app] as const,
    );
    expect(outcome).toBe(expected);
    await waits();
    expect(site.inClear.map(({ method, url }) => `${method} ${url}`)).toEqual([]);
    const sealed = { add: ['/api/v1/way'], addAll: ['/api/v1/way'], route: ['/api/v1/routed'] }[way] ?? [];
    expect(site.seen.map(({ url }) => url)).toEqual(sealed);
    await page.evaluate(unregister);
    await page.goto(site.app + PLAIN_PAGE);
  });
}
