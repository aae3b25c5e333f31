// The client in Python, written from the SPEC alone, against a relay in a process of its own.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { contentOf } from '@mte-relay/testing/content';
import { relayBefore } from '@mte-relay/testing/relay-process';
import { toolPath } from '@mte-relay/testing/tools';
import { expect, test } from 'vitest';

const PYTHON = toolPath('python3');
/** A Python from elsewhere may lack the module. */
const canRun = PYTHON !== undefined && spawnSync(PYTHON, ['-c', 'import cryptography']).status === 0;
const SCRIPT = join(import.meta.dirname, 'python/live.py');
const LARGE = Buffer.from(Uint8Array.from({ length: 4_000_000 }, (_, i) => i % 251));

/** A relay that asks for padding, before an API that echoes. */
function relay() {
  return relayBefore(
    (req, res) => {
      if (req.url === '/large') return void res.end(LARGE);
      if (req.method === 'GET') return void res.end(`at ${req.url}`);
      req.pipe(res);
    },
    { PAD_TO_BYTES: '256' },
  );
}

async function run(...args: string[]): Promise<{ status: number; output: string; complaint: string }> {
  const child = spawn(PYTHON as string, [SCRIPT, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const [output, complaint] = await Promise.all([contentOf(child.stdout), contentOf(child.stderr)]);
  if (child.exitCode === null) await once(child, 'close');
  return { status: child.exitCode ?? -1, output: `${output}`, complaint: `${complaint}` };
}

test.skipIf(!canRun)('sends, receives, cancels and is refused as the SPEC says', async () => {
  const { url, pin, seen } = await relay();
  const { status, output, complaint } = await run(url, pin);
  expect({ status, complaint }).toEqual({ status: 0, complaint: '' });
  expect(JSON.parse(output)).toEqual({
    get: { status: 200, content: 'at /hello?x=%20' },
    post: { status: 200, content: Buffer.from('{"text":"é"}').toString('latin1') },
    put: { status: 200, content: 'put' },
    down: [4_000_000, createHash('sha256').update(LARGE).digest('hex')],
    up: true,
    cancelled: true,
    late: [409, 'replayed'],
    ran: { status: 200, content: '' },
    'cancelled behind': false,
    repeated: [409, 'replayed'],
    stale: { status: 408, failure: 'request-stale', content: '' },
    anew: { status: 200, content: '' },
    timeless: { status: 400, failure: 'request-malformed', content: '' },
    padding: [256, 0],
    changed: [400, 'unopenable'],
  });
  const ran = seen.map(({ method, url: target }) => `${method} ${target}`);
  expect(ran).toEqual([
    'GET /hello?x=%20',
    'POST /echo',
    'PUT /echo',
    'GET /large',
    'POST /echo',
    'POST /once',
    'POST /twice',
    'POST /anew',
    'GET /hello',
  ]);
  expect(seen[1]?.headers).toMatchObject({ authorization: 'Bearer inner', 'content-type': 'application/json' });
  expect(seen[1]?.headers).not.toHaveProperty('mte-relay-sent-ms');
});

test.skipIf(!canRun)('does not pair with a relay of another pin', async () => {
  const { url, seen } = await relay();
  const { status, complaint } = await run(url, `sha256-${Buffer.alloc(32).toString('base64')}`);
  expect(status).toBe(1);
  expect(complaint).toContain('pin-mismatch');
  expect(seen).toEqual([]);
});
