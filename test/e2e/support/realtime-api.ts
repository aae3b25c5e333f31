// The API that the scripts of realtime-scripts.ts talk to.
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { EVENT_STREAM_CASES } from '@mte-relay/testing/event-stream-cases';
import { WebSocketServer } from 'ws';

/** Keeps the headers of what it is asked in these lists. */
export function realtimeApi(
  upgrades: IncomingMessage['headers'][] = [],
  streamRequests: IncomingMessage['headers'][] = [],
): Server {
  const server = createServer((req, res) => {
    res.setHeader('access-control-allow-origin', req.headers.origin ?? '*');
    res.setHeader('access-control-allow-credentials', 'true');
    const [, first = '', second] = (req.url ?? '').split('/');
    if (first === 'case') {
      const { pieces } = EVENT_STREAM_CASES[Number(second)] as (typeof EVENT_STREAM_CASES)[0];
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const piece of pieces) res.write(Buffer.from(piece, 'latin1'));
      return void res.end();
    }
    streamRequests.push(req.headers);
    if (first.startsWith('status-')) return void res.writeHead(Number(first.slice(7))).end();
    if (first === 'redirect') return void res.writeHead(307, { location: '/reconnect' }).end();
    res.writeHead(200, { 'content-type': first === 'plain-text' ? 'text/plain' : 'text/event-stream' });
    res.end(`retry: 30\nid: é1\ndata: after ${req.headers['last-event-id'] ? 'one' : 'none'}\n\ndata: unfinished`);
  });
  const sockets = new WebSocketServer({
    noServer: true,
    handleProtocols: (offered, req) => (req.url === '/no-protocol' ? false : ([...offered][1] ?? false)),
  });
  server.on('upgrade', (req, socket, head) => {
    upgrades.push(req.headers);
    if (req.url === '/refuse') return void socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n');
    sockets.handleUpgrade(req, socket, head, (ws) => {
      if (req.url === '/close-4000') ws.close(4000, 'grüße');
      else if (req.url === '/close-none') ws.close();
      else if (req.url === '/cut') setTimeout(() => ws.terminate(), 50);
      else ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary }));
    });
  });
  return server;
}
