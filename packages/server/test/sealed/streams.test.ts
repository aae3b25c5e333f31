import {
  type Bytes,
  concatBytes,
  decodeWhole,
  encodeContent,
  encodeEnd,
  encodeRequestStart,
  type ResponseHead,
} from '@mte-relay/protocol';
import { plaintextOf, SealedClient, withSentTime } from '@mte-relay/testing/sealed-client';
import { stage } from '@mte-relay/testing/stage';
import { expect, test } from 'vitest';
import { openUpload } from '../support/sealed-upload.ts';

const HEAD = { method: 'POST', scheme: 'http', authority: 'relay.example', path: '/up', headers: withSentTime() };

test('each upstream event reaches the client when it happens, as one chunk', async () => {
  let send: (text: string) => void = () => {};
  let end = (): void => {};
  const { port } = await stage((_req, res) => {
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    res.flushHeaders();
    send = (text) => res.write(text);
    end = () => res.end();
  });
  const client = await SealedClient.pair(port);
  const { exchange, req, response } = await openUpload(client);
  req.end(await exchange.sealFinal(plaintextOf({ path: '/events' })));
  const chunks = await response;
  const head = (await chunks.next()).value as Bytes; // before any event
  for (const event of ['data: 1\n\n', 'data: 2\n\n']) {
    send(event);
    const chunk = (await chunks.next()).value as Bytes;
    expect(Buffer.from(chunk).toString()).toContain(event);
  }
  end();
  const rest: Bytes[] = [];
  for await (const chunk of chunks) rest.push(chunk);
  const whole = decodeWhole<ResponseHead>('response', concatBytes([head, encodeContent(new Uint8Array(1)), ...rest]));
  expect(whole.head.headers).toContainEqual(['content-type', 'text/event-stream']);
});

test('an upload reaches the upstream while it is still being sent', async () => {
  let firstPiece: (text: string) => void = () => {};
  const first = new Promise<string>((resolve) => {
    firstPiece = resolve;
  });
  const { port } = await stage((req, res) => {
    let length = 0;
    req.on('data', (piece: Buffer) => {
      if (length === 0) firstPiece(piece.toString());
      length += piece.length;
    });
    req.on('end', () => res.end(String(length)));
  });
  const client = await SealedClient.pair(port);
  const { exchange, req, response } = await openUpload(client);
  req.write(
    await exchange.seal(concatBytes([encodeRequestStart(HEAD), encodeContent(new TextEncoder().encode('early'))])),
  );
  expect(await first).toBe('early');
  req.end(await exchange.sealFinal(concatBytes([encodeContent(new Uint8Array(10)), encodeEnd()])));
  const parts: Bytes[] = [];
  for await (const part of await response) parts.push(part);
  const { content } = decodeWhole<ResponseHead>('response', concatBytes(parts));
  expect(Buffer.from(content).toString()).toBe('15');
});

test('an upload that is cut off, is truncated or is tampered with never ends gracefully at the upstream', async () => {
  const outcomes: string[] = [];
  let settled: () => void = () => {};
  let begun: () => void = () => {};
  const { port } = await stage((req) => {
    req.on('data', () => begun());
    req.on('end', () => outcomes.push('complete'));
    req.on('close', () => {
      outcomes.push(req.complete ? 'complete' : 'aborted');
      settled();
    });
  });
  const client = await SealedClient.pair(port);
  const first = concatBytes([encodeRequestStart(HEAD), encodeContent(new Uint8Array(100))]);
  for (const ending of ['break', 'truncate', 'tamper', 'unfinished-bhttp']) {
    const closed = new Promise<void>((resolve) => {
      settled = resolve;
    });
    const arriving = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const { exchange, req } = await openUpload(client);
    req.write(await exchange.seal(first));
    await arriving;
    const last = await exchange.sealFinal(
      ending === 'unfinished-bhttp' ? encodeContent(new Uint8Array(5)) : encodeEnd(),
    );
    last[last.length - 1] = (last[last.length - 1] as number) ^ (ending === 'tamper' ? 1 : 0);
    if (ending === 'break') req.destroy();
    else if (ending === 'truncate') req.end(last.subarray(0, last.length - 1));
    else req.end(last);
    await closed;
    req.on('error', () => {});
    req.destroy();
  }
  expect(outcomes).toEqual(['aborted', 'aborted', 'aborted', 'aborted']);
});

test.each([
  ['Binary HTTP that does not end', [], encodeContent(new Uint8Array(5))],
  ['less content than its length announces', [['content-length', '101']], encodeEnd()],
  [
    'more content than its length announces',
    [['content-length', '104']],
    concatBytes([encodeContent(new Uint8Array(5)), encodeEnd()]),
  ],
] as const)(
  'an upload with %s is malformed, not the upstream’s failure, and may have been seen',
  async (_name, headers, last) => {
    let begun: () => void = () => {};
    const arriving = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const { port } = await stage((req) => void req.once('data', () => begun()));
    const { exchange, req, response } = await openUpload(await SealedClient.pair(port));
    req.write(
      await exchange.seal(
        concatBytes([
          encodeRequestStart({ ...HEAD, headers: withSentTime(headers) }),
          encodeContent(new Uint8Array(100)),
        ]),
      ),
    );
    await arriving;
    req.end(await exchange.sealFinal(last));
    const parts: Bytes[] = [];
    for await (const part of await response) parts.push(part);
    const { content } = decodeWhole<ResponseHead>('response', concatBytes(parts));
    expect(JSON.parse(Buffer.from(content).toString())).toMatchObject({
      code: 'request-malformed',
      upstreamSaw: 'maybe',
    });
  },
);

test('a client that disconnects ends the upstream’s work within a second', async () => {
  let closedAtMs = 0;
  const { port, seen } = await stage((_req, res) => {
    res.writeHead(200).flushHeaders();
    res.on('close', () => {
      closedAtMs = performance.now();
    });
  });
  const client = await SealedClient.pair(port);
  const { exchange, req, response } = await openUpload(client);
  req.end(await exchange.sealFinal(plaintextOf({ path: '/slow' })));
  await response;
  const leftAtMs = performance.now();
  req.destroy();
  await expect.poll(() => closedAtMs, { timeout: 3000 }).toBeGreaterThan(0);
  expect(closedAtMs - leftAtMs).toBeLessThan(1000);
  expect(seen).toHaveLength(1);
});

test('a client that disconnects before the upstream responds ends the upstream’s work too', async () => {
  let closed = false;
  const { port, seen } = await stage((req) => {
    req.on('close', () => {
      closed = true;
    });
  });
  const client = await SealedClient.pair(port);
  const { exchange, req } = await openUpload(client);
  req.on('error', () => {});
  req.end(await exchange.sealFinal(plaintextOf({ path: '/never' })));
  await expect.poll(() => seen.length).toBe(1);
  req.destroy();
  await expect.poll(() => closed, { timeout: 3000 }).toBe(true);
});

test('a response that the upstream cuts off is truncated, not ended, for the client', async () => {
  const { port } = await stage((_req, res) => {
    res.writeHead(200, { 'content-length': '1000' });
    res.write('half');
    setTimeout(() => res.destroy(), 50);
  });
  const client = await SealedClient.pair(port);
  const { exchange, req, response } = await openUpload(client);
  req.end(await exchange.sealFinal(plaintextOf({})));
  const chunks = await response;
  await expect(
    (async () => {
      for await (const _ of chunks) {
        // until it fails
      }
    })(),
  ).rejects.toThrow();
});

test('a reader that is slow holds the upstream back instead of filling the relay’s memory', async () => {
  const piece = Buffer.alloc(65_536, 1);
  let written = 0;
  const { port } = await stage((_req, res) => {
    res.writeHead(200);
    const pump = (): void => {
      while (written < 400 && !res.destroyed) {
        written += 1;
        if (!res.write(piece)) return void res.once('drain', pump);
      }
      res.end();
    };
    pump();
  });
  const client = await SealedClient.pair(port);
  const { exchange, req, response } = await openUpload(client);
  req.end(await exchange.sealFinal(plaintextOf({})));
  const chunks = await response;
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(written).toBeLessThan(300); // of 400 pieces, 25 MB: the rest waits for the reader
  let bytes = 0;
  for await (const chunk of chunks) bytes += chunk.length;
  expect(bytes).toBeGreaterThan(400 * 65_536);
});

test('an upstream that is slow holds the uploading client back', async () => {
  const { port } = await stage((req, res) => {
    setTimeout(() => {
      let length = 0;
      req.on('data', (piece: Buffer) => {
        length += piece.length;
      });
      req.on('end', () => res.end(String(length)));
    }, 400);
  });
  const client = await SealedClient.pair(port);
  const { exchange, req, response } = await openUpload(client);
  const content = encodeContent(new Uint8Array(60_000));
  req.write(await exchange.seal(encodeRequestStart(HEAD)));
  let sent = 0;
  let heldBack = false;
  for (; sent < 400; sent += 1) {
    if (req.write(await exchange.seal(content))) continue;
    const drained = new Promise<'drained'>((resolve) => req.once('drain', () => resolve('drained')));
    const waited = new Promise<'waited'>((resolve) => setTimeout(() => resolve('waited'), 150));
    if ((await Promise.race([drained, waited])) === 'waited') heldBack = true;
    await drained;
  }
  req.end(await exchange.sealFinal(encodeEnd()));
  const parts: Bytes[] = [];
  for await (const part of await response) parts.push(part);
  expect(Buffer.from(decodeWhole<ResponseHead>('response', concatBytes(parts)).content).toString()).toBe('24000000');
  expect(heldBack).toBe(true);
});

test('the response of an upstream that has not read the body reaches the client', async () => {
  const { port } = await stage((req, res) => {
    res.writeHead(413, { connection: 'close' });
    res.end('enough');
    req.resume();
  });
  const client = await SealedClient.pair(port);
  const { exchange, req, response } = await openUpload(client);
  req.write(await exchange.seal(concatBytes([encodeRequestStart(HEAD), encodeContent(new Uint8Array(1000))])));
  const parts: Bytes[] = [];
  for await (const part of await response) parts.push(part);
  expect(decodeWhole<ResponseHead>('response', concatBytes(parts)).head.status).toBe(413);
  req.on('error', () => {});
  req.destroy();
});
