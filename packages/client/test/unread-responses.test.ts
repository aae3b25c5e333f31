// Responses that nobody reads to their end: their connections are released when the app has let go of them, as fetch does,
// and at the latest by close(). A response that the app still holds in any form stays whole.
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createGzip, gzipSync } from 'node:zlib';
import type { RelayClient } from '@mte-relay/client';
import { createRelayForwarder } from '@mte-relay/client/forward';
import { sdkStage } from '@mte-relay/testing/sdk-client';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { describe, expect, test } from 'vitest';

const RESPONSES = 10;
const CONTENT = randomBytes(1_000_000);
const CODED = gzipSync(CONTENT);

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** A client in front of an API, whose responses below /endless go on until they are cut off; and how many of them do. */
async function setUp(): Promise<{ client: RelayClient; url: string; pin: string; unfinished: () => number }> {
  let unfinished = 0;
  const { client, url, pin } = await sdkStage(async (req, res) => {
    req.resume();
    unfinished += 1;
    res.on('close', () => {
      unfinished -= 1;
    });
    const isCoded = req.url?.endsWith('coded');
    if (isCoded) res.setHeader('content-encoding', 'gzip');
    if (!req.url?.startsWith('/endless')) return void res.end(isCoded ? CODED : CONTENT);
    const source = Readable.from(endless());
    await (isCoded ? pipeline(source, createGzip(), res) : pipeline(source, res)).catch(() => undefined);
  });
  return { client, url, pin, unfinished: () => unfinished };
}

function* endless(): Generator<Buffer> {
  for (;;) yield CONTENT.subarray(0, 65_536);
}

/** Collects garbage until the condition holds. */
async function collectedUntil(holds: () => boolean): Promise<void> {
  await expect
    .poll(
      () => {
        collectGarbage();
        return holds();
      },
      { timeout: 10_000 },
    )
    .toBe(true);
}

type Letting = (client: RelayClient, response: Response) => unknown;

const WAYS: [string, string, Letting][] = [
  ['never touched', '/endless', () => undefined],
  ['never touched, in a content coding', '/endless-coded', () => undefined],
  ['whose stream was taken', '/endless', (_, { body }) => void body],
  ['read for a piece, then abandoned', '/endless', (_, response) => response.body?.getReader().read()],
  ['cloned, and neither read', '/endless', (_, response) => void response.clone()],
  ['tee of its stream, and neither read', '/endless', (_, { body }) => void body?.tee()],
  ['of a call with a signal that lives on', '/endless', () => undefined],
];

describe.each(WAYS)('responses %s', (way, path, letGo) => {
  test('end when they are collected', async () => {
    const { client, unfinished } = await setUp();
    const { signal } = new AbortController();
    const init = way.includes('signal') ? { signal } : {};
    for (let i = 0; i < RESPONSES; i += 1) await letGo(client, await client.fetch(path, init));
    expect(unfinished()).toBeGreaterThan(0);
    await collectedUntil(() => unfinished() === 0);
    expect(signal.aborted).toBe(false);
    expect((await client.fetch('/')).status).toBe(200);
  });
});

test('responses of a forwarder end when they are collected', async () => {
  const { url, pin, unfinished } = await setUp();
  const forwarder = endsWithTest(createRelayForwarder(url, { pins: [pin] }));
  for (let i = 0; i < RESPONSES; i += 1) await forwarder.forward({ method: 'GET', target: '/endless', headers: [] });
  await collectedUntil(() => unfinished() === 0);
});

test('close() ends those that the app holds, with closed', async () => {
  const { client, unfinished } = await setUp();
  const held = await Promise.all(Array.from({ length: RESPONSES }, () => client.fetch('/endless')));
  expect(unfinished()).toBe(RESPONSES);
  client.close();
  await expect.poll(unfinished).toBe(0);
  for (const response of held)
    await expect(response.text()).rejects.toMatchObject({ code: 'closed', mayHaveRun: true });
});

describe('what the app holds stays whole through collections', () => {
  const HELD: [string, string, (response: Response) => () => Promise<Uint8Array>][] = [
    ['the response', '/', (response) => () => response.bytes()],
    ['the response, in a content coding', '/coded', (response) => () => response.bytes()],
    [
      'its stream',
      '/',
      ({ body }) =>
        () =>
          new Response(body).bytes(),
    ],
    [
      'its stream, in a content coding',
      '/coded',
      ({ body }) =>
        () =>
          new Response(body).bytes(),
    ],
    ['a reader', '/', ({ body }) => readerOf(body)],
    ['a clone', '/', (response) => whole(response.clone())],
    ['a clone of a clone', '/', (response) => whole(response.clone().clone())],
    ['one half of a tee', '/', ({ body }) => whole(new Response(body?.tee()[1] ?? null))],
    [
      'its stream through another',
      '/',
      ({ body }) => whole(new Response(body?.pipeThrough(new TransformStream()) ?? null)),
    ],
    ['an iterator', '/', ({ body }) => iterated(body)],
  ];

  test.each(HELD)('%s', async (_name, path, hold) => {
    const { client } = await setUp();
    const read = hold(await client.fetch(path));
    for (let i = 0; i < 10; i += 1) {
      collectGarbage();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(Buffer.compare(await read(), CONTENT)).toBe(0);
  });

  function whole(response: Response): () => Promise<Uint8Array> {
    return () => response.bytes();
  }

  function readerOf(body: ReadableStream<Uint8Array> | null): () => Promise<Uint8Array> {
    const reader = (body as ReadableStream<Uint8Array>).getReader();
    return async () => {
      const pieces: Uint8Array[] = [];
      for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
        pieces.push(value as Uint8Array);
        if (pieces.length % 8 === 0) collectGarbage();
      }
      return Buffer.concat(pieces);
    };
  }

  function iterated(body: ReadableStream<Uint8Array> | null): () => Promise<Uint8Array> {
    const iterator = (body as ReadableStream<Uint8Array>).values();
    return async () => {
      const pieces: Uint8Array[] = [];
      for await (const piece of iterator) pieces.push(piece);
      return Buffer.concat(pieces);
    };
  }
});

test('cancel() of a stream ends it at once, without collection', async () => {
  const { client, unfinished } = await setUp();
  const response = await client.fetch('/endless');
  expect(unfinished()).toBe(1);
  await response.body?.cancel();
  await expect.poll(unfinished).toBe(0);
});
