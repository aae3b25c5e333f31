// The relay needs no privilege: it runs as nobody, writes no file, and serves.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { SealedClient } from '../support/sealed-client.ts';
import { stage, TEST_ORIGIN, TEST_SECRET } from '../support/stage.ts';

const NOBODY_UID = 65_534;
const COMMAND = join(import.meta.dirname, '../../bin/mte-relay-server.js');

const canBeNobody =
  process.getuid?.() === 0 && spawnSync('test', ['-r', COMMAND], { uid: NOBODY_UID, gid: NOBODY_UID }).status === 0;

const skipped = canBeNobody ? '' : ' (skipped: takes root, and a checkout that nobody may read)';

test.skipIf(!canBeNobody)(
  `as nobody, in an empty read-only folder, the relay starts and answers${skipped}`,
  async () => {
    const { upstreamPort } = await stage();
    const folder = mkdtempSync(join(tmpdir(), 'mte-relay-nobody-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const node = join(folder, 'node'); // where nobody may read it
    cpSync(process.execPath, node);
    chmodSync(folder, 0o555);
    const child = spawn(node, [COMMAND, 'start'], {
      cwd: folder,
      uid: NOBODY_UID,
      gid: NOBODY_UID,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        UPSTREAM: `http://127.0.0.1:${upstreamPort}`,
        CORS_ORIGINS: TEST_ORIGIN,
        CLIENT_ID_SECRET: TEST_SECRET,
        PORT: '0',
        DRAIN_DELAY_MS: '0',
      },
    });
    let text = '';
    child.stdout.on('data', (bytes: Buffer) => {
      text += bytes.toString();
    });
    await expect.poll(() => /"port":(\d+)/.test(text), { timeout: 20_000 }).toBe(true);
    const client = await SealedClient.pair(Number(/"port":(\d+)/.exec(text)?.[1]));
    expect((await client.fetch({ path: '/x' })).head.status).toBe(200);
    child.kill('SIGTERM');
    const [code] = await once(child, 'exit');
    expect(code).toBe(0);
  },
);
