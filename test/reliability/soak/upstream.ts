// The upstream of a soak campaign: echoes, streams, events and WebSockets.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { contentOf } from '@mte-relay/testing/content';
import { type Served, serve } from '@mte-relay/testing/servers';
import { WebSocketServer } from 'ws';

/** Of the response to GET /large. */
export const LARGE_BYTES = 150_000;
const PIECES = 8;
const EVENT_INTERVAL_MS = 10;

export async function startSoakUpstream(): Promise<Served> {
  const upstream = await serve((req, res) => respond(req, res).catch(() => res.destroy())); // the relay has closed it
  const webSockets = new WebSocketServer({ server: upstream.server });
  webSockets.on('connection', (socket) => {
    socket.on('error', () => undefined);
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  return upstream;
}

async function respond(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const path = req.url as string;
  if (path === '/large') return void res.end(Buffer.alloc(LARGE_BYTES, 'large '));
  if (path === '/stream') return stream(res);
  if (path === '/events') return events(res);
  if (path === '/slow') await sleep(100);
  res.end(req.method === 'GET' ? 'small' : await contentOf(req));
}

async function stream(res: ServerResponse): Promise<void> {
  for (let i = 0; i < PIECES && !res.destroyed; i += 1) {
    res.write(Buffer.alloc(LARGE_BYTES / PIECES, 'piece '));
    await sleep(2);
  }
  res.end();
}

async function events(res: ServerResponse): Promise<void> {
  res.setHeader('content-type', 'text/event-stream');
  for (let i = 0; !res.destroyed; i += 1) {
    res.write(`data: ${i}\n\n`);
    await sleep(EVENT_INTERVAL_MS);
  }
}
