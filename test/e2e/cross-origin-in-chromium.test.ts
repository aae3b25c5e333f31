// A page of another origin uses the relay in real Chromium: CORS, one pairing, one preflight, every kind of body,
// streaming responses, abort.
import { CHROMIUM, type OpenBrowser, openBrowser } from '@mte-relay/testing/chromium';
import { contentOf } from '@mte-relay/testing/content';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type PageStage, startPageStage } from './support/stage-for-pages.ts';

describe.skipIf(!CHROMIUM)('a page of another origin in Chromium', () => {
  let stage: PageStage;
  let browser: OpenBrowser;
  let page: Page;
  let closedEarly = 0;

  beforeAll(async () => {
    stage = await startPageStage((req, res) => {
      if (req.url === '/stream') {
        let count = 0;
        const timer = setInterval(() => res.write(`data: ${count++}\n\n`), 20);
        res.on('close', () => {
          clearInterval(timer);
          closedEarly += 1;
        });
        return;
      }
      void contentOf(req).then((content) => {
        const body = content.toString('latin1');
        const { 'content-type': type, origin } = req.headers;
        res.setHeader('content-type', 'application/json');
        res.end(JSON.stringify({ type, body, origin }));
      });
    }, 'mte-relay-client.mjs');
    browser = await openBrowser(CHROMIUM as string);
    page = browser.page;
    await page.goto(stage.pageUrl);
    await page.waitForFunction(() => globalThis.client !== undefined);
  });

  afterAll(async () => {
    await browser?.close();
    await stage?.close();
  });

  test('parallel first calls share one pairing, and later calls cost one request each', async () => {
    const statuses = await page.evaluate(async () => {
      const responses = await Promise.all(
        Array.from({ length: 20 }, (_, i) => globalThis.client.fetch(`${relayOrigin()}/p${i}`)),
      );
      return responses.map(({ status }) => status);
      function relayOrigin(): string {
        return new URLSearchParams(location.hash.slice(1)).get('relay') as string;
      }
    });
    expect(statuses).toEqual(Array<number>(20).fill(200));
    const requests = stage.takeWire();
    expect(requests.filter((request) => request === 'POST /api/mte-pair')).toHaveLength(1);
    expect(requests.filter((request) => request === 'POST /api/mte')).toHaveLength(20);
    expect(requests.filter((request) => request.startsWith('GET'))).toEqual(['GET /api/mte-relay']);
  });

  test('every kind of body arrives as fetch would have sent it', async () => {
    const got = await page.evaluate(async () => {
      const relay = new URLSearchParams(location.hash.slice(1)).get('relay');
      const form = new FormData();
      form.set('name', 'value');
      form.set('file', new Blob(['content'], { type: 'text/plain' }), 'a.txt');
      const bodies: Record<string, BodyInit> = {
        text: 'plain ü',
        params: new URLSearchParams({ a: '1', b: 'ü' }),
        bytes: new Uint8Array([1, 2, 255]),
        blob: new Blob(['blob'], { type: 'image/png' }),
        form,
      };
      const responses: Record<string, { type?: string; body: string; origin: string }> = {};
      for (const [name, body] of Object.entries(bodies)) {
        responses[name] = await (await globalThis.client.fetch(`${relay}/echo`, { method: 'POST', body })).json();
      }
      return responses;
    });
    expect(got['text']).toMatchObject({ type: 'text/plain;charset=UTF-8', body: latin1('plain ü') });
    expect(got['params']).toMatchObject({
      type: 'application/x-www-form-urlencoded;charset=UTF-8',
      body: 'a=1&b=%C3%BC',
    });
    expect(got['bytes']?.body).toBe('\x01\x02\xff');
    expect(got['blob']).toMatchObject({ type: 'image/png', body: 'blob' });
    expect(got['form']?.type).toMatch(/^multipart\/form-data; ?boundary=/);
    const boundary = got['form']?.type?.split('boundary=')[1] as string;
    expect(got['form']?.body).toContain(boundary);
    expect(got['form']?.body).toContain('filename="a.txt"');
    expect(got['text']?.origin).toMatch(/^http:\/\/localhost:/);
  });

  test('a response streams, and aborting it ends the upstream’s work', async () => {
    const closedBefore = closedEarly;
    const outcome = await page.evaluate(async () => {
      const relay = new URLSearchParams(location.hash.slice(1)).get('relay');
      const controller = new AbortController();
      const response = await globalThis.client.fetch(`${relay}/stream`, { signal: controller.signal });
      const reader = (response.body as ReadableStream<Uint8Array>).getReader();
      const chunks: string[] = [];
      while (chunks.join('').split('\n\n').length < 4)
        chunks.push(new TextDecoder().decode((await reader.read()).value));
      controller.abort(new Error('enough'));
      const reason = await reader.read().then(
        () => 'went on',
        (error: Error) => error.message,
      );
      return { chunks: chunks.length, reason };
    });
    expect(outcome.chunks).toBeGreaterThan(1);
    expect(outcome.reason).toBe('enough');
    await expect.poll(() => closedEarly, { timeout: 2000 }).toBeGreaterThan(closedBefore);
  });

  test('a page whose origin is not listed gets nowhere', async () => {
    const code = await page.evaluate(async () => {
      const { relay, pin } = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
      const frame = document.createElement('iframe');
      frame.src = `${location.origin.replace('localhost', '127.0.0.1')}/#${new URLSearchParams({ relay: relay as string, pin: pin as string })}`;
      document.body.append(frame);
      return frame.src;
    });
    const frame = page.frames().find((candidate) => candidate !== page.mainFrame());
    await expect.poll(() => frame?.url()).toBe(code);
    await frame?.waitForFunction(() => globalThis.client !== undefined);
    const error = await frame?.evaluate(async () => {
      const relay = new URLSearchParams(location.hash.slice(1)).get('relay');
      return await globalThis.client.fetch(`${relay}/x`).then(
        () => 'responded',
        (failure: { code: string }) => failure.code,
      );
    });
    expect(error).toBe('unreachable');
  });
});

function latin1(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}
