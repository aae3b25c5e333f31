// Both ends of one open WebSocket, for what is put between two of them.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { listen } from '@mte-relay/testing/servers';
import { onTestFinished } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import type { TunnelObserver } from '../../src/sealed/tunnel.ts';

export async function openWebSocketPair(): Promise<{ near: WebSocket; far: WebSocket }> {
  const http = createServer();
  const server = new WebSocketServer({ server: http, autoPong: false });
  const port = await listen(http);
  const near = new WebSocket(`ws://127.0.0.1:${port}`, { autoPong: false });
  const [far] = (await once(server, 'connection')) as [WebSocket];
  if (near.readyState !== near.OPEN) await once(near, 'open');
  onTestFinished(() => {
    for (const end of [near, far]) end.terminate();
    http.close();
  });
  return { near, far };
}

/** Of a tunnel that nobody looks at. */
export const UNOBSERVED: TunnelObserver = { onLimit: () => undefined, onUpstreamBroken: () => undefined };
