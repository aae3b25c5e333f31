// An upstream that a test writes byte by byte, and every way by which a relay reaches an upstream.
import { request } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { type Bytes, encodeRequest, isSafe } from '@mte-relay/protocol';
import { openResponse, readResponse, type SealedClient, withSentTime } from '@mte-relay/testing/sealed-client';
import { listen, urlOf } from '@mte-relay/testing/servers';
import { onTestFinished } from 'vitest';
import { type Asked, passThroughWebSocket, type Seen, sealedWebSocket } from './four-ways-callers.ts';

/** A request as the raw upstream saw it: its head, and on which connection it came as which one. */
export interface RawRequest {
  readonly head: string;
  readonly socket: Socket;
  /** From 1. */
  readonly nth: number;
}

export interface RawUpstream {
  readonly url: string;
  /** Heads of requests, in order. */
  readonly heads: string[];
  /** Connections that are open. */
  readonly open: ReadonlySet<Socket>;
  /** Connections so far. */
  readonly connections: number;
}

/** Listens until the test ends. */
export async function rawUpstream(
  respond: (request: RawRequest) => unknown,
  allowHalfOpen = false,
): Promise<RawUpstream> {
  const heads: string[] = [];
  const open = new Set<Socket>();
  let connections = 0;
  const server: Server = createServer({ allowHalfOpen }, (socket) => {
    connections += 1;
    open.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => open.delete(socket));
    let nth = 0;
    socket.on('data', (piece) => {
      // The relay writes a head at once; pieces of a body do not look like one.
      const head = /^[A-Z]+ \/\S* HTTP\/1\.1\r\n.*?\r\n\r\n/s.exec(piece.toString('latin1'))?.[0];
      if (head === undefined) return;
      heads.push(head);
      nth += 1;
      void respond({ head, socket, nth });
    });
  });
  onTestFinished(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  return {
    url: urlOf(await listen(server)),
    heads,
    open,
    get connections() {
      return connections;
    },
  };
}

/** What the caller of a way got: 0 for a response that was cut off. */
export interface Outcome {
  readonly status: number;
  /** The relay's own failure. */
  readonly code: string | undefined;
  readonly text: string;
}

/** A way by which the relay reaches the upstream. */
export interface UpstreamWay {
  readonly name: string;
  readonly isWebSocket: boolean;
  ask(port: number, client: SealedClient, path?: string, method?: string): Promise<Outcome>;
}

const CONTENT = new TextEncoder().encode('content');
const NOTHING = new Uint8Array(0);

/** Requests of safe methods have content only for the sake of their trailers. */
function contentOf(method: string, hasTrailers: boolean): Bytes {
  return isSafe(method) && !hasTrailers ? NOTHING : CONTENT;
}

export const UPSTREAM_WAYS: readonly UpstreamWay[] = [
  {
    name: 'sealed exchange',
    isWebSocket: false,
    ask: (_port, client, path = '/pub/x', method = 'POST') => sealed(client, path, method, []),
  },
  {
    name: 'sealed exchange with trailers',
    isWebSocket: false,
    ask: (_port, client, path = '/pub/x', method = 'POST') => sealed(client, path, method, [['x-sum', '1']]),
  },
  {
    name: 'pass-through request',
    isWebSocket: false,
    ask: (port, _client, path = '/pub/x', method = 'POST') => plain(port, path, method, {}),
  },
  {
    name: 'pass-through request with trailers',
    isWebSocket: false,
    ask: (port, _client, path = '/pub/x', method = 'POST') =>
      plain(port, path, method, { trailer: 'x-sum', 'transfer-encoding': 'chunked' }),
  },
  {
    name: 'sealed WebSocket',
    isWebSocket: true,
    ask: async (port, client, path = '/pub/x') => outcomeOf(await sealedWebSocket(port, client, asked(path))),
  },
  {
    name: 'pass-through WebSocket',
    isWebSocket: true,
    ask: async (port, client, path = '/pub/x') => outcomeOf(await passThroughWebSocket(port, client, asked(path))),
  },
];

async function sealed(
  client: SealedClient,
  path: string,
  method: string,
  trailers: [string, string][],
): Promise<Outcome> {
  const head = { method, scheme: 'http', authority: client.authority, path, headers: withSentTime() };
  const content = contentOf(method, trailers.length > 0);
  const { exchange, message } = await client.seal(encodeRequest(head, content, { trailers }));
  try {
    const response = await openResponse(exchange, await client.post(message));
    return { status: response.head.status, code: response.header('mte-relay-failure'), text: response.text };
  } catch {
    return CUT_OFF;
  }
}

function plain(port: number, path: string, method: string, headers: Record<string, string>): Promise<Outcome> {
  const hasTrailers = 'trailer' in headers;
  const content = contentOf(method, hasTrailers);
  const framed = hasTrailers || content.length === 0 ? headers : { ...headers, 'content-length': content.length };
  return new Promise((resolve) => {
    const req = request({ port, host: '127.0.0.1', path, method, headers: framed, agent: false }, (res) => {
      readResponse(res).then(
        ({ status, code, body }) => resolve({ status, code, text: Buffer.from(body).toString() }),
        () => resolve(CUT_OFF),
      );
    });
    req.on('error', () => resolve(CUT_OFF));
    if (hasTrailers) req.addTrailers({ 'x-sum': '1' });
    req.end(content);
  });
}

function asked(path: string): Asked {
  const leaving = new AbortController();
  onTestFinished(() => leaving.abort());
  return { path, fields: [], outer: {}, payload: 'the-payload', signal: leaving.signal };
}

function outcomeOf({ status, failure, complete, text }: Seen): Outcome {
  return complete ? { status, code: failure?.code, text } : CUT_OFF;
}

const CUT_OFF: Outcome = { status: 0, code: undefined, text: '' };
