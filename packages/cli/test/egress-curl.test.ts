// curl through the egress, the real relay and a real backend.
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { Backend } from '@mte-relay/testing/backend';
import { contentOf } from '@mte-relay/testing/content';
import type { RunningProcess } from '@mte-relay/testing/processes';
import { startRelay } from '@mte-relay/testing/relay-process';
import { requiredSettings } from '@mte-relay/testing/settings';
import { TcpForwarder } from '@mte-relay/testing/tcp-forwarder';
import { temporaryFiles } from '@mte-relay/testing/temporary-files';
import { toolPath } from '@mte-relay/testing/tools';
import { until } from '@mte-relay/testing/until';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startEgress } from './support/egress.ts';

const CURL = toolPath('curl');
const UPLOAD_BYTES = 20_000_000;

interface Result {
  readonly code: number | null;
  readonly stdout: Buffer;
}

const backend = new Backend();
const processes: RunningProcess[] = [];
let tap: TcpForwarder;
let url: string;

async function curl(args: string[], onData?: (text: string) => void): Promise<Result> {
  const child = spawn(CURL as string, ['--silent', '--noproxy', '*', ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
  const pieces: Buffer[] = [];
  child.stdout.on('data', (piece: Buffer) => {
    pieces.push(piece);
    onData?.(piece.toString());
  });
  const code = await new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve));
  return { code, stdout: Buffer.concat(pieces) };
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe.skipIf(!CURL)(`curl${CURL ? '' : ' (skipped: no curl)'}`, () => {
  beforeAll(async () => {
    await backend.start();
    const relay = await startRelay(requiredSettings(backend.url));
    processes.push(relay);
    tap = await new TcpForwarder(() => relay.port, { keeps: true }).start();
    const egress = await startEgress(['--relay', tap.url, '--pin', relay.pin]);
    processes.push(egress);
    url = egress.url;
  });

  afterAll(async () => {
    await Promise.all(processes.map((running) => running.stop('SIGKILL')));
    await tap?.stop();
    backend.stop();
  });

  test('GET and POST go through, and nothing of them is readable between egress and relay', async () => {
    backend.handler = async (req, res) => {
      const body = (await contentOf(req)).toString();
      res.setHeader('x-answer-field', 'walnut');
      res.end(`quince ${req.method} ${req.url} ${req.headers['x-secret']} ${body}`);
    };
    const get = await curl(['-i', '-H', 'X-Secret: hazelnut', `${url}/medlar?persimmon=1`]);
    expect(get.stdout.toString()).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(get.stdout.toString()).toContain('x-answer-field: walnut\r\n');
    expect(get.stdout.toString()).toContain('quince GET /medlar?persimmon=1 hazelnut ');
    const post = await curl(['--data', 'loquat', '-H', 'X-Secret: s', `${url}/medlar`]);
    expect(post).toMatchObject({ code: 0, stdout: Buffer.from('quince POST /medlar s loquat') });

    const wire = tap.crossed.toString('latin1');
    expect(wire).toContain('POST /api/mte HTTP/1.1'); // it is the sealed hop that was recorded
    for (const word of ['medlar', 'persimmon', 'hazelnut', 'walnut', 'loquat', 'quince', 'x-secret', 'curl']) {
      expect(wire.toLowerCase()).not.toContain(word);
    }
  });

  test('a file of 20 MB goes up with its length, and comes down, byte for byte', async () => {
    const folder = temporaryFiles();
    const data = randomBytes(UPLOAD_BYTES);
    await writeFile(join(folder, 'in'), data);
    let announced: string | undefined;
    let received = '';
    backend.handler = async (req, res) => {
      announced = req.headers['content-length'];
      received = sha256(await contentOf(req));
      res.end('stored');
    };
    expect(await curl(['-T', join(folder, 'in'), `${url}/file`])).toMatchObject({
      code: 0,
      stdout: Buffer.from('stored'),
    });
    expect({ announced, received }).toEqual({ announced: String(UPLOAD_BYTES), received: sha256(data) });

    await curl(['-T', join(folder, 'in'), '-H', 'Transfer-Encoding: chunked', `${url}/file`]);
    expect({ announced, received }).toEqual({ announced: undefined, received: sha256(data) });

    backend.handler = (_req, res) => res.writeHead(200, { 'content-length': UPLOAD_BYTES }).end(data);
    const down = await curl(['-o', join(folder, 'out'), `${url}/file`]);
    expect(down.code).toBe(0);
    expect(sha256(await readFile(join(folder, 'out')))).toBe(sha256(data));
  });

  test('-N shows events as they happen, and --max-time ends the work of the backend', async () => {
    let ended = false;
    let seen = '';
    let sendSecond: () => void = () => undefined;
    backend.handler = (_req, res) => {
      res.on('close', () => {
        ended = true;
      });
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      res.write('data: one\n\n');
      sendSecond = () => res.write('data: two\n\n');
    };
    const running = curl(['-N', '--max-time', '2', `${url}/events`], (text) => {
      seen += text;
    });
    await until(() => seen === 'data: one\n\n');
    sendSecond();
    await until(() => seen === 'data: one\n\ndata: two\n\n');
    expect(ended).toBe(false);
    expect((await running).code).toBe(28); // curl: operation timed out
    await until(() => ended, 1_000);
  });

  test('--max-time ends the work of the backend before it has responded', async () => {
    let ended = false;
    backend.handler = (_req, res) => {
      res.on('close', () => {
        ended = true;
      });
    };
    expect((await curl(['--max-time', '1', '--data', 'x', `${url}/slow`])).code).toBe(28);
    await until(() => ended, 1_000);
  });

  test('HEAD gives the fields of the response, its length among them, and no body', async () => {
    backend.handler = (_req, res) => res.writeHead(200, { 'content-length': 12_345, etag: '"e"' }).end();
    const { code, stdout } = await curl(['--head', `${url}/x`]);
    expect(code).toBe(0);
    expect(stdout.toString()).toMatch(/\r\ncontent-length: 12345\r\n/);
    expect(stdout.toString()).toMatch(/\r\netag: "e"\r\n/);
  });

  test('content comes in its own coding, and only who asks for one gets one', async () => {
    const packed = gzipSync('packed '.repeat(1000));
    const asked: (string | undefined)[] = [];
    backend.handler = (req, res) => {
      asked.push(req.headers['accept-encoding'] as string | undefined);
      res.writeHead(200, { 'content-encoding': 'gzip', 'content-length': packed.length }).end(packed);
    };
    const raw = await curl(['-i', `${url}/x`]);
    const [head, ...content] = raw.stdout.toString('latin1').split('\r\n\r\n');
    expect(head).toContain('content-encoding: gzip');
    expect(Buffer.from(content.join('\r\n\r\n'), 'latin1').equals(packed)).toBe(true);
    const decoded = await curl(['--compressed', '-H', 'Accept-Encoding: gzip', `${url}/x`]);
    expect(decoded.stdout.equals(gunzipSync(packed))).toBe(true);
    expect(asked).toEqual([undefined, 'gzip']);
  });
});
