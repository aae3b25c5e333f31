// The container's files, as far as they can be judged without an engine, and its content, which is laid out and serves.
// `npm run image:try` builds and runs the image itself.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { freePort } from '@mte-relay/testing/free-port';
import { startScript } from '@mte-relay/testing/processes';
import { runRelayCommand } from '@mte-relay/testing/relay-process';
import { sdkClient } from '@mte-relay/testing/sdk-client';
import { serve, urlOf } from '@mte-relay/testing/servers';
import { requiredSettings, TEST_SECRET } from '@mte-relay/testing/settings';
import { temporaryFiles } from '@mte-relay/testing/temporary-files';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { until } from '@mte-relay/testing/until';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { parse } from 'yaml';
import { writeClosure } from '../../deploy/docker/closure.ts';
import { type Content, closureContent } from '../../deploy/rehearse/content.ts';
import { DOMAIN_SETTINGS } from '../../packages/server/src/config/domain-settings.ts';
import { PROCESS_SETTINGS } from '../../packages/server/src/config/process-settings.ts';

const ROOT = join(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const manifestOf = (path: string): Package => JSON.parse(read(path)) as Package;

interface Package {
  readonly version: string;
  readonly engines: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

interface Instruction {
  readonly name: string;
  readonly value: string;
}

/** The Dockerfile's instructions, with continued lines joined. */
const instructions: readonly Instruction[] = read('deploy/docker/Dockerfile')
  .replace(/^#.*\n/gm, '')
  .replace(/\\\n\s*/g, '')
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => {
    const [, name = '', value = ''] = /^(\w+)\s+(.*)$/.exec(line) ?? [];
    return { name, value };
  });
const lastStage = instructions.slice(instructions.findLastIndex(({ name }) => name === 'FROM'));
const inLastStage = (wanted: string): string[] =>
  lastStage.filter(({ name }) => name === wanted).map(({ value }) => value);

describe('Dockerfile', () => {
  test('its default base has the Node that the tests ran with, and one that the relay accepts', () => {
    const version = /^NODE_IMAGE=node:([\d.]+)-bookworm-slim$/.exec(instructions[0]?.value ?? '')?.[1] as string;
    expect(version).toBe(manifestOf('package.json').devDependencies['node']);
    const floor = manifestOf('packages/server/package.json').engines['node'];
    const [major, minor] = version.split('.').map(Number) as [number, number];
    const [floorMajor, floorMinor] = (floor ?? '').replace('>=', '').split('.').map(Number) as [number, number];
    expect(major > floorMajor || (major === floorMajor && minor >= floorMinor)).toBe(true);
    expect(major % 2).toBe(0); // only even ones are supported for long
  });

  test('the image starts from nothing and takes from the build alone', () => {
    expect(inLastStage('FROM')).toEqual(['scratch']);
    expect(inLastStage('COPY').every((value) => value.startsWith('--from=build '))).toBe(true);
    expect(inLastStage('RUN')).toEqual([]);
  });

  test('a numeric user that is not root, commands without a shell, SIGTERM to end', () => {
    expect(inLastStage('USER')).toEqual(['65532:65532']);
    for (const name of ['ENTRYPOINT', 'CMD']) expect(JSON.parse(inLastStage(name)[0] as string)).toBeInstanceOf(Array);
    expect(inLastStage('HEALTHCHECK')[0]).toMatch(/CMD \["\/usr\/local\/bin\/node", "\/app\/health\.mjs"\]$/);
    expect(inLastStage('STOPSIGNAL')).toEqual(['SIGTERM']);
  });

  test('its ports and version are the relay’s', () => {
    expect(inLastStage('EXPOSE')).toEqual(['8080 9090']);
    expect(inLastStage('ARG')).toContain(`VERSION=${manifestOf('packages/server/package.json').version}`);
  });

  test('every COPY has its source, and .dockerignore lets it through', () => {
    const sources = instructions
      .filter(({ name, value }) => name === 'COPY' && !value.startsWith('--from'))
      .flatMap(({ value }) => value.split(/\s+/).slice(0, -1));
    const allowed = read('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1));
    expect(sources.length).toBeGreaterThan(8);
    for (const source of sources.flatMap(globbed)) {
      expect(existsSync(join(ROOT, source)), source).toBe(true);
      const isAllowed = allowed.some((path) => source.replace(/\/$/, '') === path || source.startsWith(`${path}/`));
      expect(isAllowed, source).toBe(true);
    }
  });

  test('the build is sent no secret, no history and nothing built', () => {
    const lines = read('.dockerignore')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    expect(lines[0]).toBe('*'); // everything that is not named stays out
    for (const path of ['packages/*/dist', 'packages/*/test', 'packages/*/node_modules']) expect(lines).toContain(path);
    expect(lines.filter((line) => /^!(?:\.git|\.env|node_modules)/.test(line))).toEqual([]);
  });
});

test('the build’s commands find everything that they read among what the build is sent', () => {
  const folder = temporaryFiles();
  for (const { name, value } of instructions) {
    const [target = '', ...sources] = value.split(/\s+/).reverse();
    if (name !== 'COPY' || value.startsWith('--from')) continue;
    for (const source of sources.flatMap(globbed)) {
      const into = source.endsWith('/') || !target.endsWith('/') ? target : join(target, basename(source));
      cpSync(join(ROOT, source), join(folder, into), { recursive: true, filter: isSent });
    }
  }
  linkModules(folder);
  const commands = instructions.find(({ name, value }) => name === 'RUN' && value.includes('bundle.ts'))
    ?.value as string;
  execFileSync('/bin/sh', ['-c', commands], { cwd: folder, stdio: 'pipe' });
  const parts = ['client.js', 'client.mjs', 'install.js', 'install.mjs', 'sw.js'];
  for (const name of parts.map((part) => `mte-relay-${part}`)) {
    const file = `packages/server/public/${name}`;
    expect(readFileSync(join(folder, file), 'utf8') === read(file), `${name} as npm run build makes it`).toBe(true);
  }
});

/** The files that .dockerignore keeps out of packages. */
function isSent(path: string): boolean {
  return !/^packages\/(?:[^/]+\/(?:dist|test|node_modules)|server\/public)$|\.tsbuildinfo$/.test(relative(ROOT, path));
}

/** As `npm ci` would give them: the modules that are installed here, and the workspaces of this folder. */
function linkModules(folder: string): void {
  const modules = join(folder, 'node_modules');
  mkdirSync(join(modules, '@mte-relay'), { recursive: true });
  for (const name of readdirSync(join(ROOT, 'node_modules'))) {
    if (name !== '@mte-relay' && name !== '.cache') symlinkSync(join(ROOT, 'node_modules', name), join(modules, name));
  }
  for (const name of readdirSync(join(folder, 'packages'))) {
    symlinkSync(join(folder, 'packages', name), join(modules, '@mte-relay', name));
  }
}

/** `deploy/docker/*.ts` as its files. */
function globbed(source: string): string[] {
  const [, folder, extension] = /^(.*\/)\*(\.\w+)$/.exec(source) ?? [];
  if (!folder || !extension) return [source];
  // A file that a build does not need is not let through, and is not a source of COPY.
  const needed = readdirSync(join(ROOT, folder)).filter((name) => name.endsWith(extension) && name !== 'build.ts');
  return needed.map((name) => folder + name);
}

interface Service {
  readonly image: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly [field: string]: unknown;
}

describe('compose file', () => {
  const { services } = parse(read('deploy/docker/compose.yaml')) as { services: Record<string, Service> };

  test('every service is read-only, without privileges, within limits and of a pinned image', () => {
    expect(Object.keys(services)).toEqual(['relay', 'redis', 'sample-api']);
    for (const service of Object.values(services)) {
      expect(service).toMatchObject({
        read_only: true,
        cap_drop: ['ALL'],
        security_opt: ['no-new-privileges:true'],
        mem_limit: expect.any(String),
        pids_limit: expect.any(Number),
        image: expect.stringMatching(/:\d+\.\d+\.\d+/),
      });
      expect(service).not.toHaveProperty('privileged');
    }
  });

  test('files that it names are there', () => {
    const { build } = services['relay'] as unknown as { build: { context: string; dockerfile: string } };
    expect(existsSync(join(ROOT, 'deploy/docker', build.context, build.dockerfile))).toBe(true);
    const [file = ''] = String(services['sample-api']?.volumes?.[0]).split(':');
    expect(existsSync(join(ROOT, 'deploy/docker', file))).toBe(true);
  });

  test('the relay knows its variables and accepts its environment', async () => {
    const given: Record<string, string> = {
      CLIENT_ID_SECRET: TEST_SECRET,
      RELAY_IDENTITY_SEED: Buffer.alloc(32, 7).toString('base64'),
    };
    const environment = Object.fromEntries(
      Object.entries(services['relay']?.environment ?? {}).map(([name, text]) => [
        name,
        text.replace(/^\$\{(\w+)(?::-([^}]*)|:\?[^}]*)\}$/, (_all, variable, fallback) => given[variable] ?? fallback),
      ]),
    );
    for (const name of Object.keys(environment))
      expect({ ...DOMAIN_SETTINGS, ...PROCESS_SETTINGS }).toHaveProperty(name);
    expect(await runRelayCommand(['check'], environment)).toMatchObject({ code: 0, stderr: '' });
  });

  test('the relay is given the time that its drain and shutdown take', () => {
    expect(Number.parseInt(String(services['relay']?.['stop_grace_period']), 10)).toBeGreaterThanOrEqual(35);
  });
});

test('the sample API of the compose file and the trial responds, and ends on SIGTERM', async () => {
  const port = String(await freePort());
  const api = endsWithTest(startScript('deploy/kubernetes/overlays/trial/sample-api.mjs', [], { PORT: port }));
  const url = `http://127.0.0.1:${port}`;
  await until(() =>
    fetch(`${url}/health`).then(
      ({ ok }) => ok,
      () => false,
    ),
  );
  const response = await fetch(`${url}/notes?x=1`, { method: 'POST', body: 'hello' });
  expect(await response.json()).toEqual({ method: 'POST', path: '/notes?x=1', body: 'hello' });
  await api.stop();
  expect(await api.exited).toEqual({ code: 0, signal: null });
});

describe('the production closure', () => {
  let content: Content;
  beforeAll(() => {
    content = closureContent();
  });
  afterAll(() => content.release());

  test('starts, serves sealed calls, is healthy by the image’s own check, and ends with 0', async () => {
    const upstream = endsWithTest(await serve((req, res) => res.end(`${req.method} ${req.url}`)));
    const [PORT, ADMIN_PORT] = [String(await freePort()), String(await freePort())];
    const relay = content.run(['start'], {
      ...requiredSettings(upstream.url),
      DRAIN_DELAY_MS: '0',
      PORT,
      ADMIN_PORT,
    });
    onTestFinished(() => void relay.kill());
    await until(() => /relay is listening/.test(relay.output()) || relay.child.exitCode !== null);
    const pin = /"pin":"([^"]+)"/.exec(relay.output())?.[1] as string;
    const client = sdkClient({ url: urlOf(Number(PORT)), pin });
    expect(await (await client.fetch('/x', { method: 'POST', body: 'y' })).text()).toBe('POST /x');
    for (const name of ['mte-relay-client.js', 'mte-relay-install.js', 'mte-relay-licenses.txt']) {
      expect((await fetch(`http://127.0.0.1:${PORT}/public/${name}`)).status, name).toBe(200);
    }
    const health = (port: string): Promise<number | null> =>
      content.runOther([process.execPath, join(ROOT, 'deploy/docker/health.mjs')], { ADMIN_PORT: port }).exited;
    expect(await health(ADMIN_PORT)).toBe(0);
    expect(await health(String(await freePort()))).toBe(1);
    expect(await health('off')).toBe(0);
    process.kill(relay.pid(), 'SIGTERM');
    expect(await relay.exited).toBe(0);
  });

  test('holds the server’s dependencies and no other, and nothing that only people or compilers read', () => {
    const folder = join(content.root, 'app');
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
    expect(files.filter((file) => /\.(?:ts|map|md|yml)$/.test(file) && !file.endsWith('LICENSE.md'))).toEqual([]);
    const { dependencies } = manifestOf('packages/server/package.json');
    for (const name of Object.keys(dependencies)) expect(files).toContain(`node_modules/${name}`);
    for (const name of ['typescript', 'vitest', '@mte-relay/client', '@mte-relay/cli']) {
      expect(files).not.toContain(`node_modules/${name}`);
    }
    expect(readdirSync(join(folder, 'packages')).sort()).toEqual(['protocol', 'server']);
  });
});

test('a closure is refused a folder that has something in it', () => {
  expect(() => writeClosure(temporaryFiles({ x: '' }))).toThrow('is not empty');
});
