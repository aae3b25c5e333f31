// More calls than a page has connections or a session has room: none waits for ever. Over HTTP/1.1 a browser has six
// connections per host, and a response that nobody reads holds one. The platform's own fetch is the control.
import { createServer } from 'node:http';
import { CHROMIUM, type OpenBrowser, openBrowser } from '@mte-relay/testing/chromium';
import { closeServer, listen } from '@mte-relay/testing/servers';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type PageStage, startPageStage } from './support/stage-for-pages.ts';

/** More than all buffers between server and page. */
const CONTENT = Buffer.alloc(12_000_000, 'x');
const CONNECTIONS = 6;

declare global {
  var held: unknown[];
}

describe.skipIf(!CHROMIUM)('many calls in Chromium', () => {
  let stage: PageStage;
  let plainUrl: string;
  let browser: OpenBrowser;
  let page: Page;
  const plain = createServer((_req, res) => {
    res.setHeader('access-control-allow-origin', '*').setHeader('cache-control', 'no-store').end(CONTENT);
  });

  beforeAll(async () => {
    stage = await startPageStage((req, res) => {
      req.resume();
      if (req.url === '/small') return void setTimeout(() => res.end('ok'), 5);
      res.end(CONTENT);
    }, 'mte-relay-fetch.mjs');
    plainUrl = `http://localhost:${await listen(plain)}`;
    browser = await openBrowser(CHROMIUM as string);
    page = browser.page;
  });

  afterAll(async () => {
    await browser?.close();
    await stage?.close();
    closeServer(plain);
  });

  async function visit(): Promise<void> {
    await page.goto('about:blank');
    await page.goto(stage.pageUrl);
    await page.waitForFunction(() => globalThis.client !== undefined);
  }

  const urlOf = (way: string): string => (way === 'fetch' ? plainUrl : stage.relayUrl);

  /** Calls without reading. @param hold what the page keeps of each response. */
  const leaveUnread = (way: string, hold: string): Promise<void> =>
    page.evaluate(
      async ([url, how, kept, count]) => {
        globalThis.held = [];
        for (let i = 0; i < count; i += 1) {
          const response = await (how === 'fetch' ? fetch(url) : globalThis.client.fetch(url));
          if (kept === 'response') globalThis.held.push(response);
          if (kept === 'clone') globalThis.held.push(response.clone());
          if (kept === 'reader') globalThis.held.push(response.body?.getReader());
        }
      },
      [`${urlOf(way)}/large`, way, hold, CONNECTIONS] as const,
    );

  /** Bytes of one more call; undefined when it does not get a connection in time. */
  const oneMore = (way: string, withinMs: number): Promise<number | undefined> =>
    page.evaluate(
      async ([url, how, ms]) => {
        const signal = AbortSignal.timeout(ms);
        try {
          const response = await (how === 'fetch' ? fetch(url, { signal }) : globalThis.client.fetch(url, { signal }));
          return (await response.arrayBuffer()).byteLength;
        } catch (error) {
          if (signal.aborted) return undefined;
          throw error;
        }
      },
      [`${urlOf(way)}/large`, way, withinMs] as const,
    );

  async function collectGarbage(): Promise<void> {
    const devtools = await browser.context.newCDPSession(page);
    await devtools.send('HeapProfiler.collectGarbage');
    await devtools.detach();
  }

  test('the control: with the platform’s fetch too, unread responses hold all connections', async () => {
    await visit();
    await leaveUnread('fetch', 'response');
    expect(await oneMore('fetch', 1_000)).toBeUndefined();
  });

  test('responses that the page has let go of give their connections back when they are collected', async () => {
    await visit();
    await leaveUnread('client.fetch', 'nothing');
    await collectGarbage();
    expect(await oneMore('client.fetch', 20_000)).toBe(CONTENT.length);
  });

  test.each(['response', 'clone', 'reader'])('those of which the page holds the %s stay whole', async (hold) => {
    await visit();
    await leaveUnread('client.fetch', hold);
    for (let i = 0; i < 5; i += 1) await collectGarbage();
    const sizes = await page.evaluate(async () => {
      const sizeOf = async (one: Response | ReadableStreamDefaultReader<Uint8Array>): Promise<number> => {
        if (one instanceof Response) return (await one.arrayBuffer()).byteLength;
        let size = 0;
        for (let { done, value } = await one.read(); !done; { done, value } = await one.read())
          size += value?.length ?? 0;
        return size;
      };
      return await Promise.all((globalThis.held as Response[]).map(sizeOf));
    });
    expect(sizes).toEqual(Array(CONNECTIONS).fill(CONTENT.length));
    expect(await oneMore('client.fetch', 20_000)).toBe(CONTENT.length);
  });

  test('close() gives the connections back at once', async () => {
    await visit();
    await leaveUnread('client.fetch', 'response');
    const codes = await page.evaluate(async () => {
      globalThis.client.close();
      const ends = (globalThis.held as Response[]).map((one) => one.text().catch((error) => error.code));
      return await Promise.all(ends);
    });
    expect(codes).toEqual(Array(CONNECTIONS).fill('closed'));
    const status = await page.evaluate(
      async (url) => (await fetch(`${url}/api/mte-relay`, { signal: AbortSignal.timeout(10_000) })).status,
      stage.relayUrl,
    );
    expect(status).toBe(200);
  });

  test('1,601 calls, and the session is replaced meanwhile: each has its response', async () => {
    await visit();
    const statuses = await page.evaluate(async (url) => {
      let done = 0;
      const calls = Array.from({ length: 1_601 }, async () => {
        const response = await globalThis.client.fetch(url);
        await response.text();
        done += 1;
        if (done === 200 || done === 900) void globalThis.client.pair();
        return response.status;
      });
      return await Promise.all(calls);
    }, `${stage.relayUrl}/small`);
    expect(statuses).toEqual(Array(1_601).fill(200));
  });
});
