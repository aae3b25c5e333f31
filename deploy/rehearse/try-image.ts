// `npm run image:try`: builds the image and checks that it serves, without a registry (debootstrap makes its base) and
// without an engine (its content runs in namespaces). Needs root on Debian; about three minutes the first time. It rebuilds an
// image of another commit, one of uncommitted files, and any with --rebuild. It keeps the base.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createRelayClient } from '@mte-relay/client';
import { freePort } from '@mte-relay/testing/free-port';
import { serve } from '@mte-relay/testing/servers';
import { IMAGE_TOOLS } from '@mte-relay/testing/tools';
import { until } from '@mte-relay/testing/until';
import { requireTools } from '../../scripts/test/provide.ts';
import { type ContainerProcess, type Content, IMAGE, imageConfig, imageContent } from './content.ts';

const ROOT = join(import.meta.dirname, '../..');
const BASE = `localhost/mte-relay-node:${process.versions.node}`;
const DRAIN_DELAY_MS = 500;

const { values } = parseArgs({ options: { rebuild: { type: 'boolean', default: false } } });
requireTools(IMAGE_TOOLS);
if (!imageConfig(BASE)) command(['deploy/docker/debian-base.sh', BASE]);
if (values.rebuild || isStale()) {
  command([process.execPath, 'deploy/docker/build.ts', '--engine', 'buildah', '--base', BASE, '--tag', IMAGE]);
}
const content = imageContent(IMAGE);
try {
  console.log(content.description);
  await tryCommands(content);
  await tryServing(content);
} finally {
  content.release();
}

/** True for an image of another commit, or while files differ from the commit. */
function isStale(): boolean {
  const git = (...args: string[]): string => execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).trim();
  const built = imageConfig(IMAGE)?.Labels['org.opencontainers.image.revision'];
  return built !== git('rev-parse', 'HEAD') || git('status', '--porcelain', '--untracked-files=no') !== '';
}

function command([name, ...args]: readonly string[]): void {
  execFileSync(name as string, args, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] });
}

function passed(what: string): void {
  console.log(`  passed: ${what}`);
}

/** The commands that exit by themselves. */
async function tryCommands(image: Content): Promise<void> {
  const wrong = image.run(['check'], { UPSTREAM: 'nonsense' });
  assert.equal(await wrong.exited, 78, wrong.output());
  assert.match(wrong.output(), /CORS_ORIGINS.*not set/);
  passed('an invalid configuration exits with 78 and lists its problems');
  const identity = image.run(['identity', '--new'], {});
  assert.equal(await identity.exited, 0);
  assert.match(identity.output(), /^RELAY_IDENTITY_SEED=\S{44}\npin sha256-/);
  passed('arguments replace the command: identity --new');
  for (const shell of ['/bin/sh', '/bin/bash', '/usr/bin/apt-get']) {
    assert.equal(await image.runOther([shell], {}).exited, 127, `${shell} is in the image`);
  }
  passed('no shell, no package manager');
}

async function tryServing(image: Content): Promise<void> {
  const upstream = await serve((req, res) => {
    req.resume();
    const after = req.url === '/slow' ? 3 * DRAIN_DELAY_MS : 0;
    setTimeout(() => res.end(`${req.method} ${req.url}`), after);
  });
  const [PORT, ADMIN_PORT] = [String(await freePort()), String(await freePort())];
  const relay = image.run(['start'], {
    UPSTREAM: `http://localhost:${upstream.port}`, // a name: the C library resolves it
    CORS_ORIGINS: 'https://app.example',
    CLIENT_ID_SECRET: randomBytes(32).toString('base64'),
    PORT,
    ADMIN_PORT,
    DRAIN_DELAY_MS: String(DRAIN_DELAY_MS),
  });
  try {
    await until(() => /relay is listening/.test(relay.output()) || relay.child.exitCode !== null);
    assert.match(relay.output(), /relay is listening/);
    await checkProcess(relay);
    const health = image.runOther(healthCommand(), { ADMIN_PORT });
    assert.equal(await health.exited, 0, health.output());
    passed('the health check of the image reports healthy');
    const pin = /"pin":"([^"]+)"/.exec(relay.output())?.[1] as string;
    await checkPublicFiles(image, `http://127.0.0.1:${PORT}`);
    const client = createRelayClient(`http://127.0.0.1:${PORT}`, { pins: [pin] });
    for (let i = 0; i < 100; i++) {
      const response = await client.fetch(`/item/${i}`, { method: 'POST', body: 'x'.repeat(1024) });
      assert.deepEqual([response.status, await response.text()], [200, `POST /item/${i}`]);
    }
    passed('100 sealed calls succeed');
    const inProgress = client.fetch('/slow');
    await sleep(DRAIN_DELAY_MS / 2);
    process.kill(relay.pid(), 'SIGTERM');
    await sleep(DRAIN_DELAY_MS / 2);
    const readiness = await fetch(`http://127.0.0.1:${ADMIN_PORT}/readyz`);
    assert.equal(readiness.status, 503);
    const later = await client.fetch('/late');
    assert.deepEqual([later.status, (await inProgress).status], [200, 200]);
    client.close();
    assert.equal(await relay.exited, 0);
    passed('SIGTERM to process 1: not ready, a call in progress and a later one succeed, then exit 0');
    const dead = image.runOther(healthCommand(), { ADMIN_PORT });
    assert.equal(await dead.exited, 1, dead.output());
    passed('the health check of a relay that has exited reports unhealthy');
  } finally {
    relay.kill();
    upstream.close();
  }
}

/** The files for web pages: the bytes of this build, with the hashes that the image's own command prints. */
async function checkPublicFiles(image: Content, origin: string): Promise<void> {
  const integrity = image.run(['integrity'], {});
  assert.equal(await integrity.exited, 0, integrity.output());
  const hashes = new Map(
    integrity
      .output()
      .trimEnd()
      .split('\n')
      .map((line) => line.split(' ') as [string, string]),
  );
  const scripts = ['client', 'install'].flatMap((part) => [`mte-relay-${part}.js`, `mte-relay-${part}.mjs`]);
  assert.deepEqual([...hashes.keys()].sort(), scripts.map((name) => `/public/${name}`).sort());
  for (const name of [...scripts, 'mte-relay-licenses.txt']) {
    const response = await fetch(`${origin}/public/${name}`);
    assert.equal(response.status, 200, name);
    const bytes = Buffer.from(await response.arrayBuffer());
    assert.ok(bytes.equals(readFileSync(join(ROOT, 'packages/server/public', name))), `${name} differs from the build`);
    const digest = createHash('sha384').update(bytes).digest('base64');
    if (name !== 'mte-relay-licenses.txt') assert.equal(hashes.get(`/public/${name}`), `sha384-${digest}`);
  }
  passed('/public serves client, installer and licences: the bytes of this build, with the hashes of `integrity`');
}

function healthCommand(): string[] {
  const { Healthcheck } = imageConfig(IMAGE) as unknown as { Healthcheck: { Test: string[] } };
  return Healthcheck.Test.slice(1); // without "CMD"
}

/** Checks the kernel's facts about the relay's process. */
async function checkProcess(relay: ContainerProcess): Promise<void> {
  const status = readFileSync(`/proc/${relay.pid()}/status`, 'utf8');
  const field = (name: string): string => new RegExp(`^${name}:\\s*(.+)$`, 'm').exec(status)?.[1]?.trim() ?? '';
  assert.match(field('Name'), /^(?:node|MainThread)/);
  assert.equal(field('NSpid').split(/\s+/).at(-1), '1');
  passed('node is process 1');
  assert.deepEqual(field('Uid').split(/\s+/), ['65532', '65532', '65532', '65532']);
  assert.deepEqual(
    [field('CapEff'), field('CapPrm'), field('NoNewPrivs')],
    ['0000000000000000', '0000000000000000', '1'],
  );
  passed('user 65532, no capability, no new privileges');
  const root = `/proc/${relay.pid()}/root`;
  const mounts = readFileSync(`/proc/${relay.pid()}/mounts`, 'utf8').split('\n');
  const rootMount = mounts.find((line) => line.split(' ')[1] === '/');
  assert.match(rootMount ?? '', /^\S+ \/ \S+ ro[, ]/);
  passed('the root file system is read-only');
  const find = (...condition: string[]): string[] =>
    execFileSync('find', [`${root}/`, '-xdev', '-type', 'f', ...condition], { encoding: 'utf8' })
      .split('\n')
      .slice(0, -1);
  assert.deepEqual(find('(', '-perm', '/022', '-o', '-user', '65532', ')'), []);
  passed(
    `${find().length} files that its user neither owns nor can write to; in /: ${readdirSync(root).sort().join(' ')}`,
  );
}
