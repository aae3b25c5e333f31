// The cost of calls for a page of another origin, in HTTP requests that reach the wire: the first one pairs in one round
// trip, or two with discovery on the very first visit; every later one is one request, without preflight or probe.
import { CHROMIUM, type OpenBrowser, openBrowser } from '@mte-relay/testing/chromium';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type PageStage, startPageStage } from './support/stage-for-pages.ts';

interface Init {
  readonly method?: string;
  readonly body?: string;
  readonly headers?: Record<string, string>;
  readonly credentials?: 'include';
}

describe.skipIf(!CHROMIUM)('the cost of a call in Chromium', () => {
  let stage: PageStage;
  let browser: OpenBrowser;
  let page: Page;

  beforeAll(async () => {
    stage = await startPageStage((req, res) => {
      req.resume();
      req.on('end', () => res.end(`${req.method} ${req.url}`));
    }, 'mte-relay-fetch.mjs');
    browser = await openBrowser(CHROMIUM as string);
    page = browser.page;
    await visit();
  });

  async function visit(): Promise<void> {
    await page.goto('about:blank');
    await page.goto(stage.pageUrl);
    await page.waitForFunction(() => globalThis.client !== undefined);
  }

  afterAll(async () => {
    await browser?.close();
    await stage?.close();
  });

  const call = (path: string, init: Init = {}): Promise<string> =>
    page.evaluate(async ([url, given]) => (await globalThis.client.fetch(url, given)).text(), [
      stage.relayUrl + path,
      init,
    ] as [string, Init]);

  test('the very first call: discovery, one pairing, one exchange, and the preflights of the two endpoints', async () => {
    expect(stage.takeWire()).toEqual([]); // making the client sends nothing
    expect(await call('/first')).toBe('GET /first');
    expect(stage.takeWire()).toEqual([
      'GET /api/mte-relay',
      'OPTIONS /api/mte-pair',
      'POST /api/mte-pair',
      'OPTIONS /api/mte',
      'POST /api/mte',
    ]);
  });

  test('every later call, whatever its method, path, fields and body: exactly one request', async () => {
    const calls: [string, Init][] = [
      ['/a', {}],
      ['/b?c=d', { headers: { authorization: 'Bearer x', 'x-own': '1' } }],
      ['/c', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' }],
      ['/d/e', { method: 'PUT', body: 'x'.repeat(200_000) }],
      ['/f', { method: 'DELETE' }],
    ];
    for (const [path, init] of calls) {
      expect(await call(path, init)).toBe(`${init.method ?? 'GET'} ${path}`);
      expect(stage.takeWire(), path).toEqual(['POST /api/mte']);
    }
  });

  test('where upload progress cannot be seen, its end is reported all the same', async () => {
    const seen = await page.evaluate(async (url) => {
      const loaded: number[] = [];
      const body = new Blob([new Uint8Array(200_000)]);
      const onUploadProgress = ({ loadedBytes }: { loadedBytes: number }) => loaded.push(loadedBytes);
      await globalThis.client.fetch(url, {
        method: 'POST',
        body,
        credentials: 'omit',
        onUploadProgress,
      } as RequestInit);
      return loaded;
    }, `${stage.relayUrl}/omit`);
    expect(seen).toEqual([200_000]);
    stage.takeWire();
  });

  test('the browser sends a second preflight when it is to send cookies, and then no more', async () => {
    await call('/h', { credentials: 'include' });
    expect(stage.takeWire()).toEqual(['OPTIONS /api/mte', 'POST /api/mte']);
    await call('/i', { credentials: 'include' });
    expect(stage.takeWire()).toEqual(['POST /api/mte']);
  });

  test('the first call of a later page: one round trip to pair, since a pinned key is taken from the cache', async () => {
    await visit();
    expect(await call('/again')).toBe('GET /again');
    expect(stage.takeWire()).toEqual(['POST /api/mte-pair', 'POST /api/mte']);
  });

  test('pairing early leaves the first call one request', async () => {
    await visit();
    await page.evaluate(() => globalThis.client.pair());
    expect(stage.takeWire()).toEqual(['POST /api/mte-pair']);
    await call('/early');
    expect(stage.takeWire()).toEqual(['POST /api/mte']);
  });

  test('this browser needs no cryptography of ours; one that lacks it loads the other file and is served alike', async () => {
    expect(stage.loaded.filter((file) => file.includes('crypto'))).toEqual([]);
    await page.addInitScript(() => {
      const { importKey } = SubtleCrypto.prototype;
      SubtleCrypto.prototype.importKey = function (this: SubtleCrypto, ...args: unknown[]) {
        const known = args[2] !== 'X25519' && args[2] !== 'ML-KEM-768';
        if (known) return (importKey as (...all: unknown[]) => Promise<CryptoKey>).apply(this, args);
        return Promise.reject(new DOMException('Unrecognized name', 'NotSupportedError'));
      } as typeof importKey;
    });
    await visit();
    expect(await call('/older')).toBe('GET /older');
    expect(stage.loaded.filter((file) => file.includes('crypto'))).toEqual(['mte-relay-crypto.mjs']);
    expect(stage.takeWire()).toEqual(['POST /api/mte-pair', 'POST /api/mte']);
  });
});
