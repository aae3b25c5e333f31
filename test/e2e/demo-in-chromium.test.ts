// The demo page in a real browser, from log-in to a restarted relay, and what a capture of the wire shows of it.
import { CHROMIUM, type OpenBrowser, openBrowser } from '@mte-relay/testing/chromium';
import { printed, type RunningProcess, startScript } from '@mte-relay/testing/processes';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Capture, capturePort, TCPDUMP } from './support/capture.ts';

const PASSWORD = 'only-the-backend-reads-this';
const NOTE = 'Diagnosis: all clear, see you in May';

describe.skipIf(!CHROMIUM)('the demo page in Chromium', () => {
  let demo: RunningProcess;
  let browser: OpenBrowser;
  let page: Page;
  let capture: Capture | undefined;

  beforeAll(async () => {
    demo = startScript('demo/start.ts', [], { PORT: '0' });
    const [, url] = await printed(demo, /^ready (http:\/\/localhost:\d+)$/m);
    browser = await openBrowser(CHROMIUM as string);
    page = browser.page;
    await page.goto(url as string);
    await page.waitForFunction(() => document.querySelector('#pin')?.textContent?.includes('sha256-'));
    // From here on: the page itself is passed through unsealed, and is not secret.
    if (TCPDUMP) capture = await capturePort(TCPDUMP, Number(new URL(url as string).port));
  });

  afterAll(async () => {
    await browser?.close();
    await demo?.stop();
  });

  test('logs in', async () => {
    expect(await page.inputValue('#password')).toBe(PASSWORD);
    await page.click('#login');
    await page.waitForFunction(() => /signed in/.test(document.querySelector('#login-result')?.textContent ?? ''));
    expect(await page.getAttribute('#status', 'data-state')).toBe('paired');
    const names = (await browser.context.cookies()).map(({ name }) => name);
    expect(names.sort()).toEqual(['mte-relay-jar', 'mte-relay-session-jar']); // and nothing of the API's own
  });

  test('lists and creates notes', async () => {
    await page.waitForFunction(() => document.querySelectorAll('#notes li:not(.empty)').length >= 2);
    const before = await page.locator('#notes li').count();
    await page.fill('#note-text', NOTE);
    await page.click('#note-add');
    await page.waitForFunction((count) => document.querySelectorAll('#notes li').length === count, before + 1);
    expect(await page.locator('#notes li').last().textContent()).toBe(NOTE);
  });

  test('uploads 50 MB with progress and downloads it byte-equal', async () => {
    await page.click('#file-sample');
    const seen = page.evaluate(async () => {
      const bar = document.querySelector('#upload-progress') as HTMLProgressElement;
      const values: number[] = [];
      while (!document.querySelector('#upload-result')?.textContent?.includes('stored')) {
        if (bar.value !== values.at(-1)) values.push(bar.value);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      return values;
    });
    await page.click('#upload');
    const values = await seen;
    // The beginning, something on the way, and the end: how much on the way depends on how long the upload takes.
    expect(values.length, `progress ${values.join(', ')}`).toBeGreaterThan(2);
    expect(values).toEqual([...values].sort((a, b) => a - b));
    expect(await page.getAttribute('#upload-result', 'data-sha256')).toMatch(/^[0-9a-f]{64}$/);
    await page.click('#download');
    await page.waitForSelector('#download-result[data-same]', { timeout: 60_000 });
    expect(await page.getAttribute('#download-result', 'data-same')).toBe('true');
  });

  test('follows an event stream while it is open, and stops', async () => {
    await page.click('#events-start');
    await page.waitForFunction(() => document.querySelectorAll('#events li[data-id]').length >= 2);
    await page.click('#events-stop');
    const count = await page.locator('#events li[data-id]').count();
    await page.waitForTimeout(1500);
    expect(await page.locator('#events li[data-id]').count()).toBe(count);
  });

  test('heals by itself after the relay was killed and restarted, and runs nothing twice', async () => {
    const before = await page.locator('#notes li').count();
    await page.click('#restart-relay');
    await page.waitForFunction(() =>
      /new relay process/.test(document.querySelector('#try-result')?.textContent ?? ''),
    );
    await page.fill('#note-text', 'after the restart');
    await page.click('#note-add');
    await page.waitForFunction((count) => document.querySelectorAll('#notes li').length > count, before);
    await page.click('#notes-refresh');
    await page.waitForTimeout(300);
    expect(await page.locator('#notes li').count()).toBe(before + 1);
  });

  test('refuses to talk to a relay whose key is not pinned', async () => {
    await page.click('#try-wrong-pin');
    await page.waitForFunction(() => /refused to talk/.test(document.querySelector('#try-result')?.textContent ?? ''));
    expect(await page.textContent('#try-result')).toContain('pin-mismatch');
  });

  test.skipIf(!TCPDUMP)('leaves no plaintext of method, path, header, body, cookie or status on the wire', async () => {
    await page.click('#try-unsealed'); // the control: a plain request, which the search must find
    await page.waitForFunction(() => /without the SDK/.test(document.querySelector('#try-result')?.textContent ?? ''));
    const wire = (await (capture as Capture).finish()).toString('latin1');
    expect(wire.length).toBeGreaterThan(100_000_000); // 50 MB each way are in it
    const control = 'GET /notes HTTP/1.1';
    expect(wire).toContain(control);
    const sealed = wire.replaceAll(control, '').replaceAll('/api/mte', '');
    // Long enough that 200 MB of ciphertext do not contain them by chance.
    for (const secret of [
      '/login',
      '/logout',
      '/notes',
      '/files',
      '/events',
      'sample-50mb',
      PASSWORD,
      NOTE,
      'Diagnosis',
      'after the restart',
      'createdAt',
      'event-stream',
      'octet-stream',
      'data: ',
      '201 Created',
      'DELETE /',
      'PATCH /notes',
    ]) {
      expect(sealed.includes(secret), `"${secret}" is on the wire`).toBe(false);
    }
    expect(sealed).toContain('mte-relay-jar=');
    expect(sealed).not.toContain('ession='); // not even the cookie's name
  });
});
