// An unchanged single-page app, sealed by the service worker, in real Chromium: it works as it does without, nothing of
// it is in a capture of the wire, and ended workers, updates and relays that go away lose nothing and run nothing twice.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CHROMIUM } from '@mte-relay/testing/chromium';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Capture, capturePort, TCPDUMP } from './support/capture.ts';
import { openSealed, openSealedApp, type SealedApp } from './support/sealed-app.ts';
import {
  callHeld,
  clickDownload,
  isOldWorkerGone,
  shownOfWeir,
  signOut,
  updateWorker,
} from './support/sealed-app-page.ts';
import {
  CONTROL_PATH,
  expectSealed,
  FILE_BYTES,
  FILE_TEXT,
  NOTE,
  PASSWORD,
  SUBJECT,
} from './support/sealed-app-secrets.ts';

const INSTALLER_PATH = join(import.meta.dirname, '../../packages/client/dist/mte-relay-install.js');
/** The installer for a page that does not load it itself. */
const INSTALLER = readFileSync(INSTALLER_PATH, 'utf8');

/**
 * Chromium looks for another version of the worker by itself, about a second after a page has loaded. If the relay ends
 * just then, calls and updates behind it were seen to wait for long.
 */
const lookedForUpdate = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5_000));

describe.skipIf(!CHROMIUM)('an unchanged app and the service worker in Chromium', () => {
  let app: SealedApp;
  let page: Page;
  let capture: Capture | undefined;

  beforeAll(async () => {
    app = await openSealedApp();
    page = app.browser.page;
  });

  afterAll(async () => {
    await app?.close();
  });

  let withoutWorker: string[] = [];

  test('without a relay the app works against its own server', async () => {
    await page.goto(app.directOrigin);
    await useEverything(page, app.directOrigin);
    withoutWorker = app.seenDirect.splice(0);
    await app.browser.context.clearCookies(); // which know no ports
    expect(withoutWorker).toContain('POST /api/v1/messages');
  });

  test('before the worker controls the page, the relay serves nothing of the API', async () => {
    await page.goto(`${app.origin}/thanks.html`); // a page that installs no worker
    const statuses = await page.evaluate(async () => {
      const post = { method: 'POST', body: '{}' };
      return [(await fetch('/api/v1/notes')).status, (await fetch('/api/v1/login', post)).status];
    });
    expect(statuses).toEqual([404, 404]);
    expect(app.seen).toEqual([]);
  });

  test('behind the relay the same app makes the same requests, sealed', async () => {
    await openSealed(page, app.origin);
    // From here on: the page's own files pass as they are, and they name its routes.
    if (TCPDUMP) capture = await capturePort(TCPDUMP, Number(new URL(app.origin).port));
    await useEverything(page, app.origin);
    expect(app.seen.toSorted()).toEqual(withoutWorker.toSorted()); // image, frame and events are loaded at once
    const names = (await app.browser.context.cookies(app.origin)).map(({ name }) => name);
    expect(names).not.toContain('session');
  });

  test.skipIf(!TCPDUMP)('no method, path, field, body, cookie or status of the API is on the wire', async () => {
    await page.evaluate(async (path) => void (await fetch(path)), CONTROL_PATH);
    expectSealed(await (capture as Capture).finish(), withoutWorker.length);
  });

  test('a navigation to the API is sealed, and so is a beacon; signing out leads to a page that is not listed', async () => {
    await openSealed(page, app.origin);
    await signIn(page);
    app.seen.length = 0;
    expect((await page.goto(`${app.origin}/api/v1/notes`))?.status()).toBe(200);
    await openSealed(page, app.origin);
    await page.evaluate(() => navigator.sendBeacon('/api/v1/beacon', 'seen'));
    await expect.poll(() => app.seen).toEqual(['GET /api/v1/notes', 'POST /api/v1/beacon']);
    await page.click('#logout button');
    await page.waitForURL(`${app.origin}/goodbye.html`);
    expect(await page.evaluate(async () => (await fetch('/api/v1/notes')).status)).toBe(401);
    await openSealed(page, app.origin);
    await signIn(page);
  });

  test('redirects end as without a worker: same URL, method and body; but never outside of the listed routes', async () => {
    const to = async (status: number, location: string): Promise<unknown> =>
      page.evaluate(
        async (query) => {
          const init = { method: 'POST', body: JSON.stringify({ text: 'sent on' }) };
          const response = await fetch(`/api/v1/test/redirect?${query}`, init).catch((error: Error) => error.message);
          if (typeof response === 'string') return response;
          return [response.status, response.redirected, new URL(response.url).pathname];
        },
        `${new URLSearchParams({ status: String(status), to: location })}`,
      );
    app.seen.length = 0;
    expect(await to(303, '/api/v1/notes')).toEqual([200, true, '/api/v1/notes']);
    expect(await to(307, `${app.origin}/api/v1/notes`)).toEqual([201, true, '/api/v1/notes']);
    expect(app.seen.filter((line) => !line.includes('?'))).toEqual(['GET /api/v1/notes', 'POST /api/v1/notes']);
    for (const [status, location] of [
      [307, '/thanks.html'],
      [302, `${app.directOrigin}/api/v1/notes`],
      [308, '//evil.example/'],
    ] as const) {
      expect(await to(status, location)).toBe('Failed to fetch');
      await saidWhy(app, /failed with redirect-refused/);
    }
    const manual = await page.evaluate(
      async () => (await fetch('/api/v1/test/redirect?status=302&to=/x', { redirect: 'manual' })).type,
    );
    expect(manual).toBe('opaqueredirect');
  });

  test('responses stream, and an abort ends the call at once and, during the response, the API’s work', async () => {
    const pieces = await page.evaluate(async () => {
      const controller = new AbortController();
      const response = await fetch('/api/v1/test/stream', { signal: controller.signal });
      const reader = (response.body as ReadableStream<Uint8Array>).getReader();
      const read: string[] = [];
      for (let i = 0; i < 3; i += 1) read.push(new TextDecoder().decode((await reader.read()).value));
      controller.abort(new Error('enough'));
      read.push(await reader.read().then(String, (error: Error) => error.message));
      return read;
    });
    expect(pieces[0]).toBe('piece 0\n');
    expect(pieces.at(-1)).toBe('enough');
    await expect.poll(() => app.cutOff).toContain('stream');
    // Before the response: Chromium does not notify the worker (docs/service-worker.md), so the request itself goes on.
    const aborted = page.evaluate(async () => {
      const controller = new AbortController();
      Object.assign(globalThis, { controller });
      const init = { method: 'POST', body: 'x', signal: controller.signal };
      return await fetch('/api/v1/test/held?id=aborted', init).then(String, (error: Error) => error.message);
    });
    await app.reached('aborted');
    await page.evaluate(() =>
      (globalThis as unknown as { controller: AbortController }).controller.abort(new Error('no')),
    );
    expect(await aborted).toBe('no');
    app.release();
  });

  test('a worker that is ended in the middle: GET and PUT finish, a POST fails honestly and runs once', async () => {
    for (const method of ['GET', 'PUT', 'POST']) {
      const response = held(page, method, `ended-${method}`);
      await app.reached(`ended-${method}`);
      await app.stopWorkers();
      if (method !== 'POST') {
        // Idempotent, so the browser hands it to the next worker, which sends it again.
        await expect.poll(() => app.ran.filter((id) => id === `ended-${method}`).length).toBe(2);
        app.release();
      }
      const failed = 'Failed to fetch';
      expect(await response).toBe(method === 'POST' ? failed : `answer to ended-${method}`);
    }
    await saidWhy(app, /POST .* failed with may-have-run/);
    const again = held(page, 'POST', 'ended-POST'); // repeated by the user, it is an ordinary request
    await expect.poll(() => app.ran.filter((id) => id === 'ended-POST').length).toBe(2);
    app.release();
    expect(await again).toBe('answer to ended-POST');
  });

  test('two equal POSTs in progress when the worker is ended: neither runs again', async () => {
    const responses = [held(page, 'POST', 'twin'), held(page, 'POST', 'twin')];
    await expect.poll(() => app.ran.filter((id) => id === 'twin').length).toBe(2);
    await app.stopWorkers();
    expect(await Promise.all(responses)).toEqual(['Failed to fetch', 'Failed to fetch']);
    expect(app.ran.filter((id) => id === 'twin')).toHaveLength(2);
    app.release();
  });

  test('a response that is being read when the worker is ended fails, and is not taken for whole', async () => {
    const read = page.evaluate(async () => {
      const response = await fetch('/api/v1/test/stream');
      document.title = 'reading';
      return await response.text().then(
        () => 'whole',
        () => 'failed',
      );
    });
    await page.waitForFunction(() => document.title === 'reading');
    await app.stopWorkers();
    expect(await read).toBe('failed');
  });

  test('a form whose worker is ended is neither sent as it is nor run twice', async () => {
    app.seen.length = 0;
    await page.evaluate(() => {
      const form = document.querySelector('#contact') as HTMLFormElement;
      form.action = '/api/v1/test/held?id=form';
      form.noValidate = true;
      form.requestSubmit();
    });
    await app.reached('form');
    await app.stopWorkers();
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(app.ran.filter((id) => id === 'form')).toHaveLength(1);
    expect(app.seen).toEqual(['POST /api/v1/test/held?id=form']);
    app.release();
    await openSealed(page, app.origin);
  });

  test('a restarted relay and a network that was away heal by themselves', async () => {
    await lookedForUpdate();
    await app.stopRelay();
    expect(await page.evaluate(() => fetch('/api/v1/notes').catch((error: Error) => error.message))).toBe(
      'Failed to fetch',
    );
    await saidWhy(app, /GET .* failed with unreachable/);
    await app.startRelay();
    expect(await post(page, '/api/v1/notes')).toBe(201);
    await app.stopRelay();
    await app.startRelay();
    expect(await post(page, '/api/v1/notes')).toBe(201);
    await app.browser.context.setOffline(true);
    expect(await post(page, '/api/v1/notes').catch(() => 'failed')).toBe('failed');
    await app.browser.context.setOffline(false);
    expect(await post(page, '/api/v1/notes')).toBe(201);
  });

  test('an update while requests run loses none of them, and takes over when they are done', async () => {
    await lookedForUpdate();
    await app.stopRelay();
    await app.startRelay({ PUBLIC_FILES: 'off' }); // the app serves another version of the worker then
    const responses = [0, 1, 2].map((i) => held(page, 'POST', `update-${i}`));
    const allReached = Promise.all([0, 1, 2].map((i) => app.reached(`update-${i}`)));
    await Promise.race([allReached, Promise.race(responses).then((text) => expect.unreachable(text))]);
    expect(await page.evaluate(updateWorker)).toEqual(['activated', 'installed']);
    app.release();
    expect(await Promise.all(responses)).toEqual([0, 1, 2].map((i) => `answer to update-${i}`));
    expect(app.ran.filter((id) => id.startsWith('update-'))).toHaveLength(3);
    await page.waitForFunction(isOldWorkerGone);
    expect(await post(page, '/api/v1/notes')).toBe(201);
    await app.stopRelay();
    await app.startRelay();
  });

  test('a reload past every cache, which leaves a page without its worker, is taken over again', async () => {
    const devtools = await app.browser.context.newCDPSession(page);
    await devtools.send('Page.reload', { ignoreCache: true });
    await page.waitForSelector('html[data-sealed]');
    expect(await post(page, '/api/v1/notes')).toBe(201);
  });

  test('page and worker are one client: a cookie that one was given opens for the other', async () => {
    await page.addScriptTag({ url: '/public/mte-relay-client.js' });
    const status = await page.evaluate(async () => {
      const { mteRelay } = globalThis as unknown as { mteRelay: typeof import('@mte-relay/client') };
      const pin = document.querySelector('script[data-pin]')?.getAttribute('data-pin') ?? '';
      const client = mteRelay.createRelayClient(location.origin, { pins: [pin] });
      const response = await client.fetch('/api/v1/notes');
      client.close();
      return response.status;
    });
    expect(status).toBe(200);
  });

  test('another relay in the place of the pinned one gets nothing, and the page names the reason', async () => {
    await openSealed(page, app.origin);
    await lookedForUpdate();
    await app.stopWorkers(); // with a session, the request might have run
    app.seen.length = 0;
    await app.stopRelay();
    await app.startRelay({ CLIENT_ID_SECRET: 'of another relay 0123456789abcdef' });
    expect(await post(page, '/api/v1/notes').catch(() => 'failed')).toBe('failed');
    await saidWhy(app, /failed with pin-mismatch/);
    expect(app.seen).toEqual([]);
    await app.stopRelay();
    await app.startRelay();
    expect(await post(page, '/api/v1/notes')).toBe(201);
  });

  test.each([
    ['no routes', { routes: [] }, 'misuse'],
    ['a route with a query', { routes: ['/api?x'] }, 'misuse'],
    ['a route with a * inside', { routes: ['/api/*/x'] }, 'misuse'],
    ['a pin that is not a hash', { pins: ['sha256-x'] }, 'misuse'],
    ['another relay', { relay: 'https://other.example', scriptUrl: '/public/mte-relay-sw.js' }, 'no-service-worker'],
    ['other pins', { pins: [`sha256-${Buffer.alloc(32).toString('base64')}`] }, 'no-service-worker'],
    ['a route that the worker does not seal', { routes: ['/other/*'] }, 'no-service-worker'],
    ['a script of another origin', { scriptUrl: 'https://cdn.example/sw.js' }, 'misuse'],
    ['a script that is not there', { scriptUrl: '/assets/sw.js' }, 'no-service-worker'],
    ['a scope that the page is outside of', { scope: '/assets/' }, 'no-service-worker'],
  ])('with %s it is refused, and not pretended', async (_, options, code) => {
    await expect(installs(page, options)).rejects.toThrow(code);
  });

  test('a page of another origin than the relay: its own paths are sealed toward the relay, cookies and redirects too', async () => {
    const elsewhere = await app.browser.context.newPage();
    await elsewhere.addInitScript({ content: INSTALLER });
    // Without the policy of the app's own page, which names no other origin.
    await elsewhere.route(`${app.directOrigin}/`, (route) => route.fulfill({ contentType: 'text/html', body: 'app' }));
    await elsewhere.goto(app.directOrigin);
    app.seen.length = 0;
    app.seenDirect.length = 0;
    await installs(elsewhere, { relay: app.origin, pins: [app.relay().pin], scriptUrl: '/public/mte-relay-sw.js' });
    const outcome = await elsewhere.evaluate(async (relay) => {
      const body = JSON.stringify({ user: 'robin', password: 'only-the-api-reads-this' });
      await fetch('/api/v1/login', { method: 'POST', body });
      const redirected = await fetch('/api/v1/test/redirect?status=303&to=/api/v1/notes', { method: 'POST' });
      const statuses: number[] = [];
      for (const credentials of ['include', 'same-origin'] as const) {
        statuses.push((await fetch(`${relay}/api/v1/notes`, { credentials })).status);
      }
      return [redirected.status, redirected.url, ...statuses];
    }, app.origin);
    expect(outcome).toEqual([200, `${app.directOrigin}/api/v1/notes`, 200, 401]);
    expect(app.seen.filter((line) => !line.includes('?'))).toEqual([
      'POST /api/v1/login',
      'GET /api/v1/notes',
      'GET /api/v1/notes',
      'GET /api/v1/notes',
    ]);
    expect(app.seenDirect).toEqual([]);
    await elsewhere.close();
  });

  test('where the page is not secure it is refused', async () => {
    const insecure = await app.browser.context.newPage();
    await insecure.addInitScript({ content: INSTALLER });
    await insecure.route('http://app.example/**', (route) => route.fulfill({ contentType: 'text/html', body: 'app' }));
    await insecure.goto('http://app.example/');
    await expect(installs(insecure, {})).rejects.toThrow(/no-service-worker: no service worker: it needs https/);
    await insecure.close();
  });
});

/** The page's console names why a request failed; taken off, so that the next one is not taken for this one. */
async function saidWhy(app: SealedApp, why: RegExp): Promise<void> {
  await expect.poll(() => app.printed.join('\n')).toMatch(why);
  app.printed.length = 0;
}

/** Signs in, and waits for all that the page then loads. */
async function signIn(page: Page): Promise<void> {
  await page.click('#login button');
  await expect.poll(() => page.evaluate(shownOfWeir)).toContain('the gauge reads 0.47 m');
  await page.waitForFunction(() => document.querySelectorAll('#notes li:not(.empty)').length > 0);
  await page.waitForFunction(() => (document.querySelector('#gauge') as HTMLImageElement).naturalWidth > 0);
}

/** The steps of a user, from signing in to signing out; ends on the page that this leads to. */
async function useEverything(page: Page, origin: string): Promise<void> {
  await page.fill('#login [name=password]', PASSWORD);
  await page.click('#login button');
  await page.waitForFunction(() => /^signed in as robin/.test(document.querySelector('#user')?.textContent ?? ''));
  await page.waitForFunction(() => document.querySelectorAll('#notes li:not(.empty)').length === 2);
  await page.fill('#add [name=text]', NOTE);
  await page.click('#add button');
  await page.waitForFunction((note) => document.querySelector('#notes')?.textContent?.includes(note), NOTE);
  await page.evaluate(() => {
    const search = document.querySelector('#search') as HTMLInputElement;
    search.value = 'heron';
    search.dispatchEvent(new Event('input'));
  });
  await page.waitForFunction(() => /Two herons/.test(document.querySelector('#found')?.textContent ?? ''));
  const buffer = Buffer.alloc(FILE_BYTES, FILE_TEXT);
  await page.setInputFiles('#upload [name=file]', { name: 'depth.csv', mimeType: 'text/csv', buffer });
  await page.click('#upload button');
  await page.waitForFunction(() =>
    /depth.csv, 3,000,000 bytes/.test(document.querySelector('#files')?.textContent ?? ''),
  );
  expect(await page.locator('#progress').evaluate((bar: HTMLProgressElement) => bar.value)).toBe(1);
  await expect.poll(() => page.evaluate(shownOfWeir)).toEqual([160, 'the gauge reads 0.47 m', '2 notes on the weir']);
  const downloading = page.waitForEvent('download');
  await page.evaluate(clickDownload);
  const file = await downloading;
  expect(file.suggestedFilename()).toBe('notes.csv');
  expect(readFileSync(await file.path(), 'utf8')).toContain(NOTE);
  expect(await page.locator('header img').evaluate((image: HTMLImageElement) => image.naturalWidth)).toBeGreaterThan(0);
  await page.fill('#contact [name=subject]', SUBJECT);
  await page.fill('#contact [name=message]', 'It shows nothing since Monday.');
  await page.click('#contact button');
  await page.waitForURL(`${origin}/thanks.html?number=1`);
  await page.evaluate(signOut);
  await page.waitForURL(`${origin}/goodbye.html`);
}

/** Calls a route that waits to be released; the text, or the message of the error. */
function held(page: Page, method: string, id: string): Promise<string> {
  return page.evaluate(callHeld, [method, id] as const);
}

/** Posts a note; the status. */
function post(page: Page, path: string): Promise<number> {
  return page.evaluate(async (url) => (await fetch(url, { method: 'POST', body: '{"text":"x"}' })).status, path);
}

/** Installs the worker for this page; rejects with "code: message". What is expected, unless given, is the page's. */
async function installs(page: Page, options: object): Promise<void> {
  await page.evaluate(async (given) => {
    const { mteRelay } = globalThis as unknown as { mteRelay: typeof import('@mte-relay/client/service-worker') };
    const pin = document.querySelector('script[data-pin]')?.getAttribute('data-pin');
    const own = pin ? { relay: location.origin, pins: [pin], routes: ['/api/v1/*'] } : {};
    await mteRelay.installRelayServiceWorker({ ...own, timeoutMs: 5_000, ...given }).catch((error) => {
      throw new Error(`${error.code}: ${error.message}`);
    });
  }, options);
}
