// A page uploads a large file sealed: progress is seen all the way, the bytes arrive as they are, and neither the script's
// heap nor any process of the browser grows with the file. 100 MB, for time's sake; the whole is
// `MTE_RELAY_UPLOAD_BYTES=200000000 npm test -- test/e2e/large-upload`, which must keep within the same bounds.
import { createHash } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CHROMIUM, type OpenBrowser, openBrowser } from '@mte-relay/testing/chromium';
import type { CDPSession, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type PageStage, startPageStage } from './support/stage-for-pages.ts';

const FILE_BYTES = Number(process.env['MTE_RELAY_UPLOAD_BYTES'] ?? 100_000_000);
const PIECE = new Uint8Array(1_000_000).map((_, i) => (i * 31 + 7) % 256);
/** After each megabyte. */
const REST_MS = 20;
const HEAP_GROWTH_MAX_BYTES = 24 * 1024 * 1024;
/** The page's process holds buffers until they are collected, about 85 MiB of them, whatever the size of the file. */
const RENDERER_GROWTH_MAX_BYTES = 128 * 1024 * 1024;
/** Here a sealed body that lies in memory would show. */
const OTHER_GROWTH_MAX_BYTES = 64 * 1024 * 1024;

interface Told {
  readonly status: number;
  readonly text: string;
  readonly progress: { readonly loadedBytes: number; readonly totalBytes?: number; readonly atMs: number }[];
}

describe.skipIf(!CHROMIUM)('a large upload in Chromium', () => {
  let stage: PageStage;
  let browser: OpenBrowser;
  let page: Page;
  let devtools: CDPSession;
  let folder: string;
  let file: string;
  let sha256: string;

  beforeAll(async () => {
    stage = await startPageStage((req, res) => {
      const hash = createHash('sha256');
      let bytes = 0;
      req.on('data', (piece: Buffer) => {
        hash.update(piece);
        if (Math.floor(bytes / PIECE.length) < Math.floor((bytes + piece.length) / PIECE.length)) rest(req);
        bytes += piece.length;
      });
      req.on('end', () => res.end(`${bytes} ${hash.digest('hex')}`));
    }, 'mte-relay-fetch.mjs');
    folder = mkdtempSync(join(tmpdir(), 'mte-relay-upload-'));
    file = join(folder, 'large.bin');
    sha256 = writeLargeFile(file);
    browser = await openBrowser(CHROMIUM as string);
    page = browser.page;
    devtools = await page.context().newCDPSession(page);
    await devtools.send('Performance.enable');
    await page.goto(stage.pageUrl);
    await page.waitForFunction(() => globalThis.client !== undefined);
    await page.setInputFiles('input', file);
  });

  afterAll(async () => {
    await browser?.close();
    await stage?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function heapBytes(): Promise<number> {
    const { metrics } = await devtools.send('Performance.getMetrics');
    return metrics.find(({ name }) => name === 'JSHeapUsedSize')?.value ?? Number.NaN;
  }

  test('shows progress and holds memory bounded', async () => {
    await page.evaluate((url) => globalThis.client.fetch(url, { method: 'POST', body: 'x' }), `${stage.relayUrl}/warm`);
    await devtools.send('HeapProfiler.collectGarbage');
    const processes = await processesOf(browser);
    const before = { heap: await heapBytes(), resident: processes.map(residentOf) };
    const most = { heap: 0, resident: processes.map(() => 0) };
    let running = true;
    const watching = (async () => {
      while (running) {
        for (const [i, one] of processes.entries()) {
          const growth = residentOf(one) - (before.resident[i] as number);
          most.resident[i] = Math.max(most.resident[i] as number, growth);
        }
        most.heap = Math.max(most.heap, (await heapBytes()) - before.heap);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    })();
    const startedMs = performance.now();
    const told: Told = await page.evaluate(async (url) => {
      const body = document.querySelector('input')?.files?.[0] as File;
      const progress: Told['progress'] = [];
      const beganMs = performance.now();
      const onUploadProgress = (seen: object): void => {
        progress.push({ ...(seen as Told['progress'][0]), atMs: performance.now() - beganMs });
      };
      const init = { method: 'POST', body, onUploadProgress };
      const response = await globalThis.client.fetch(url, init);
      return { status: response.status, text: await response.text(), progress };
    }, `${stage.relayUrl}/upload`);
    const tookMs = performance.now() - startedMs;
    running = false;
    await watching;
    const grew = processes.map(({ type }, i) => `${type} ${megabytes(most.resident[i] as number)}`);
    console.log(
      `${FILE_BYTES / 1e6} MB in ${(tookMs / 1000).toFixed(1)} s, ${told.progress.length} reports of progress, the first ` +
        `after ${((told.progress[0]?.atMs ?? 0) / 1000).toFixed(1)} s; ` +
        `most over the beginning: script's heap ${megabytes(most.heap)}, processes ${grew.join(', ')}`,
    );
    expect([told.status, told.text]).toEqual([200, `${FILE_BYTES} ${sha256}`]);
    expectProgress(told.progress);
    expect(most.heap).toBeLessThan(HEAP_GROWTH_MAX_BYTES);
    for (const [i, { type }] of processes.entries()) {
      const limit = type === 'renderer' ? RENDERER_GROWTH_MAX_BYTES : OTHER_GROWTH_MAX_BYTES;
      expect(most.resident[i], grew[i]).toBeLessThan(limit);
    }
  });
});

/** Holds the upload up, so that it takes long enough for reports, of which a browser makes twenty a second. */
function rest(req: IncomingMessage): void {
  req.pause();
  setTimeout(() => req.resume(), REST_MS);
}

/** Reports that rise to the whole, and come all along the way. */
function expectProgress(progress: Told['progress']): void {
  const loaded = progress.map(({ loadedBytes }) => loadedBytes);
  expect(loaded.length).toBeGreaterThan(10);
  expect(loaded).toEqual([...loaded].sort((a, b) => a - b));
  expect(loaded.at(-1)).toBe(FILE_BYTES);
  expect(progress.every(({ totalBytes }) => totalBytes === FILE_BYTES)).toBe(true);
  for (const share of [0.25, 0.5, 0.75]) {
    expect(loaded.some((bytes) => Math.abs(bytes / FILE_BYTES - share) < 0.15)).toBe(true);
  }
}

function writeLargeFile(path: string): string {
  const hash = createHash('sha256');
  const target = openSync(path, 'w');
  for (let left = FILE_BYTES; left > 0; left -= PIECE.length) {
    const piece = PIECE.subarray(0, left);
    writeSync(target, piece);
    hash.update(piece);
  }
  closeSync(target);
  return hash.digest('hex');
}

interface BrowserProcess {
  readonly type: string;
  readonly id: number;
}

/** Every process of this browser: the page's is one of the renderers. */
async function processesOf(browser: OpenBrowser): Promise<BrowserProcess[]> {
  const devtools = await browser.context.browser()?.newBrowserCDPSession();
  if (!devtools) throw new Error('the browser has no session of its own');
  const { processInfo } = await devtools.send('SystemInfo.getProcessInfo');
  return processInfo;
}

function residentOf({ id }: BrowserProcess): number {
  const status = readFileSync(`/proc/${id}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(0)} MiB`;
}
