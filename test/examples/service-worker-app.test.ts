// The start script of examples/service-worker-app, in both of its modes; what a browser makes of them is in test/e2e.
import { freePort } from '@mte-relay/testing/free-port';
import { printed, startScript } from '@mte-relay/testing/processes';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { expect, test } from 'vitest';

async function start(...args: string[]): Promise<{ page: string; apiStatus: number }> {
  const running = endsWithTest(
    startScript('examples/service-worker-app/start.js', args, { PORT: String(await freePort()) }),
  );
  const [, origin] = await printed(running, /^ready (http:\/\/localhost:\d+)$/m);
  return {
    page: await (await fetch(`${origin}/`)).text(),
    apiStatus: (await fetch(`${origin}/api/v1/notes`)).status,
  };
}

test('with --direct the app is served as it is, and responds by itself', async () => {
  const { page, apiStatus } = await start('--direct');
  expect(page).toContain('<script src="/app.js" defer></script>');
  expect(apiStatus).toBe(401);
});

test('without it the page names the relay’s installer by its hash, and nothing unsealed is served', async () => {
  const { page, apiStatus } = await start();
  expect(page).toMatch(/mte-relay-install\.js" integrity="sha384-[\w+/]{64}" defer/);
  expect(page).toMatch(/seal\.js" data-pin="sha256-[\w+/]{43}=" data-app="\/app\.js" defer/);
  expect(apiStatus).toBe(404);
});
