// The service worker's notes of what was in progress, in a real browser's database: whichever later worker a request comes
// back to, it is refused there once, also when the worker in between was ended before it came back.
import { join } from 'node:path';
import { serve } from '@mte-relay/testing/servers';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { toolPath } from '@mte-relay/testing/tools';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import { describe, expect, test } from 'vitest';

const CHROMIUM = toolPath('chromium');
const JOURNAL = join(import.meta.dirname, '../../packages/client/dist/service-worker/journal.js');

declare const bundled: typeof import('../../packages/client/src/service-worker/journal.ts');

describe.skipIf(!CHROMIUM)('notes of requests in progress', () => {
  test('outlive a worker that is ended before all of them have come back', async () => {
    const { outputFiles } = await build({
      entryPoints: [JOURNAL],
      bundle: true,
      write: false,
      format: 'iife',
      globalName: 'bundled',
      conditions: ['browser'],
    });
    const { port } = endsWithTest(await serve((_req, res) => res.end('<!doctype html>')));
    const browser = endsWithTest(
      await chromium.launch({
        executablePath: CHROMIUM as string,
        args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
      }),
    );
    const page = await browser.newPage();
    await page.goto(`http://localhost:${port}`);
    await page.addScriptTag({ content: outputFiles?.[0]?.text as string });
    const outcomes = await page.evaluate(async () => {
      const { Journal } = bundled;
      const begin = async (journal: InstanceType<typeof Journal>, body: string): Promise<string> => {
        const request = new Request('/orders', { method: 'POST', body });
        return await journal.begin('page', request, new Blob([body]), performance.now()).then(
          () => 'noted',
          (error: { code: string }) => error.code,
        );
      };
      const [first, second, third] = [1, 2, 3].map(() => new Journal('/')) as [
        InstanceType<typeof Journal>,
        InstanceType<typeof Journal>,
        InstanceType<typeof Journal>,
      ];
      return [
        await begin(first, 'one'),
        await begin(first, 'two'),
        await begin(second, 'one'), // comes back
        await begin(third, 'two'), // comes back to the worker after that one
        await begin(third, 'one'), // has come back already: this is the user's own second order
      ];
    });
    expect(outcomes).toEqual(['noted', 'noted', 'may-have-run', 'may-have-run', 'noted']);
  });
});
