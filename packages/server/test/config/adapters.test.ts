// The examples of adapters, each run by the command: settings from a vault, a session store, a log, a startup script.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { runCommand, startCommand, temporaryFiles } from '../support/command.ts';
import { plaintextOf, SealedClient } from '../support/sealed-client.ts';
import { listenOn, TEST_SECRET } from '../support/stage.ts';

const EXAMPLES = join(import.meta.dirname, '../../../../examples');
const GOOD = { CORS_ORIGINS: 'https://a.example', CLIENT_ID_SECRET: TEST_SECRET, ADMIN_PORT: 'off' };

/** A server that answers every request like this. */
async function serving(answer: (authorization: string | undefined) => [number, string]): Promise<string> {
  const server = createServer((req, res) => {
    const [status, body] = answer(req.headers.authorization);
    res.writeHead(status).end(body);
  });
  const port = await listenOn(server);
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${port}`;
}

test('the settings adapter takes the secrets from a vault, and a vault that refuses is a listed problem', async () => {
  const secrets = { present: `p${'1'.repeat(31)}`, next: `n${'2'.repeat(31)}` };
  const vault = await serving((authorization) =>
    authorization === 'Bearer of-the-vault' ? [200, JSON.stringify(secrets)] : [403, ''],
  );
  const args = ['identity', '--settings', join(EXAMPLES, 'settings-adapter/vault.js')];
  const environment = { UPSTREAM: 'http://api:3000', VAULT_URL: vault };
  const { code, stdout } = await runCommand(args, { ...environment, VAULT_TOKEN: 'of-the-vault' });
  expect(code).toBe(0);
  const both = await runCommand(['identity'], { CLIENT_ID_SECRET: `${secrets.next},${secrets.present}` });
  expect(stdout).toBe(both.stdout);
  const refused = await runCommand(args, { ...environment, VAULT_TOKEN: 'wrong' });
  expect(refused.code).toBe(78);
  expect(refused.stderr).toMatch(/SETTINGS_MODULE: \S+ failed: the vault answered 403; expected/);
});

test('the session store keeps sessions, claims once and refuses what is too many', async () => {
  const upstream = await serving(() => [200, 'ok']);
  const relay = await startCommand({ ...GOOD, UPSTREAM: upstream, SESSIONS_MAX: '2' }, [
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
  await expect(SealedClient.pair(relay.port)).rejects.toThrow('pairing answered 503 unavailable');
  expect(await relay.stop()).toBe(0);
});

test('the log adapter gets every line, and writes warnings and worse to its file', async () => {
  const folder = temporaryFiles({});
  const file = join(folder, 'alerts');
  const relay = await startCommand(
    {
      ...{ ...GOOD, UPSTREAM: 'http://api.example.com', CLIENT_ID_SECRET: 'a'.repeat(32), ALERTS_FILE: file },
      LOG_MODULE: join(EXAMPLES, 'log-adapter/transport.js'),
    },
    [],
  );
  expect(await relay.stop()).toBe(0);
  const alerts = readFileSync(file, 'utf8').trim().split('\n');
  expect(alerts.map((line) => (JSON.parse(line) as { level: string }).level)).toEqual(['warning', 'warning']);
  expect(alerts.join()).toContain('looks made by a person');
  expect(relay.logged().map(({ level }) => level)).toContain('info');
});

test('the startup script is run before the relay listens, and holds it back until the upstream answers', async () => {
  const upstream = await serving(() => [200, 'ok']);
  const script = join(EXAMPLES, 'startup-script/wait-for-upstream.js');
  const relay = await startCommand({ ...GOOD, UPSTREAM: upstream }, ['--startup', script]);
  const messages = relay.logged().map(({ msg }) => msg);
  expect(messages.indexOf('the upstream answers')).toBeGreaterThanOrEqual(0);
  expect(messages.indexOf('the upstream answers')).toBeLessThan(messages.indexOf('relay is listening'));
});

test('a startup script that fails ends the relay with 1, and sees no secret', async () => {
  const folder = temporaryFiles({
    'script.js': `export default ({ settings, log }) => {
      log.info({ settings }, 'seen');
      throw new Error('not today');
    };`,
  });
  const { code, stdout, stderr } = await runCommand(['start', '--startup', join(folder, 'script.js')], {
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
  const relay = await startCommand({ ...GOOD, UPSTREAM: 'http://api:3000' }, ['--log', 'pino/file']);
  expect(relay.logged().map(({ msg }) => msg)).toContain('relay is listening');
});
