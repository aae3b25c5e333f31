// The README's promises: its snippets run as they stand against a real relay. In a snippet only addresses and the pin
// are replaced; the text of a "prints:" comment must be what is printed.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { contentOf } from '@mte-relay/testing/content';
import { freePort } from '@mte-relay/testing/free-port';
import { type Served, serve } from '@mte-relay/testing/servers';
import { toolPath } from '@mte-relay/testing/tools';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '..', '..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const START_DEADLINE_MS = 30_000;
const hasCurl = toolPath('curl') !== undefined;
const environment = {
  ...process.env,
  PATH: [join(root, 'node_modules', '.bin'), process.env['PATH'] ?? ''].join(delimiter),
  NO_COLOR: '1',
};

interface Snippet {
  readonly language: string;
  /** The text behind "run" on the fence. */
  readonly purpose: string;
  readonly code: string;
}

const snippets: readonly Snippet[] = [...readme.matchAll(/^```(\w+) run ?(\w*)\n([\s\S]*?)^```$/gm)].map(
  ([, language = '', purpose = '', code = '']) => ({ language, purpose, code }),
);

const requestsSeen: string[] = [];
let upstream: Served;
let relay: ChildProcess;
let relayUrl = '';
let pin = '';

beforeAll(async () => {
  upstream = await serve(async (req, res) => {
    const body = (await contentOf(req)).toString();
    requestsSeen.push(`${req.method} ${req.url} ${body}`);
    if (req.url === '/events') {
      res.writeHead(200, { 'content-type': 'text/event-stream' }).end('data: one\n\n');
    } else {
      res.writeHead(201, { 'content-type': 'application/json' });
      res.end(JSON.stringify({ id: 1, text: (JSON.parse(body) as { text: string }).text }));
    }
  });
  const relayPort = await freePort();
  relayUrl = `http://localhost:${relayPort}`;

  const [start] = snippets.filter((snippet) => snippet.purpose === 'relay');
  if (!start) throw new Error('the README has no snippet marked "sh run relay"');
  relay = spawn('bash', ['-euc', start.code.replace('http://localhost:3000', upstream.url)], {
    cwd: root,
    env: { ...environment, PORT: String(relayPort), ADMIN_PORT: 'off', LOG_LEVEL: 'warning' },
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true, // its own process group, so that npx and what it started end together
  });
  let printed = '';
  relay.stdout?.on('data', (bytes: Buffer) => {
    printed += bytes.toString();
  });
  await untilReady(`${relayUrl}/api/mte-relay`);
  pin = /sha256-[A-Za-z0-9+/]{43}=/.exec(printed)?.[0] ?? '';
});

afterAll(async () => {
  if (relay?.pid && relay.exitCode === null) {
    const ended = once(relay, 'exit');
    process.kill(-relay.pid, 'SIGTERM');
    await ended;
  }
  upstream?.close();
});

describe('README', () => {
  test('the relay quick start prints the pin that clients trust', () => {
    expect(pin).toMatch(/^sha256-/);
  });

  test('the client quick start runs in Node and prints what it states', async () => {
    const snippet = only('js');
    const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', prepared(snippet)]);
    expect(stdout.trim().split('\n')).toEqual(promisedOutput(snippet));
    expect(requestsSeen).toContain('POST /notes {"text":"hello"}');
    expect(requestsSeen).toContain('GET /events ');
  });

  test('the command line quick start prints what it states', async () => {
    const before = requestsSeen.length;
    const snippet = only('sh');
    const { stdout } = await run('bash', ['-euc', prepared(snippet)]);
    expect(stdout.trim().split('\n')).toEqual(promisedOutput(snippet));
    expect(requestsSeen.slice(before)).toEqual(['POST /notes {"text":"hello"}']);
  });

  test.skipIf(!hasCurl)(
    `the egress quick start is ready and prints what curl gets${hasCurl ? '' : ' (skipped: no curl)'}`,
    async () => {
      const before = requestsSeen.length;
      const [snippet] = snippets.filter(({ purpose }) => purpose === 'egress');
      if (!snippet) throw new Error('the README has no snippet marked "sh run egress"');
      const code = prepared(snippet).replaceAll('127.0.0.1:8081', `127.0.0.1:${await freePort()}`);
      // The egress runs until a signal: here, when curl has its response.
      const stopped = `${code}\nkill -TERM -- -$$`;
      const { printed } = await runGroup(stopped);
      expect(printed.filter((line) => line.startsWith('ready http://127.0.0.1:')).length).toBe(1);
      expect(printed.filter((line) => !line.startsWith('ready '))).toEqual(promisedOutput(snippet));
      expect(requestsSeen.slice(before)).toEqual(['POST /notes {"text":"hello"}']);
    },
  );

  test('another pin than the printed one refuses to talk', async () => {
    const before = requestsSeen.length;
    const wrong = `sha256-${Buffer.alloc(32).toString('base64')}`;
    const code = prepared(only('js')).replace(pin, wrong);
    await expect(run(process.execPath, ['--input-type=module', '--eval', code])).rejects.toThrow(/pin-mismatch/);
    expect(requestsSeen.length).toBe(before);
  });

  test('the client bundle holds no WebAssembly', () => {
    const bundle = readFileSync(join(root, 'packages/client/dist/mte-relay-client.mjs'), 'utf8');
    expect(bundle.length).toBeGreaterThan(10_000);
    expect(bundle).not.toContain('WebAssembly');
  });

  test('the sizes in README and CHANGELOG are those that the budget holds', () => {
    const limits = JSON.parse(readFileSync(join(root, '.size-limit.json'), 'utf8')) as {
      path: string;
      limit: string;
    }[];
    const limitOf = (name: string): string => limits.find(({ path }) => path.endsWith?.(name))?.limit ?? 'no limit';
    const fetchAlone = limitOf('mte-relay-fetch.mjs');
    expect(limitOf('mte-relay-client.mjs')).toBe(limitOf('mte-relay-client.js'));
    const text = readme.replace(/\s+/g, ' ');
    expect(text).toContain(`at most ${fetchAlone} minified and gzipped as this project bundles it`);
    expect(text).toContain(`the whole client in one file is at most ${limitOf('mte-relay-client.js')}.`);
    expect(limitOf('mte-relay-install.mjs')).toBe(limitOf('mte-relay-install.js'));
    expect(text).toContain(`that file alone, at most ${limitOf('mte-relay-install.js')},`);
    expect(text).toContain(`the worker has at most ${limitOf('mte-relay-sw.js')}.`);
    const changelog = readFileSync(join(root, 'CHANGELOG.md'), 'utf8');
    expect(changelog).toContain(`fetch alone, at most ${fetchAlone};`);
  });

  test('every runtime dependency has its row, and no other', () => {
    const names = ['protocol', 'client', 'cli', 'server'].flatMap((name) => {
      const manifest = readFileSync(join(root, 'packages', name, 'package.json'), 'utf8');
      const { dependencies, optionalDependencies } = JSON.parse(manifest) as Record<string, object | undefined>;
      return Object.keys({ ...dependencies, ...optionalDependencies });
    });
    const wanted = new Set(names.filter((name) => !name.startsWith('@mte-relay/')));
    const section = readme.slice(readme.indexOf('## Dependencies'), readme.indexOf('## Status'));
    const cells = [...section.matchAll(/^\| (`[^|]+) \|/gm)].map(([, cell]) => cell as string);
    const rows = new Set(cells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)]).map(([, name]) => name));
    expect(rows).toEqual(wanted);
  });
});

function only(language: string): Snippet {
  const found = snippets.filter((snippet) => snippet.language === language && snippet.purpose === '');
  if (found.length !== 1) throw new Error(`the README has ${found.length} ${language} snippets to run, expected 1`);
  return found[0] as Snippet;
}

function prepared(snippet: Snippet): string {
  return snippet.code.replaceAll('http://localhost:8080', relayUrl).replaceAll('sha256-…', pin);
}

function promisedOutput(snippet: Snippet): string[] {
  const promised = [...snippet.code.matchAll(/^(?:\/\/|#) prints: (.*)$/gm)].map(([, line = '']) => line);
  if (promised.length === 0) throw new Error('the snippet promises no output');
  return promised;
}

function run(command: string, args: readonly string[]): Promise<{ stdout: string; stderr: string }> {
  return promisify(execFile)(command, args, { cwd: root, env: environment, timeout: 25_000 });
}

/** Runs a script in a process group of its own, which the script ends; what it printed, by lines. */
async function runGroup(script: string): Promise<{ printed: string[] }> {
  const child = spawn('bash', ['-euc', script], {
    cwd: root,
    env: environment,
    stdio: ['ignore', 'pipe', 'ignore'],
    detached: true,
    timeout: 25_000,
  });
  let text = '';
  child.stdout.on('data', (bytes: Buffer) => {
    text += bytes.toString();
  });
  await once(child, 'close'); // when everything that it started has let go of standard output
  return { printed: text.trim().split('\n').sort() };
}

async function untilReady(url: string): Promise<void> {
  const deadline = Date.now() + START_DEADLINE_MS;
  while (Date.now() < deadline) {
    if (relay.exitCode !== null) throw new Error(`the relay ended with ${relay.exitCode}`);
    const isReady = await fetch(url).then(
      (response) => response.ok,
      () => false,
    );
    if (isReady) return;
    await sleep(100);
  }
  throw new Error(`the relay was not ready after ${START_DEADLINE_MS} ms`);
}
