// `mte-relay worker` as a process: the script as built, with relay, pins and routes in its first line.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const BIN = fileURLToPath(new URL('../bin/mte-relay.js', import.meta.url));
const SCRIPT = join(import.meta.dirname, '../../client/dist/mte-relay-sw.js');
const PIN = `sha256-${Buffer.alloc(32).toString('base64')}`;
const run = (...args: string[]) => spawnSync(process.execPath, [BIN, 'worker', ...args], { encoding: 'utf8' });
const GOOD = ['--relay', 'https://relay.example/', '--pin', PIN, '--route', '/api/*'];

test('prints the script behind a line that fixes relay, pins and routes', () => {
  const { status, stdout, stderr } = run(...GOOD, '--route', 'https://relay.example/v1');
  const line = `{"relay":"https://relay.example","pins":["${PIN}"],"routes":["/api/*","https://relay.example/v1"]}`;
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout === `self.mteRelayWorker=${line};\n${readFileSync(SCRIPT, 'utf8')}`).toBe(true);
});

test.each([
  [['--pin', PIN, '--route', '/api/*'], '--relay expected https://host[:port], it is missing'],
  [['--relay', 'https://relay.example/x', '--pin', PIN, '--route', '/api/*'], '--relay expected'],
  [['--relay', 'https://relay.example', '--route', '/api/*'], '--pin is missing'],
  [['--relay', 'https://relay.example', '--pin', 'sha256-x', '--route', '/a'], '--pin expected'],
  [['--relay', 'https://relay.example', '--pin', PIN], '--route is missing'],
  [[...GOOD, '--route', '/a?b'], 'got "/a?b"'],
  [[...GOOD, '--route', '/*/a'], 'got "/*/a"'],
  [[...GOOD, '--route', '//evil.example/'], 'got "//evil.example/"'],
  [[...GOOD, '--routes', '/a'], "Unknown option '--routes'"],
])('%j is refused', (args, message) => {
  const { status, stdout, stderr } = run(...args);
  expect({ status, stdout }).toEqual({ status: 64, stdout: '' });
  expect(stderr).toContain(message);
});
