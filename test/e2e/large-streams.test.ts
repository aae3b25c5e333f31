// 200 MB up and 200 MB down through a real relay process, whose memory does not grow with them.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRelayClient, type RelayClient } from '@mte-relay/client';
import { type RelayProcess, startRelay } from '@mte-relay/testing/relay-process';
import { type Served, serve } from '@mte-relay/testing/servers';
import { requiredSettings } from '@mte-relay/testing/settings';
import { afterAll, beforeAll, expect, test } from 'vitest';

const TOTAL_BYTES = 200_000_000;
const PIECE = new Uint8Array(100_000).fill(7);
const GROWTH_MAX_BYTES = 64 * 1024 * 1024;

let upstream: Served;
let relay: RelayProcess;
let client: RelayClient;

beforeAll(async () => {
  upstream = await serve(async (req, res) => {
    if (req.method === 'POST') {
      const hash = createHash('sha256');
      let length = 0;
      for await (const piece of req as AsyncIterable<Buffer>) {
        hash.update(piece);
        length += piece.length;
      }
      res.end(JSON.stringify({ length, sha256: hash.digest('hex') }));
      return;
    }
    for (let sent = 0; sent < TOTAL_BYTES; sent += PIECE.length) {
      if (!res.write(PIECE)) await new Promise((resolve) => res.once('drain', resolve));
    }
    res.end();
  });
  relay = await startRelay(requiredSettings(upstream.url));
  client = createRelayClient(relay.url, { pins: [relay.pin] });
});

afterAll(async () => {
  client?.close();
  await relay?.stop('SIGKILL');
  upstream?.close();
});

/** Most resident memory of the relay over its present value while the work runs, in bytes. */
async function growthDuring(work: () => Promise<void>): Promise<number> {
  const before = residentBytes();
  let most = before;
  const timer = setInterval(() => {
    most = Math.max(most, residentBytes());
  }, 20);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
  return most - before;
}

function residentBytes(): number {
  const status = readFileSync(`/proc/${relay.child.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}

async function upload(totalBytes: number): Promise<void> {
  let sent = 0;
  const hash = createHash('sha256');
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (sent >= totalBytes) return controller.close();
      sent += PIECE.length;
      hash.update(PIECE);
      controller.enqueue(PIECE.slice());
    },
  });
  const response = await client.fetch('/up', { method: 'POST', body, duplex: 'half' });
  expect(await response.json()).toEqual({ length: totalBytes, sha256: hash.digest('hex') });
}

async function download(): Promise<void> {
  const response = await client.fetch('/down');
  let received = 0;
  for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) received += piece.length;
  expect(received).toBe(TOTAL_BYTES);
}

test.skipIf(process.platform !== 'linux')(
  'streams of 200 MB pass with the relay’s memory growing by less than 64 MB',
  async () => {
    await upload(10_000_000); // so that what any first stream costs is there
    const growth = { up: await growthDuring(() => upload(TOTAL_BYTES)), down: await growthDuring(download) };
    console.log(
      `relay memory grew by ${Math.round(growth.up / 1e6)} MB on upload, ${Math.round(growth.down / 1e6)} MB on download`,
    );
    expect(growth.up).toBeLessThan(GROWTH_MAX_BYTES);
    expect(growth.down).toBeLessThan(GROWTH_MAX_BYTES);
  },
);
