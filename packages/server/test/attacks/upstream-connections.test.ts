// An upstream that misbehaves on its connection. On every way to it the same limits hold, and every request ends: with one
// response, asked for once, and without a place that stays taken.
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createServer } from 'node:tls';
import type { Relay } from '@mte-relay/server';
import { relayTo } from '@mte-relay/testing/relay';
import { SealedClient } from '@mte-relay/testing/sealed-client';
import { listen } from '@mte-relay/testing/servers';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { describe, expect, test } from 'vitest';
import { DISCARDED_MAX_BYTES } from '../../src/limits/fixed.ts';
import { selfSigned } from '../support/certificate.ts';
import {
  type RawRequest,
  type RawUpstream,
  rawUpstream,
  UPSTREAM_WAYS,
  type UpstreamWay,
} from '../support/raw-upstream.ts';

const LIMIT_MS = 400;

interface Misbehaviour {
  readonly name: string;
  readonly respond: (request: RawRequest, way: UpstreamWay) => unknown;
  /** What the caller gets: a code, or "cut off"; by default the same on each way. */
  readonly ends: string | ((way: UpstreamWay) => string);
  readonly allowHalfOpen?: boolean;
}

const REFUSAL = 'HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno';

const MISBEHAVIOURS: readonly Misbehaviour[] = [
  { name: 'says nothing', respond: () => undefined, ends: 'upstream-timeout' },
  {
    name: 'writes its head byte by byte for ever',
    async respond({ socket }) {
      socket.write('HTTP/1.1 200 OK\r\nx: ');
      while (!socket.destroyed) {
        socket.write('a');
        await sleep(LIMIT_MS / 10);
      }
    },
    ends: 'upstream-timeout',
  },
  {
    name: 'stops inside its body',
    respond: ({ socket }) => void socket.write('HTTP/1.1 403 Forbidden\r\ncontent-length: 10\r\n\r\nhalf'),
    // The refusal of a sealed handshake is buffered until it is whole.
    ends: ({ name }) => (name === 'sealed WebSocket' ? 'upstream-timeout' : 'cut off'),
  },
  {
    name: 'resets inside its body',
    async respond({ socket }) {
      socket.write('HTTP/1.1 403 Forbidden\r\ncontent-length: 10\r\n\r\nhalf');
      await sleep(20);
      socket.resetAndDestroy();
    },
    ends: ({ name }) => (name === 'sealed WebSocket' ? 'upstream-failed' : 'cut off'),
  },
  {
    name: 'switches protocols unasked',
    respond: ({ socket }, { isWebSocket }) =>
      void socket.write(
        isWebSocket ? REFUSAL : 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: foo\r\n\r\n',
      ),
    ends: ({ isWebSocket }) => (isWebSocket ? '403' : 'upstream-failed'),
  },
  {
    name: 'sends informational responses for ever',
    async respond({ socket }) {
      while (!socket.destroyed) {
        socket.write('HTTP/1.1 102 Processing\r\n\r\n');
        await sleep(1);
      }
    },
    // The time of a handshake is not renewed.
    ends: ({ isWebSocket }) => (isWebSocket ? 'upstream-timeout' : 'upstream-failed'),
  },
  {
    name: 'sends 100 Continue for ever',
    async respond({ socket }) {
      while (!socket.destroyed) {
        socket.write('HTTP/1.1 100 Continue\r\n\r\n');
        await sleep(1);
      }
    },
    // The pool leaves them out, and node:http counts them.
    ends: ({ name }) => (name.endsWith('trailers') ? 'upstream-failed' : 'upstream-timeout'),
  },
  {
    name: 'responds with a transfer coding that nobody has accepted',
    respond: ({ socket }) =>
      void socket.write('HTTP/1.1 403 Forbidden\r\ntransfer-encoding: gzip, chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n'),
    ends: 'upstream-failed',
  },
  { name: 'sends garbage', respond: ({ socket }) => void socket.write('SMTP ready\r\n\r\n'), ends: 'upstream-failed' },
  { name: 'closes', respond: ({ socket }) => void socket.end(), ends: 'upstream-failed' },
  { name: 'closes its half', respond: ({ socket }) => void socket.end(), allowHalfOpen: true, ends: 'upstream-failed' },
  { name: 'resets', respond: ({ socket }) => void socket.resetAndDestroy(), ends: 'upstream-failed' },
  {
    name: 'closes inside its head',
    respond: ({ socket }) => void socket.end('HTTP/1.1 200 OK\r\ncontent-le'),
    ends: 'upstream-failed',
  },
  {
    name: 'sends 100 Continue unasked',
    respond: ({ socket }) => void socket.write(`HTTP/1.1 100 Continue\r\nx-early: 1\r\n\r\n${REFUSAL}`),
    ends: '403',
  },
  {
    name: 'sends 100 Continue unasked, twice and in small pieces',
    async respond({ socket }) {
      for (const piece of `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100\r\n\r\n${REFUSAL}`.match(/.{1,7}/gs) ?? []) {
        socket.write(piece);
        await sleep(1);
      }
    },
    ends: '403',
  },
  {
    name: 'sends early hints unasked',
    respond: ({ socket }) => void socket.write(`HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n${REFUSAL}`),
    ends: '403',
  },
];

describe.each(UPSTREAM_WAYS)('$name', (way) => {
  for (const { name, respond, ends, allowHalfOpen } of MISBEHAVIOURS) {
    test(`an upstream that ${name}`, async () => {
      const upstream = await rawUpstream((request) => respond(request, way), allowHalfOpen);
      const { relay, port, client } = await relayBefore(upstream);
      const { status, code } = await way.ask(port, client);
      const seen = status === 0 ? 'cut off' : (code ?? String(status));
      expect(seen).toBe(typeof ends === 'string' ? ends : ends(way));
      expect(upstream.heads).toHaveLength(1);
      await expect.poll(() => inProgress(relay)).toBe(0);
      if (code !== undefined) await expect.poll(() => upstream.open.size).toBe(0);
    });
  }

  test('an upstream that accepts the connection and does not shake hands', async () => {
    const upstream = await rawUpstream(() => undefined);
    const { relay, port, client } = await relayBefore({ ...upstream, url: upstream.url.replace('http', 'https') });
    expect(await way.ask(port, client)).toMatchObject({ status: 502, code: 'upstream-unreachable' });
    await expect.poll(() => inProgress(relay)).toBe(0);
  });

  test('what looks like a 100 Continue inside a body stays there', async () => {
    if (way.isWebSocket) return;
    const upstream = await rawUpstream(async ({ socket }) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 25\r\n\r\n');
      await sleep(20);
      socket.write('HTTP/1.1 100 Continue\r\n\r\n');
    });
    const { port, client } = await relayBefore(upstream);
    expect((await way.ask(port, client)).text).toBe('HTTP/1.1 100 Continue\r\n\r\n');
  });
});

test('a 100 Continue whose lines end otherwise hides no response', async () => {
  const upstream = await rawUpstream(({ socket }) =>
    socket.write(`HTTP/1.1 100 Continue\n\nHTTP/1.1 200 OK\r\nx: 1\r\n\r\n${REFUSAL}`),
  );
  const { port, client } = await relayBefore(upstream);
  for (const way of UPSTREAM_WAYS.filter(({ isWebSocket }) => !isWebSocket)) {
    expect(await way.ask(port, client), way.name).toMatchObject({ status: 502 });
  }
});

async function relayBefore({
  url,
}: Pick<RawUpstream, 'url'>): Promise<{ relay: Relay; port: number; client: SealedClient }> {
  const relay = endsWithTest(
    relayTo(url, {
      PASS_THROUGH_ROUTES: '/pub/*',
      UPSTREAM_CONNECT_TIMEOUT_MS: String(LIMIT_MS),
      UPSTREAM_HEADERS_TIMEOUT_MS: String(LIMIT_MS),
      UPSTREAM_IDLE_TIMEOUT_MS: String(LIMIT_MS),
    }),
  );
  const port = await relay.listen(0);
  return { relay, port, client: await SealedClient.pair(port) };
}

async function inProgress(relay: Relay): Promise<number> {
  const text = await relay.metrics();
  return [...text.matchAll(/^mte_relay_in_flight\{.*\} (\d+)$/gm)].reduce((sum, [, count]) => sum + Number(count), 0);
}

test('a 100 Continue unasked, and a resent GET, over TLS', async () => {
  const pair = selfSigned();
  let requests = 0;
  const upstream = createServer(pair, (socket) => {
    socket.on('error', () => undefined);
    let nth = 0;
    socket.on('data', () => {
      requests += 1;
      nth += 1;
      if (nth > 1) socket.destroy();
      else socket.write('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
    });
  });
  endsWithTest(upstream);
  const port = await endsWithTest(
    relayTo(`https://localhost:${await listen(upstream)}`, { UPSTREAM_CA: pair.cert }),
  ).listen(0);
  const client = await SealedClient.pair(port);
  expect((await client.fetch({})).text).toBe('ok');
  expect((await client.fetch({})).text).toBe('ok');
  expect(requests).toBe(3);
});

test.each(['', 'trailer: x-sum\r\n'])('behind an early response an endless upload is cut off: %j', async (trailer) => {
  const { url } = await rawUpstream(({ socket }) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nearly'));
  const port = await endsWithTest(relayTo(url, { PASS_THROUGH_ROUTES: '/pub/*' })).listen(0);
  const socket = endsWithTest(connect(port, '127.0.0.1'));
  socket.on('error', () => undefined);
  socket.write(`POST /pub/x HTTP/1.1\r\nhost: r\r\n${trailer}transfer-encoding: chunked\r\n\r\n1\r\nx\r\n`);
  await once(socket, 'data');
  await sleep(100); // the exchange is over: what follows is discarded
  const piece = Buffer.from(`100000\r\n${'y'.repeat(1_048_576)}\r\n`);
  const send = (): void => {
    if (!socket.destroyed && socket.bytesWritten < 3 * DISCARDED_MAX_BYTES) socket.write(piece, send);
  };
  send();
  const closed = new Promise((resolve) => socket.once('close', resolve));
  expect(await Promise.race([closed.then(() => 'closed'), sleep(10_000, 'open')])).toBe('closed');
});
