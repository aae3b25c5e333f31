// A relay that is asked to end, or cannot start, while a module of the operator's is slow or leaves something running.
// As process 1 of a container it would not be ended by a signal that it does not listen to: it must end by itself.
import { join } from 'node:path';
import { relayBefore, type SpawnedRelay, spawnRelay } from '@mte-relay/testing/relay-process';
import { requiredSettings } from '@mte-relay/testing/settings';
import { temporaryFiles } from '@mte-relay/testing/temporary-files';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { expect, test } from 'vitest';

const SOON_MS = 10_000;
/** Says a word, so that the test knows where the start has come to. */
const SAY = "const say = (word) => process.stdout.write(word + '\\n');\n";
const SLEEP = `${SAY}export default async () => { say('sleeping'); await new Promise((wake) => setTimeout(wake, 60_000)); };\n`;
const STORE = `${SAY}export default () => ({ ready: true, close() { say('store closed'); } });\n`;

/** The command with these modules, by variable; it is not expected to listen. */
function starting(modules: Record<string, string>, more: Record<string, string> = {}): SpawnedRelay {
  const names = Object.keys(modules);
  const folder = temporaryFiles(Object.fromEntries(names.map((name) => [`${name}.mjs`, modules[name] as string])));
  const environment = Object.fromEntries(names.map((name) => [name, join(folder, `${name}.mjs`)]));
  return endsWithTest(
    spawnRelay({ ...requiredSettings('http://127.0.0.1:9'), ADMIN_PORT: '0', ...environment, ...more }),
  );
}

async function hasSaid(relay: SpawnedRelay, word: string): Promise<void> {
  await expect.poll(() => relay.output(), { timeout: 15_000, interval: 10 }).toContain(word);
}

test.each(['SIGTERM', 'SIGINT'] as const)(
  '%s during a startup script ends with 0, and closes what was opened',
  async (signal) => {
    const relay = starting({ STARTUP_MODULE: SLEEP, SESSIONS_MODULE: STORE });
    await hasSaid(relay, 'sleeping');
    const beganMs = performance.now();
    relay.child.kill(signal);
    expect(await relay.exited).toEqual({ code: 0, signal: null });
    expect(performance.now() - beganMs).toBeLessThan(SOON_MS);
    expect(relay.output()).toContain('store closed');
    expect(relay.lines().map(({ msg }) => msg)).toEqual(['stopped before listening', 'relay has closed']);
  },
);

test('no line of the log overtakes another at the end, however long its writing takes', async () => {
  // What is written waits for the only thread that there is for it.
  const busy = "import { pbkdf2 } from 'node:crypto';\n";
  const work = "const work = () => pbkdf2('x', 'y', 50_000, 64, 'sha512', work);\n";
  const relay = starting({ STARTUP_MODULE: `${busy}${work}work(); work();\n${SLEEP}` }, { UV_THREADPOOL_SIZE: '1' });
  await hasSaid(relay, 'sleeping');
  relay.child.kill('SIGTERM');
  expect(await relay.exited).toEqual({ code: 0, signal: null });
  expect(relay.lines().map(({ msg }) => msg)).toEqual(['stopped before listening', 'relay has closed']);
});

test.each([
  ['the settings', 'SETTINGS_MODULE'],
  ['the session store', 'SESSIONS_MODULE'],
])('SIGTERM while %s are waited for ends with 0, and no later step runs', async (_what, name) => {
  const relay = starting({
    [name]: `${SAY}export default async () => { say('sleeping'); await new Promise((wake) => setTimeout(wake, 400)); return {}; };\n`,
    STARTUP_MODULE: `${SAY}${name === 'SETTINGS_MODULE' ? "say('later step');" : ''} export default () => say('later step');\n`,
  });
  await hasSaid(relay, 'sleeping');
  relay.child.kill('SIGTERM');
  expect(await relay.exited).toEqual({ code: 0, signal: null });
  expect(relay.output()).not.toContain('later step');
});

test('a second signal ends at once a relay whose store does not close', async () => {
  const store = `${SAY}export default () => ({ ready: true, close() { say('closing'); return new Promise(() => {}); } });\n`;
  const relay = starting({ STARTUP_MODULE: SLEEP, SESSIONS_MODULE: store });
  await hasSaid(relay, 'sleeping');
  relay.child.kill('SIGTERM');
  await hasSaid(relay, 'closing');
  relay.child.kill('SIGTERM');
  expect(await relay.exited).toEqual({ code: 143, signal: null });
  expect(relay.lines()).toContainEqual(expect.objectContaining({ msg: 'second signal: exiting now' }));
});

test('a start that fails ends, whatever its startup script has left running', async () => {
  const relay = starting({
    STARTUP_MODULE: "export default () => { setInterval(() => {}, 1_000); throw new Error('not today'); };\n",
  });
  expect(await relay.exited).toEqual({ code: 1, signal: null });
  expect(relay.output()).toContain('STARTUP_MODULE failed: not today');
});

test('so does a relay that has closed', async () => {
  const folder = temporaryFiles({ 'startup.mjs': 'export default () => { setInterval(() => {}, 1_000); };\n' });
  const relay = await relayBefore(() => {}, { STARTUP_MODULE: join(folder, 'startup.mjs'), DRAIN_DELAY_MS: '0' });
  relay.child.kill('SIGTERM');
  expect(await relay.exited).toEqual({ code: 0, signal: null });
});
