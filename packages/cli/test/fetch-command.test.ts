// `mte-relay fetch` as a process, against a relay over a real socket.
import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inPieces } from '@mte-relay/testing/pieces';
import { temporaryFiles } from '@mte-relay/testing/temporary-files';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { field, TestRelay } from '@mte-relay/testing/test-relay';
import { expect, test } from 'vitest';

const BIN = fileURLToPath(new URL('../bin/mte-relay.js', import.meta.url));

interface Result {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

function run(args: string[], input?: string | Uint8Array): Promise<Result> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [BIN, ...args]);
    const stdout: Buffer[] = [];
    let stderr = '';
    child.stdout.on('data', (data) => stdout.push(data));
    child.stderr.on('data', (data) => {
      stderr += data;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout: Buffer.concat(stdout), stderr }));
    child.stdin.end(input);
  });
}

async function setUp(): Promise<TestRelay> {
  return endsWithTest(await TestRelay.start());
}

test('prints the body, and nothing else on standard output', async () => {
  const relay = await setUp();
  relay.upstream = ({ path }) => ({ content: `at ${path}` });
  const { code, stdout, stderr } = await run(['fetch', '--pin', relay.pin, `${relay.url}/a?b=c`]);
  expect({ code, stdout: stdout.toString(), stderr }).toEqual({ code: 0, stdout: 'at /a?b=c', stderr: '' });
});

test('sends method, fields and data; -d makes it a form POST', async () => {
  const relay = await setUp();
  await run(['fetch', '--pin', relay.pin, '-d', 'a=1', '-d', 'b=2', '-H', 'X-One: 1', '-H', 'x-one: 2', relay.url]);
  await run(['fetch', '--pin', relay.pin, '-X', 'DELETE', relay.url]);
  const [post, del] = relay.ran;
  expect(post).toMatchObject({ method: 'POST', path: '/' });
  expect(post?.content.toString()).toBe('a=1&b=2');
  expect(field(post, 'x-one')).toBe('1, 2');
  expect(field(post, 'content-type')).toBe('application/x-www-form-urlencoded');
  expect(del).toMatchObject({ method: 'DELETE' });
});

test('sends a file and standard input byte for byte, and writes a file', async () => {
  const relay = await setUp();
  const folder = temporaryFiles();
  const data = Buffer.alloc(300_000, 'line\r\n\0');
  await writeFile(join(folder, 'in'), data);
  relay.upstream = ({ content }) => ({ content });
  const out = join(folder, 'out');
  const file = await run(['fetch', '--pin', relay.pin, '-d', `@${join(folder, 'in')}`, '-o', out, relay.url]);
  expect(file).toMatchObject({ code: 0, stderr: '' });
  expect(file.stdout.length).toBe(0);
  expect((await readFile(out)).equals(data)).toBe(true);
  const stdin = await run(['fetch', '--pin', relay.pin, '-X', 'PUT', '-d', '@-', relay.url], data);
  expect(stdin.stdout.equals(data)).toBe(true);
});

test('-i writes status and fields first; redirects are followed only with -L', async () => {
  const relay = await setUp();
  relay.upstream = ({ path }) =>
    path === '/' ? { status: 302, headers: [['location', '/b']], content: 'moved' } : { content: 'there' };
  const shown = await run(['fetch', '--pin', relay.pin, '-i', relay.url]);
  expect(shown.stdout.toString()).toBe('HTTP/1.1 302 Found\r\nlocation: /b\r\n\r\nmoved');
  const followed = await run(['fetch', '--pin', relay.pin, '-L', relay.url]);
  expect(followed.stdout.toString()).toBe('there');
});

test('a status of 400 or more is exit code 0 with its body, and 22 without it with --fail', async () => {
  const relay = await setUp();
  relay.upstream = () => ({ status: 404, content: 'no' });
  expect(await run(['fetch', '--pin', relay.pin, relay.url])).toMatchObject({ code: 0, stdout: Buffer.from('no') });
  const failed = await run(['fetch', '--fail', '--pin', relay.pin, relay.url]);
  expect(failed.code).toBe(22);
  expect(failed.stdout.length).toBe(0);
  expect(failed.stderr).toContain('404');
});

test('--relay takes a path as URL', async () => {
  const relay = await setUp();
  const { code } = await run(['fetch', '--relay', relay.url, '--pin', relay.pin, '/x']);
  expect(code).toBe(0);
  expect(relay.ran[0]?.path).toBe('/x');
});

test('a wrong pin is exit code 60 and sends nothing sealed', async () => {
  const relay = await setUp();
  const pin = `sha256-${Buffer.alloc(32).toString('base64')}`;
  const { code, stderr } = await run(['fetch', '--pin', pin, relay.url]);
  expect(code).toBe(60);
  expect(stderr).toContain(relay.pin);
  expect(relay.outer).toEqual(['/api/mte-relay', '/api/mte-relay']);
});

test('without --pin the key is shown as a warning', async () => {
  const relay = await setUp();
  const { code, stderr } = await run(['fetch', relay.url]);
  expect(code).toBe(0);
  expect(stderr).toContain(relay.pin);
});

test('an address without a listener is exit code 7', async () => {
  const relay = await TestRelay.start();
  await relay.stop();
  const url = 'http://127.0.0.1:1/';
  expect((await run(['fetch', url])).code).toBe(7);
});

test('a truncated response is exit code 1, never success', async () => {
  const relay = await setUp();
  relay.upstream = () => ({ content: inPieces([new Uint8Array(1000)]) });
  relay.intermediary = async (call) => {
    const response = await call.forward();
    return call.header ? { ...response, cutAtBytes: 500 } : response;
  };
  const { code, stderr } = await run(['fetch', '--pin', relay.pin, relay.url]);
  expect(code).toBe(1);
  expect(stderr).toContain('closed before the response was complete');
});

test.each([
  [[], 'a command is missing'],
  [['get'], 'unknown command'],
  [['fetch'], 'URL is missing'],
  [['fetch', 'nonsense'], 'not a URL'],
  [['fetch', 'http://a', 'http://b'], 'one URL expected'],
  [['fetch', '--nope', 'http://a'], '--nope'],
  [['fetch', '-H', 'novalue', 'http://a'], "'name: value'"],
  [['fetch', '-d', '@/does/not/exist', 'http://a'], 'exist'],
  [['fetch', '--pin', 'x', 'http://a'], 'pin expected'],
])('wrong usage %j is exit code 64', async (args, said) => {
  const { code, stderr, stdout } = await run(args);
  expect(code).toBe(64);
  expect(stderr).toContain(said);
  expect(stdout.length).toBe(0);
});

test('--help and --version', async () => {
  expect((await run(['--version'])).stdout.toString()).toMatch(/^\d+\.\d+\.\d+\n$/);
  expect((await run(['--help'])).stdout.toString()).toContain('mte-relay <command>');
  expect((await run(['fetch', '--help'])).stdout.toString()).toContain('--pin');
});
