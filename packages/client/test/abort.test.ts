// The signal ends a call at every phase, with its own reason, and nothing stays behind.
import { inPieces, never } from '@mte-relay/testing/pieces';
import type { OuterCall, TestRelay } from '@mte-relay/testing/test-relay';
import { expect, test } from 'vitest';
import { setUp } from './support/setup.ts';

const REASON = new Error('the user left');

/** Holds outer requests of this path until the connection ends; resolves when one has arrived. */
function hold(relay: TestRelay, matches: (call: OuterCall) => boolean): Promise<void> {
  return new Promise((arrived) => {
    relay.intermediary = (call) => {
      if (!matches(call)) return call.forward();
      arrived();
      return never();
    };
  });
}

test('aborted before: nothing is sent', async () => {
  const { relay, client } = await setUp();
  await expect(client.fetch('/', { signal: AbortSignal.abort(REASON) })).rejects.toBe(REASON);
  const request = new Request(`${relay.url}/`, { signal: AbortSignal.abort(REASON) });
  await expect(client.fetch(request)).rejects.toBe(REASON);
  expect(relay.outer).toEqual([]);
});

test.each(['/api/mte-relay', '/api/mte-pair', '/api/mte'])('aborted while %s waits for its response', async (path) => {
  const { relay, client } = await setUp();
  const arrived = hold(relay, (call) => call.path === path);
  const controller = new AbortController();
  const call = client.fetch('/', { method: 'POST', signal: controller.signal });
  await arrived;
  controller.abort(REASON);
  await expect(call).rejects.toBe(REASON);
  if (path === '/api/mte') await expect.poll(() => relay.closedEarly).toBe(1);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(relay.count('/api/mte')).toBe(path === '/api/mte' ? 2 : 0); // the second one is its cancel
});

test('aborted while the pairing waits: other calls still get it', async () => {
  const { relay, client } = await setUp();
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  relay.intermediary = async (call) => {
    if (call.path === '/api/mte-pair') await gate;
    return call.forward();
  };
  const controller = new AbortController();
  const aborted = client.fetch('/a', { signal: controller.signal });
  const kept = client.fetch('/b');
  controller.abort(REASON);
  await expect(aborted).rejects.toBe(REASON);
  open();
  expect((await kept).status).toBe(200);
  expect(relay.count('/api/mte-pair')).toBe(1);
});

test.each(['before', 'while the pairing waits'])(
  'aborted %s: a stream as body is cancelled with the reason',
  async (when) => {
    const { relay, client } = await setUp();
    const asked = Promise.withResolvers<void>();
    relay.intermediary = () => {
      asked.resolve();
      return never();
    };
    const cancelled = Promise.withResolvers<unknown>();
    const body = new ReadableStream({ cancel: cancelled.resolve });
    const controller = new AbortController();
    if (when === 'before') controller.abort(REASON);
    else void asked.promise.then(() => controller.abort(REASON));
    const { signal } = controller;
    await expect(client.fetch('/', { method: 'POST', body, duplex: 'half', signal })).rejects.toBe(REASON);
    expect(await cancelled.promise).toBe(REASON);
  },
);

test('aborted while the stream of a Request gives nothing yet', async () => {
  const { relay, client } = await setUp();
  const controller = new AbortController();
  const pulled = Promise.withResolvers<void>();
  const body = new ReadableStream({
    pull() {
      pulled.resolve();
      return never();
    },
  });
  const init = { method: 'POST', body, duplex: 'half', signal: controller.signal } as RequestInit;
  const call = client.fetch(new Request(`${relay.url}/`, init));
  void pulled.promise.then(() => controller.abort(REASON));
  await expect(call).rejects.toBe(REASON);
  expect(relay.ran.length).toBe(0);
});

test('aborted while uploading: the source is cancelled', async () => {
  const { relay, client } = await setUp();
  await (await client.fetch('/')).text();
  const controller = new AbortController();
  let cancelled = false;
  const body = new ReadableStream({
    async pull(stream) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      stream.enqueue(new Uint8Array(1000));
    },
    cancel() {
      cancelled = true;
    },
  });
  const call = client.fetch('/', { method: 'POST', body, duplex: 'half', signal: controller.signal });
  setTimeout(() => controller.abort(REASON), 50);
  await expect(call).rejects.toBe(REASON);
  await expect.poll(() => cancelled).toBe(true);
  expect(relay.ran.length).toBe(1);
});

test('aborted while the body arrives: the stream errors with the reason and the transport ends', async () => {
  const { relay, client } = await setUp();
  relay.upstream = () => ({ content: inPieces([new Uint8Array(10)], never()) });
  const controller = new AbortController();
  const response = await client.fetch('/', { signal: controller.signal });
  const reader = response.body?.getReader();
  expect((await reader?.read())?.value?.length).toBe(10);
  const pending = reader?.read();
  controller.abort(REASON);
  await expect(pending).rejects.toBe(REASON);
  await expect.poll(() => relay.closedEarly).toBe(1);
});

test('aborted while waiting for Retry-After', async () => {
  const { relay, client } = await setUp();
  relay.intermediary = async (call) =>
    call.header ? { status: 503, headers: { 'retry-after': '4' }, body: new Uint8Array(0) } : call.forward();
  const controller = new AbortController();
  const call = client.fetch('/', { signal: controller.signal });
  setTimeout(() => controller.abort(REASON), 100);
  await expect(call).rejects.toBe(REASON);
});

test('a timeout signal keeps its TimeoutError', async () => {
  const { relay, client } = await setUp();
  void hold(relay, (call) => call.path === '/api/mte');
  await expect(client.fetch('/', { signal: AbortSignal.timeout(50) })).rejects.toMatchObject({ name: 'TimeoutError' });
});

test('fetch rejects with the error that the body stream throws, and does not resend', async () => {
  const { relay, client } = await setUp();
  await (await client.fetch('/')).text();
  const body = new ReadableStream({
    pull() {
      throw REASON;
    },
  });
  await expect(client.fetch('/', { method: 'PUT', body, duplex: 'half' })).rejects.toBe(REASON);
  expect(relay.ran.length).toBe(1);
});

test('a signal that outlives its calls keeps no listener of them', async () => {
  const { client } = await setUp();
  const { signal } = new AbortController();
  let listeners = 0;
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...args: Parameters<AbortSignal['addEventListener']>) => {
    listeners += 1;
    addEventListener.apply(signal, args);
  };
  signal.removeEventListener = (...args: Parameters<AbortSignal['removeEventListener']>) => {
    listeners -= 1;
    removeEventListener.apply(signal, args);
  };
  for (let i = 0; i < 3; i += 1) await (await client.fetch('/', { signal })).text();
  expect(listeners).toBe(0);
});
