// The unchanged app of examples/service-worker-app behind the service worker in stock Firefox ESR, as test/e2e has it in
// Chromium: what works, what is on the wire, and what Firefox does with a worker that has been busy for long.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Capture, capturePort, TCPDUMP } from '../e2e/support/capture.ts';
import { type ServedApp, serveSealedApp } from '../e2e/support/sealed-app.ts';
import {
  callHeld,
  clickDownload,
  isOldWorkerGone,
  shownOfWeir,
  signOut,
  updateWorker,
} from '../e2e/support/sealed-app-page.ts';
import {
  CONTROL_PATH,
  expectSealed,
  FILE_BYTES,
  FILE_TEXT,
  NOTE,
  PASSWORD,
  SUBJECT,
} from '../e2e/support/sealed-app-secrets.ts';
import { FIREFOX, type FirefoxPage, type OpenFirefox, openFirefox } from './support/firefox.ts';

/** Firefox ends a worker when both have passed since the last event for it, by default 30 s each. */
const IDLE_MS = 8_000;
const IDLE_EXTENDED_MS = 8_000;
const FAILED = 'NetworkError when attempting to fetch resource.';

describe.skipIf(!FIREFOX)('an unchanged app and the service worker in Firefox', () => {
  const printed: string[] = [];
  let app: ServedApp;
  let firefox: OpenFirefox;
  let page: FirefoxPage;
  let folder: string;

  beforeAll(async () => {
    app = await serveSealedApp();
    firefox = await openFirefox(FIREFOX as string, {
      'dom.serviceWorkers.idle_timeout': IDLE_MS,
      'dom.serviceWorkers.idle_extended_timeout': IDLE_EXTENDED_MS,
    });
    page = firefox.page;
    page.on('console', (message) => printed.push(message.text()));
    folder = mkdtempSync(join(tmpdir(), 'mte-relay-upload-'));
    writeFileSync(join(folder, 'depth.csv'), Buffer.alloc(FILE_BYTES, FILE_TEXT));
  });

  afterAll(async () => {
    await firefox?.close();
    await app?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function openSealed(): Promise<void> {
    await page.goto(app.origin);
    await page.waitForFunction(() => document.documentElement.dataset['sealed'] === '');
  }

  let capture: Capture | undefined;
  let withoutWorker: string[] = [];

  test('without a relay the app works against its own server', async () => {
    const origin = app.directOrigin.replace('localhost', '127.0.0.1'); // cookies know hosts and no ports
    await page.goto(origin);
    await useEverything(page, folder);
    expect(page.url()).toBe(`${origin}/goodbye.html`);
    withoutWorker = app.seenDirect.splice(0);
    expect(withoutWorker).toContain('POST /api/v1/messages');
  });

  test('behind the relay it makes the same requests, sealed', async () => {
    await openSealed();
    // From here on: the page's own files pass as they are, and they name its routes.
    if (TCPDUMP) capture = await capturePort(TCPDUMP, Number(new URL(app.origin).port));
    await useEverything(page, folder);
    expect(page.url()).toBe(`${app.origin}/goodbye.html`);
    expect(app.seen.toSorted()).toEqual(withoutWorker.toSorted()); // image, frame and events are loaded at once
  });

  test.skipIf(!TCPDUMP)('no method, path, field, body, cookie or status of the API is on the wire', async () => {
    await page.evaluate(async (path: string) => void (await fetch(path)), CONTROL_PATH);
    expectSealed(await (capture as Capture).finish(), withoutWorker.length);
  });

  test('a reload is looked after at once, and the cookie still opens', async () => {
    await openSealed();
    await page.click('#login button');
    await expect.poll(() => page.evaluate(shownOfWeir)).toContain('the gauge reads 0.47 m');
    await page.reload();
    await page.waitForFunction(() => document.documentElement.dataset['sealed'] === '');
    app.seen.length = 0;
    expect(await page.evaluate(async () => (await fetch('/api/v1/notes')).status)).toBe(200);
    expect(app.seen).toEqual(['GET /api/v1/notes']);
  });

  test('a beacon is sealed', async () => {
    app.seen.length = 0;
    await page.evaluate(() => void navigator.sendBeacon('/api/v1/beacon', 'seen'));
    await expect.poll(() => app.seen).toEqual(['POST /api/v1/beacon']);
  });

  test('redirects end as without a worker, but never outside of the listed routes', async () => {
    const outcomes = await page.evaluate(async () => {
      const seen: unknown[] = [];
      for (const query of [
        'status=303&to=/api/v1/notes',
        'status=307&to=/api/v1/notes',
        'status=307&to=/thanks.html',
      ]) {
        const init = { method: 'POST', body: JSON.stringify({ text: 'sent on' }) };
        const response = await fetch(`/api/v1/test/redirect?${query}`, init).catch((error: Error) => error.message);
        seen.push(typeof response === 'string' ? response : [response.status, new URL(response.url).pathname]);
      }
      return seen;
    });
    expect(outcomes).toEqual([[200, '/api/v1/notes'], [201, '/api/v1/notes'], FAILED]);
    await expect.poll(() => printed.join('\n')).toMatch(/failed with redirect-refused/);
  });

  test('responses stream, and an abort in the middle of one ends the API’s work', async () => {
    const pieces = await page.evaluate(async () => {
      const controller = new AbortController();
      const response = await fetch('/api/v1/test/stream', { signal: controller.signal });
      const reader = (response.body as ReadableStream<Uint8Array>).getReader();
      const first = new TextDecoder().decode((await reader.read()).value);
      controller.abort(new Error('enough'));
      return [first, await reader.read().then(String, (error: Error) => error.message)];
    });
    expect(pieces).toEqual(['piece 0\n', 'enough']);
    await expect.poll(() => app.cutOff).toContain('stream');
  });

  test('the page receives only the end of an upload, and a stream as body is text, as without a worker', async () => {
    const events = await page.evaluate(async () => {
      const request = new XMLHttpRequest();
      const received: string[] = [];
      for (const name of ['progress', 'load', 'error'])
        request.upload.addEventListener(name, () => received.push(name));
      request.open('POST', '/api/v1/notes');
      request.send(JSON.stringify({ text: 'y'.repeat(1_000_000) }));
      await new Promise((resolve) => request.addEventListener('loadend', resolve));
      return received;
    });
    expect(events).toEqual(['load']);
    const sent = await page.evaluate(
      async () => await new Request('/', { method: 'POST', body: new ReadableStream() }).text(),
    );
    expect(sent).toBe('[object ReadableStream]');
  });

  test('a worker that works for long is kept alive by the page', async () => {
    const response = held(page, 'POST', 'long');
    await app.reached('long');
    await new Promise((resolve) => setTimeout(resolve, IDLE_MS + IDLE_EXTENDED_MS + 4_000));
    app.release();
    expect(await response).toBe('answer to long');
    expect(app.ran.filter((id) => id === 'long')).toHaveLength(1);
  });

  test('a worker that is ended in the middle: every request fails, none runs twice or goes out as it is', async () => {
    // As a page of an older client, or one that is closed by then.
    await page.evaluate(() => {
      ServiceWorker.prototype.postMessage = () => undefined;
    });
    app.seen.length = 0;
    const methods = ['GET', 'PUT', 'POST'];
    const responses = Promise.all(methods.map((method) => held(page, method, `ended-${method}`)));
    expect(await responses).toEqual([FAILED, FAILED, FAILED]);
    for (const method of methods) expect(app.cutOff).toContain(`ended-${method}`);
    expect(app.seen.toSorted()).toEqual(
      methods.toSorted().map((method) => `${method} /api/v1/test/held?id=ended-${method}`),
    );
    // The note of the worker that has ended stops the first repeat, as it would one by the browser.
    expect(await held(page, 'POST', 'ended-POST')).toBe(FAILED);
    await expect.poll(() => printed.join('\n')).toMatch(/POST .* failed with may-have-run/);
    const again = held(page, 'POST', 'ended-POST');
    await expect.poll(() => app.ran.filter((id) => id === 'ended-POST')).toHaveLength(2);
    app.release();
    expect(await again).toBe('answer to ended-POST');
  });

  test('an update while a request runs loses nothing, and takes over when it is done', async () => {
    await openSealed();
    await app.stopRelay();
    await app.startRelay({ PUBLIC_FILES: 'off' }); // the app serves another version of the worker then
    // Not the first after the restart: a POST on a connection that has just died fails, since it may have run.
    expect(await page.evaluate(async () => (await fetch('/api/v1/notes')).status)).toBe(200);
    const response = held(page, 'POST', 'update');
    await Promise.race([app.reached('update'), response.then((text) => expect.unreachable(text))]);
    expect(await page.evaluate(updateWorker)).toEqual(['activated', 'installed']);
    app.release();
    expect(await response).toBe('answer to update');
    await page.waitForFunction(isOldWorkerGone);
    expect(await page.evaluate(async () => (await fetch('/api/v1/notes')).status)).toBe(200);
    expect(app.ran.filter((id) => id === 'update')).toHaveLength(1);
  });
});

/** The steps of a user, from signing in to signing out; ends on the page that this leads to. */
async function useEverything(page: FirefoxPage, folder: string): Promise<void> {
  const fill = (selector: string, text: string): Promise<void> =>
    page.evaluate(
      ([into, value]) => {
        const input = document.querySelector(into as string) as HTMLInputElement;
        input.value = value as string;
        input.dispatchEvent(new Event('input', { bubbles: true }));
      },
      [selector, text],
    );
  const shows = async (selector: string, text: string): Promise<void> => {
    const textOf = (given: string): string => document.querySelector(given)?.textContent ?? '';
    await expect.poll(() => page.evaluate(textOf, selector)).toContain(text);
  };
  await fill('#login [name=password]', PASSWORD);
  await page.click('#login button');
  await shows('#user', 'signed in as robin');
  await shows('#notes', 'herons');
  await fill('#add [name=text]', NOTE);
  await page.click('#add button');
  await shows('#notes', NOTE);
  await fill('#search', 'heron');
  await shows('#found', 'Two herons');
  await (await page.$('#upload [name=file]'))?.uploadFile(join(folder, 'depth.csv'));
  await page.click('#upload button');
  await shows('#files', 'depth.csv, 3,000,000 bytes');
  await expect.poll(() => page.evaluate(shownOfWeir)).toEqual([160, 'the gauge reads 0.47 m', '2 notes on the weir']);
  await page.evaluate(clickDownload);
  await fill('#contact [name=subject]', SUBJECT);
  await fill('#contact [name=message]', 'It shows nothing since Monday.');
  await Promise.all([page.waitForNavigation(), page.click('#contact button')]);
  expect(page.url()).toMatch(/\/thanks\.html\?number=1$/);
  await Promise.all([page.waitForNavigation(), page.evaluate(signOut)]);
}

/** Calls a route that waits to be released; the text, or the message of the error. */
function held(page: FirefoxPage, method: string, id: string): Promise<string> {
  return page.evaluate(callHeld, [method, id] as const);
}
