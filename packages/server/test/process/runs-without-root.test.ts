// The relay needs no privilege: it runs as nobody, writes no file, and serves.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync } from 'node:fs';
import { join } from 'node:path';
import { SealedClient } from '@mte-relay/testing/sealed-client';
import { requiredSettings } from '@mte-relay/testing/settings';
import { stage } from '@mte-relay/testing/stage';
import { temporaryFiles } from '@mte-relay/testing/temporary-files';
import { expect, test } from 'vitest';

const NOBODY_UID = 65_534;
const COMMAND = join(import.meta.dirname, '../../bin/mte-relay-server.js');

const canBeNobody =
  process.getuid?.() === 0 && spawnSync('test', ['-r', COMMAND], { uid: NOBODY_UID, gid: NOBODY_UID }).status === 0;

const skipped = canBeNobody ? '' : ' (skipped: takes root, and a checkout that nobody may read)';

test.skipIf(!canBeNobody)(
  `as nobody, in an empty read-only folder, the relay starts and responds${skipped}`,
  async () => {
    const { upstreamUrl } = await stage();
    const folder = temporaryFiles();
    const node = join(folder, 'node'); // where nobody may read it
    cpSync(process.execPath, node);
    chmodSync(folder, 0o555);
    const child = spawn(node, [COMMAND, 'start'], {
      cwd: folder,
      uid: NOBODY_UID,
      gid: NOBODY_UID,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        ...requiredSettings(upstreamUrl),
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
