// A real nginx, in front of the relay as an ingress is, or beside it. It listens on loopback alone, and ends with the test.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { freePort } from './free-port.ts';
import { startProgram } from './processes.ts';
import { accepts, urlOf } from './servers.ts';
import { toolPath } from './tools.ts';
import { until } from './until.ts';

/** Where `npm test` found nginx; tests that need it are skipped without. */
export const NGINX: string | undefined = toolPath('nginx');

/**
 * Starts nginx with its defaults besides what is given.
 * @param serverBlock what stands inside `server { … }` behind `listen`; `$relay` stands for the URL of what is behind it.
 * @param httpBlock what stands beside the server; `$folder` stands for one of its own.
 */
export async function startNginx(relayUrl: string, serverBlock: string, httpBlock = ''): Promise<string> {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'mte-relay-nginx-'));
  chmodSync(folder, 0o755);
  const scratch = join(folder, 'scratch'); // of its worker, which is nobody when this runs as root
  mkdirSync(scratch);
  chmodSync(scratch, 0o777);
  const file = join(folder, 'nginx.conf');
  writeFileSync(
    file,
    `daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log stderr crit;
events { worker_connections 256; }
http {
  access_log off;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${scratch}/${name};`).join('\n  ')}
  ${httpBlock.replaceAll('$folder', scratch)}
  server {
    listen 127.0.0.1:${port};
    ${serverBlock.replaceAll('$relay', relayUrl)}
  }
}
`,
  );
  const nginx = startProgram(NGINX as string, ['-e', 'stderr', '-p', folder, '-c', file]);
  onTestFinished(async () => {
    await nginx.stop(); // by SIGTERM, or its worker stays
    rmSync(folder, { recursive: true, force: true });
  });
  await until(() => {
    if (nginx.child.exitCode !== null) throw new Error(`nginx ended: ${nginx.output()}`);
    return accepts(port);
  });
  return urlOf(port);
}
