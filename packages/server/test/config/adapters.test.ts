// The examples of adapters, each run by the command: settings from a vault, a session store, a log, a startup script.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type RelayProcess, runRelayCommand, startRelay } from '@mte-relay/testing/relay-process';
import { plaintextOf, SealedClient } from '@mte-relay/testing/sealed-client';
import { serve } from '@mte-relay/testing/servers';
import { TEST_SECRET } from '@mte-relay/testing/settings';
import { temporaryFiles } from '@mte-relay/testing/temporary-files';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { expect, test } from 'vitest';

const EXAMPLES = join(import.meta.dirname, '../../../../examples');
const GOOD = {
  CORS_ORIGINS: 'https://a.example',
  CLIENT_ID_SECRET: TEST_SECRET,
  ADMIN_PORT: 'off',
  DRAIN_DELAY_MS: '0',
};

/** A server that responds to every request like this. */
async function serving(respond: (authorization: string | undefined) => [number, string]): Promise<string> {
  const { url } = endsWithTest(
    await serve((req, res) => {
      const [status, body] = respond(req.headers.authorization);
      res.writeHead(status).end(body);
    }),
  );
  return url;
}

/** A relay that ends with the test. */
const startedRelay = async (...start: Parameters<typeof startRelay>): Promise<RelayProcess> =>
  endsWithTest(await startRelay(...start));

test('the settings adapter takes the secrets from a vault, and a vault that refuses is a listed problem', async () => {
  const secrets = { present: `p${'1'.repeat(31)}`, next: `n${'2'.repeat(31)}` };
  const vault = await serving((authorization) =>
    authorization === 'Bearer of-the-vault' ? [200, JSON.stringify(secrets)] : [403, ''],
  );
  const args = ['identity', '--settings', join(EXAMPLES, 'settings-adapter/vault.js')];
  const environment = { UPSTREAM: 'http://api:3000', VAULT_URL: vault };
  const { code, stdout } = await runRelayCommand(args, { ...environment, VAULT_TOKEN: 'of-the-vault' });
  expect(code).toBe(0);
  const both = await runRelayCommand(['identity'], { CLIENT_ID_SECRET: `${secrets.next},${secrets.present}` });
  expect(stdout).toBe(both.stdout);
  const refused = await runRelayCommand(args, { ...environment, VAULT_TOKEN: 'wrong' });
  expect(refused.code).toBe(78);
  expect(refused.stderr).toMatch(/SETTINGS_MODULE: \S+ failed: the vault responded 403; expected/);
});

test('the session store keeps sessions, claims once and refuses what is too many', async () => {
  const upstream = await serving(() => [200, 'ok']);
  const relay = await startedRelay({ ...GOOD, UPSTREAM: upstream, SESSIONS_MAX: '2' }, [
    '--sessions',
    join(EXAMPLES, 'session-store/store.js'),
  ]);
  const client = await SealedClient.pair(relay.port);
  expect((await client.fetch({ path: '/' })).text).toBe('ok');
  const { message, n } = await client.seal(plaintextOf({ method: 'POST', path: '/' }));
  expect((await client.post(message)).status).toBe(200);
  expect(await client.post(message)).toMatchObject({ status: 409, code: 'replayed' });
  expect(await client.cancel(n)).toBe(false);
  expect(await client.cancel(n + 100)).toBe(true);
  await SealedClient.pair(relay.port);
  await expect(SealedClient.pair(relay.port)).rejects.toThrow('pairing refused: 503 unavailable');
  await relay.stop();
  expect(relay.child.exitCode).toBe(0);
});

test('the log adapter gets every line, and writes warnings and worse to its file', async () => {
  const folder = temporaryFiles({});
  const file = join(folder, 'alerts');
  const relay = await startedRelay(
    {
      ...{ ...GOOD, UPSTREAM: 'http://api.example.com', CLIENT_ID_SECRET: 'a'.repeat(32), ALERTS_FILE: file },
      LOG_MODULE: join(EXAMPLES, 'log-adapter/transport.js'),
    },
    [],
  );
  await relay.stop();
  expect(relay.child.exitCode).toBe(0);
  const alerts = readFileSync(file, 'utf8').trim().split('\n');
  expect(alerts.map((line) => (JSON.parse(line) as { level: string }).level)).toEqual(['warning', 'warning']);
  expect(alerts.join()).toContain('looks made by a person');
  expect(relay.lines().map(({ level }) => level)).toContain('info');
});

test('the relay runs the startup script before it listens, and waits until the upstream responds', async () => {
  const upstream = await serving(() => [200, 'ok']);
  const script = join(EXAMPLES, 'startup-script/wait-for-upstream.js');
  const relay = await startedRelay({ ...GOOD, UPSTREAM: upstream }, ['--startup', script]);
  const messages = relay.lines().map(({ msg }) => msg);
  expect(messages.indexOf('the upstream responds')).toBeGreaterThanOrEqual(0);
  expect(messages.indexOf('the upstream responds')).toBeLessThan(messages.indexOf('relay is listening'));
});

test('a startup script that fails ends the relay with 1, and sees no secret', async () => {
  const folder = temporaryFiles({
    'script.js': `export default ({ settings, log }) => {
      log.info({ settings }, 'seen');
      throw new Error('not today');
    };`,
  });
  const { code, stdout, stderr } = await runRelayCommand(['start', '--startup', join(folder, 'script.js')], {
    ...{ ...GOOD, PORT: '0', UPSTREAM: 'http://api:3000', HEADERS: '{"x-key":"hunter2"}' },
  });
  expect(code).toBe(1);
  expect(stderr).toContain('STARTUP_MODULE failed: not today');
  expect(stdout).toContain('"UPSTREAM":"http://api:3000/"');
  expect(stdout).not.toContain('relay is listening');
  expect(stdout).not.toContain(TEST_SECRET);
  expect(stdout).not.toContain('hunter2');
});

test('a module is found by package name too, from the working directory', async () => {
  const relay = await startedRelay({ ...GOOD, UPSTREAM: 'http://api:3000' }, ['--log', 'pino/file']);
  expect(relay.lines().map(({ msg }) => msg)).toContain('relay is listening');
});
