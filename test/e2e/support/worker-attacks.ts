// What a page of another site, an intermediary and a script of the page try against the service worker, and which requests
// it seals: one list for Chromium and Firefox.
import { expect, test } from 'vitest';
import { APP_PAGE, OTHER_WORKER, PLAIN_PAGE, SILENT_PAGE, TRUSTED_PAGE, type WorkerSite } from './worker-site.ts';

/** What the tests need of either browser's page. */
export interface AnyPage {
  goto(url: string): Promise<unknown>;
  evaluate<A, R>(work: (given: A) => R | Promise<R>, given?: A): Promise<R>;
  url(): string;
}

/** Facts of a browser that the tests depend on. */
export interface BrowserFacts {
  readonly name: 'Chromium' | 'Firefox';
  /** Whether about:blank frames of a controlled page are controlled. */
  readonly controlsBlankFrames: boolean;
}

declare global {
  /** Codes that onFailure has received. */
  var failures: string[];
}

type Open = () => { site: WorkerSite; page: AnyPage };

/** Opens the app's page, waits for its worker, and forgets what was seen until then. */
async function openAppOf(open: Open, path: string): Promise<ReturnType<Open>> {
  const { site, page } = open();
  await page.goto(site.app + path);
  await expect.poll(() => page.evaluate(() => document.title)).toBe('ready');
  for (const list of [site.seen, site.inClear, site.seenByEvil]) list.length = 0;
  return { site, page };
}

/** Submits a form of the open page; resolves when the browser has left it. */
async function submit(page: AnyPage, action: string): Promise<void> {
  const before = page.url();
  await page.evaluate((to) => {
    document.body.innerHTML = `<form method="post" action="${to}"><input name="amount" value="900"></form>`;
    setTimeout(() => document.forms[0]?.submit());
  }, action);
  await expect.poll(() => page.url()).not.toBe(before);
  await expect.poll(() => page.evaluate(() => document.readyState).catch(() => '')).toBe('complete');
}

function posts({ seen }: WorkerSite): string[] {
  return seen.map(({ method, url }) => `${method} ${url}`);
}

/** Declares the tests of forms. @param open called in each test. @param path of the app's page. */
export function testForms(open: Open, path: string = APP_PAGE): void {
  test.each(['/page/evil.html', '/page/silent.html'])(
    'a form of another site, %s, is neither sealed nor sent on, and its user sees why',
    async (evilPage) => {
      const { site, page } = await openAppOf(open, path);
      await page.goto(site.evil + evilPage);
      await submit(page, `${site.app}/api/v1/transfer`);
      expect(await page.evaluate(() => document.body.textContent)).toContain('The form was not sent.');
      expect(page.url()).toBe(`${site.app}/api/v1/transfer`);
      expect([...site.seen, ...site.inClear]).toEqual([]);
    },
  );

  test('a form of the app’s own page is sealed; one of a page that hides its origin is not sent', async () => {
    const { site, page } = await openAppOf(open, path);
    await submit(page, '/api/v1/transfer');
    expect(posts(site)).toEqual(['POST /api/v1/transfer']);
    expect(site.seen[0]).toMatchObject({
      headers: { origin: site.app, 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'navigate' },
      body: 'amount=900',
    });
    site.seen.length = 0;
    await page.goto(site.app + SILENT_PAGE);
    await submit(page, '/api/v1/transfer');
    expect([...site.seen, ...site.inClear]).toEqual([]);
  });
}

/** Declares the tests. @param open called in each test. */
export function testWorkerAttacks({ controlsBlankFrames, name }: BrowserFacts, open: Open): void {
  const openApp = (path = APP_PAGE): Promise<ReturnType<Open>> => openAppOf(open, path);
  const follow = async (page: AnyPage, to: string): Promise<void> => {
    await page.evaluate((href) => void setTimeout(() => location.assign(href)), to);
    await expect.poll(() => page.url()).toBe(to);
    await expect.poll(() => page.evaluate(() => document.readyState).catch(() => '')).toBe('complete');
  };

  testForms(open);

  test('a link reaches the API sealed, with the site and the cookies that a browser would send, and no origin', async () => {
    const { site, page } = await openApp();
    await page.evaluate(async () => void (await fetch('/api/v1/sign-in', { method: 'POST' })));
    const target = `${site.app}/api/v1/page`;
    for (const [from, expected, cookies] of [
      [site.app + APP_PAGE, 'same-origin', ['lax=1', 'strict=1']],
      [`${site.evil}/page/evil.html`, 'cross-site', ['lax=1']],
      [`${site.evil}/page/silent.html`, 'cross-site', ['lax=1']],
    ] as const) {
      await page.goto(from);
      site.seen.length = 0;
      await follow(page, target);
      expect(posts(site)).toEqual(['GET /api/v1/page']);
      const [{ headers }] = site.seen as [(typeof site.seen)[0]];
      expect(headers['sec-fetch-site']).toBe(expected);
      expect(headers['sec-fetch-dest']).toBe('document');
      expect(headers['origin']).toBeUndefined();
      expect(`${headers['cookie']}`.split('; ').sort()).toEqual(cookies);
    }
    expect(site.inClear).toEqual([]);
  });

  test('a navigation may be redirected to a page that is not listed', async () => {
    const { site, page } = await openApp();
    await submit(page, `/api/v1/to?location=${PLAIN_PAGE}`);
    expect(page.url()).toBe(site.app + PLAIN_PAGE);
    await page.evaluate((to) => void setTimeout(() => location.assign(to)), `/api/v1/to?location=${APP_PAGE}`);
    await expect.poll(() => page.url()).toBe(site.app + APP_PAGE);
    expect(site.inClear).toEqual([]);
  });

  test('images, sounds, frames, event streams, downloads and links are sealed', async () => {
    const { site, page } = await openApp();
    const outcome = await page.evaluate(async () => {
      const image = new Image();
      image.src = '/api/v1/picture';
      await image.decode();
      const sound = new Audio('/api/v1/sound');
      await new Promise((resolve, reject) => {
        sound.oncanplaythrough = resolve;
        sound.onerror = reject;
        sound.load();
      });
      const frame = document.createElement('iframe');
      frame.src = '/api/v1/report';
      await new Promise((resolve) => {
        frame.onload = resolve;
        document.body.append(frame);
      });
      const source = new EventSource('/api/v1/events');
      const event = await new Promise<string>((resolve) => {
        source.onmessage = ({ data }) => resolve(data);
      });
      source.close();
      const link = Object.assign(document.createElement('a'), { href: '/api/v1/export', download: '' });
      document.body.append(link);
      link.click();
      const detached = Object.assign(document.createElement('a'), { href: '/api/v1/export?2', download: 'x.csv' });
      detached.click();
      return [image.naturalWidth, sound.duration, frame.contentDocument?.body.textContent, event];
    });
    expect(outcome).toEqual([7, 1, 'of the API', 'first']);
    await expect.poll(() => posts(site)).toContain('GET /api/v1/export?2');
    for (const path of ['picture', 'sound', 'report', 'events', 'export'])
      expect(posts(site)).toContain(`GET /api/v1/${path}`);
    expect(site.inClear).toEqual([]);
    const fieldsOf = (path: string) => site.seen.find(({ url }) => url === `/api/v1/${path}`)?.headers;
    expect(fieldsOf('picture')).toMatchObject({ 'sec-fetch-dest': 'image', 'sec-fetch-mode': 'no-cors' });
    expect(fieldsOf('report')).toMatchObject({ 'sec-fetch-dest': 'iframe', 'sec-fetch-site': 'same-origin' });
    expect(fieldsOf('sound')?.['range']).toMatch(/^bytes=0-/);
  });

  test.each(['cut', 'ended'])('an event stream that is %s is reconnected, sealed', async (how) => {
    const { site, page } = await openApp();
    const events = await page.evaluate(async (path) => {
      const source = new EventSource(path);
      const received: string[] = [];
      await new Promise<void>((resolve) => {
        source.onmessage = ({ data }) => {
          received.push(data);
          if (received.length === 3) resolve();
        };
        source.onerror = () => {
          received.push(`${source.readyState}`);
          if (source.readyState === 2) resolve();
        };
      });
      source.close();
      return received;
    }, `/api/v1/${how}`);
    expect(events).toEqual(['first', '0', 'first']);
    expect(site.inClear).toEqual([]);
  });

  test('Clear-Site-Data of an intermediary or of the API’s own logout never lets a request go out in clear', async () => {
    const { site, page } = await openApp();
    for (const path of ['/page/plain.html', '/api/v1/logout', '/api/v1/x']) {
      if (path !== '/api/v1/logout') site.clearsStorageAt = path === '/api/v1/x' ? '/api/mte' : path;
      const outcomes = await page.evaluate(async (clearing) => {
        await fetch(clearing).catch(() => undefined);
        const seen: string[] = [];
        for (let i = 0; i < 300 && seen.slice(-5).join() !== 'sealed,sealed,sealed,sealed,sealed'; i += 1) {
          const login = { method: 'POST', body: 'password=hunter2' };
          seen.push(
            await fetch('/api/v1/login', login).then(
              () => 'sealed',
              (error) => error.code ?? error.name,
            ),
          );
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
        return seen;
      }, path);
      expect(outcomes.slice(-5)).toEqual(['sealed', 'sealed', 'sealed', 'sealed', 'sealed']);
      expect(site.inClear.filter(({ method }) => method === 'POST')).toEqual([]);
    }
    if (name === 'Chromium') expect(await page.evaluate(() => failures)).toContain('no-service-worker');
  });

  test('every way to send is refused while no worker controls the page', async () => {
    const { site, page } = await openApp();
    if (name === 'Firefox') return; // keeps the worker of an open page, whatever is cleared: the test before
    site.clearsStorageAt = PLAIN_PAGE;
    const outcome = await page.evaluate(async () => {
      const source = new EventSource('/api/v1/events');
      await new Promise((resolve) => {
        source.onmessage = resolve;
      });
      const lost = new Promise((resolve) => navigator.serviceWorker.addEventListener('controllerchange', resolve));
      await fetch('/page/plain.html');
      await lost;
      const of = (work: () => unknown): unknown => {
        try {
          return work();
        } catch (error) {
          return (error as { code: string }).code;
        }
      };
      const xhr = new XMLHttpRequest();
      xhr.open('POST', '/api/v1/xhr');
      const xhrOutcome = new Promise((resolve) => {
        xhr.onerror = () => resolve('error');
        xhr.onload = () => resolve('load');
      });
      xhr.send('secret');
      const form = document.createElement('form');
      Object.assign(form, { method: 'post', action: '/api/v1/form' });
      document.body.append(form);
      form.submit();
      form.requestSubmit();
      const link = Object.assign(document.createElement('a'), { href: '/api/v1/link' });
      document.body.append(link);
      link.click();
      return [
        source.readyState,
        of(() => navigator.sendBeacon('/api/v1/beacon', 'secret')),
        of(() => new EventSource('/api/v1/events')),
        await fetch('/api/v1/fetch').catch((error) => error.code),
        await xhrOutcome,
        location.pathname,
      ];
    });
    expect(outcome).toEqual([2, false, 'no-service-worker', 'no-service-worker', 'error', APP_PAGE]);
    expect(site.inClear).toEqual([]);
  });

  test('the app’s own script cannot replace the relay’s worker, and learns how both run', async () => {
    const { page } = await openApp();
    const outcome = await page.evaluate(async (script) => {
      return await navigator.serviceWorker.register(script, { scope: '/' }).catch((error) => error.message);
    }, OTHER_WORKER);
    expect(outcome).toContain("importScripts('/public/mte-relay-sw.js')");
  });

  test('another page’s worker that takes over: requests fail with a code, none is in clear', async () => {
    const { site, page } = await openApp();
    const outcome = await page.evaluate(
      async ([plain, script]) => {
        const popup = window.open(plain) as Window & typeof globalThis;
        // Twice, since the first page has the window that this one's guard has seen.
        for (const url of [plain, `${plain}?2`]) {
          popup.location.assign(url);
          while (popup.document.readyState !== 'complete' || !popup.location.href.endsWith(url)) {
            await new Promise((resolve) => setTimeout(resolve, 20));
          }
        }
        const changed = new Promise((resolve) => navigator.serviceWorker.addEventListener('controllerchange', resolve));
        await popup.navigator.serviceWorker.register(script, { scope: '/' });
        await changed;
        const error = await fetch('/api/v1/login', { method: 'POST', body: 'password' }).catch((reason) => reason);
        popup.close();
        return [error.code, failures.includes('no-service-worker')];
      },
      [PLAIN_PAGE, OTHER_WORKER] as const,
    );
    expect(outcome).toEqual(['no-service-worker', true]);
    expect([...site.seen, ...site.inClear]).toEqual([]);
    // And a page that installs does not displace the app's worker.
    await page.goto(site.app + APP_PAGE);
    await expect.poll(() => page.evaluate(() => document.title)).toContain(`importScripts('/public/mte-relay-sw.js')`);
    // The worker is not removed before the last window that it controls has closed.
    const isGone = async (): Promise<boolean> => {
      await page.goto(site.app + PLAIN_PAGE);
      return await page.evaluate(async () => {
        const registration = await navigator.serviceWorker.getRegistration('/');
        await registration?.unregister();
        return !registration && !navigator.serviceWorker.controller;
      });
    };
    await expect.poll(isGone).toBe(true);
  });

  test('an unregistered worker is registered again, and a new frame’s requests are sealed', async () => {
    const { site, page } = await openApp();
    const text = await page.evaluate(async (plain) => {
      await (await navigator.serviceWorker.getRegistration('/'))?.unregister();
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      const frame = document.createElement('iframe');
      frame.src = plain;
      await new Promise((resolve) => {
        frame.onload = resolve;
        document.body.append(frame);
      });
      const init = { method: 'POST', body: 'password=hunter2' };
      return await (frame.contentWindow as Window).fetch('/api/v1/login', init).then(
        (response) => response.status,
        (error) => error.code,
      );
    }, PLAIN_PAGE);
    expect(text).toBe(200);
    expect(site.inClear).toEqual([]);
  });

  test('a script that registers the relay’s worker with another relay in its URL gets the relay’s own', async () => {
    const { site, page } = await openApp();
    await page.goto(site.app + PLAIN_PAGE);
    await page.evaluate(async (evil) => {
      const script = `/public/mte-relay-sw.js?relay=${encodeURIComponent(evil)}&route=${encodeURIComponent('/*')}`;
      const { installing, active } = await navigator.serviceWorker.register(script, { scope: '/' });
      const worker = (installing ?? active) as ServiceWorker;
      while (worker.state !== 'activated') await new Promise((resolve) => setTimeout(resolve, 20));
    }, site.evil);
    await page.goto(site.app + PLAIN_PAGE);
    const init = { method: 'POST', body: 'password=hunter2' };
    const status = await page.evaluate(async (given) => (await fetch('/api/v1/login', given)).status, init);
    expect(status).toBe(200);
    expect(posts(site)).toEqual(['POST /api/v1/login']);
    expect([...site.inClear, ...site.seenByEvil]).toEqual([]);
  });

  test('what no browser hands to a worker is refused in the page', async () => {
    const { site, page } = await openApp();
    const outcome = await page.evaluate(async () => {
      const xhr = new XMLHttpRequest();
      xhr.open('POST', '/api/v1/sync', false);
      const of = (work: () => unknown): string => {
        try {
          return `${work()}`;
        } catch (error) {
          return (error as { code: string }).code + (error as Error).name;
        }
      };
      const blank = document.createElement('iframe');
      document.body.append(blank);
      const opened = window.open('about:blank') as Window;
      const result = [
        of(() => xhr.send('secret')),
        of(() => new WebSocket('/api/v1/socket'.replace(/^/, location.origin.replace('http', 'ws')))),
        'fetchLater' in window
          ? of(() => (window as never as { fetchLater(url: string): void }).fetchLater('/api/v1/later'))
          : 'none',
        await (blank.contentWindow as Window).fetch('/api/v1/blank').then(
          ({ status }) => status,
          (error) => error.code,
        ),
        await (window.frames[window.length - 1] as Window).fetch('/api/v1/blank').then(
          ({ status }) => status,
          (error) => error.code,
        ),
        await opened.fetch('/api/v1/opened').then(
          ({ status }) => status,
          (error) => error.code,
        ),
      ];
      opened.close();
      return result;
    });
    const refused = 'no-service-worker';
    const ofFrame = controlsBlankFrames ? 200 : refused;
    expect(outcome).toEqual([
      '19NetworkError',
      `${refused}RelayClientError`,
      name === 'Chromium' ? `${refused}RelayClientError` : 'none',
      ofFrame,
      ofFrame,
      refused,
    ]);
    expect(site.inClear).toEqual([]);
  });

  test('large beacons arrive, and cache modes reach the API as fields', async () => {
    const { site, page } = await openApp();
    const sent = await page.evaluate(async () => {
      const bytes = [65_300, 65_536];
      const queued: boolean[] = [];
      for (const count of bytes) {
        queued.push(navigator.sendBeacon('/api/v1/beacon', 'x'.repeat(count)));
        await new Promise((resolve) => setTimeout(resolve, 1_000));
      }
      for (const cache of ['default', 'no-store', 'reload', 'no-cache', 'force-cache'] as const) {
        await fetch(`/api/v1/cache?${cache}`, { cache });
      }
      const only = { cache: 'only-if-cached', mode: 'same-origin' } as const;
      return [...queued, await fetch('/api/v1/cache?only', only).catch((error: Error) => error.name)];
    });
    expect(sent).toEqual([true, true, 'TypeError']);
    await expect
      .poll(() => site.seen.filter(({ url }) => url === '/api/v1/beacon').map(({ body }) => body.length))
      .toEqual([65_300, 65_536]);
    const controls = site.seen
      .filter(({ url }) => url.startsWith('/api/v1/cache'))
      .map(({ headers }) => headers['cache-control']);
    expect(controls).toEqual([undefined, 'no-cache', 'no-cache', 'max-age=0', undefined]);
    expect(site.inClear).toEqual([]);
  });

  test('a page with Trusted Types installs the worker, by a policy that takes its script alone', async () => {
    const { site, page } = await openApp(TRUSTED_PAGE);
    expect(await page.evaluate(async () => (await fetch('/api/v1/x')).status)).toBe(200);
    expect(posts(site)).toEqual(['GET /api/v1/x']);
  });

  test('guarded functions and classes keep their names, lengths and constants', async () => {
    const { page } = await openApp();
    const facts = await page.evaluate(() => {
      const events = new EventSource('/page/plain.html');
      events.close();
      const { open, send } = XMLHttpRequest.prototype;
      const functions = [fetch, open, send, navigator.sendBeacon, EventSource, WebSocket, window.open];
      return [
        ...functions.map(({ name: own, length }) => `${own} ${length}`),
        events instanceof EventSource,
        WebSocket.OPEN,
      ];
    });
    expect(facts).toEqual([
      'fetch 1',
      'open 2',
      'send 0',
      'sendBeacon 1',
      'EventSource 1',
      'WebSocket 1',
      'open 0',
      true,
      1,
    ]);
  });
}
