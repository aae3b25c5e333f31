// The dashboard as a page in Chromium, and the page as a picture.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Panel } from '../../test/e2e/support/panels.ts';
import { openBrowser } from '../test/programs/chromium.ts';

const ROOT = join(import.meta.dirname, '../..');
const WIDTH_PIXELS = 1_800;

/** A panel with what Prometheus answered. */
export interface DrawnPanel extends Omit<Panel, 'queries'> {
  readonly lines: readonly { readonly name: string; readonly values: readonly (number | null)[] }[];
  /** Of a table: the labels of each series. */
  readonly rows: readonly Readonly<Record<string, string>>[];
}

/** What page.js draws. */
export interface Drawing {
  /** Unix times in seconds. */
  readonly times: readonly number[];
  readonly panels: readonly DrawnPanel[];
}

/** Draws it in Chromium. @param path of the PNG. Rejects with what the page throws. */
export async function photograph(executablePath: string, drawing: Drawing, path: string): Promise<void> {
  const browser = await openBrowser(executablePath);
  try {
    const { page } = browser;
    const failed = new Promise<never>((_, reject) => page.on('pageerror', reject));
    await page.setViewportSize({ width: WIDTH_PIXELS, height: 1_000 });
    await page.setContent('<!doctype html><meta charset="utf-8"><main></main>');
    const uplot = join(ROOT, 'node_modules/uplot/dist');
    await page.addStyleTag({ content: readFileSync(join(uplot, 'uPlot.min.css'), 'utf8') });
    await page.addStyleTag({ path: join(import.meta.dirname, 'page.css') });
    await page.addScriptTag({ path: join(uplot, 'uPlot.iife.min.js') });
    await page.evaluate((given) => Object.assign(globalThis, { drawing: given }), drawing);
    await page.addScriptTag({ path: join(import.meta.dirname, 'page.js'), type: 'module' });
    await Promise.race([page.locator('main').screenshot({ path }), failed]);
  } finally {
    await browser.close();
  }
}
