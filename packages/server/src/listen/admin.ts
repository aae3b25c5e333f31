// ADMIN_PORT: /livez, /readyz and /metrics, on a port of their own so that clients cannot reach them.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { RelayContext } from '../context.ts';
import { ADMIN_CONNECTIONS_MAX, ADMIN_IDLE_TIMEOUT_MS, ADMIN_TIMEOUT_MS } from '../limits/fixed.ts';
import { faultOf } from '../observe/fault.ts';
import { watchProcess } from '../observe/metrics.ts';

/** A node:http server for operators, which does not listen yet. */
export function createAdminServer(context: RelayContext): Server {
  watchProcess();
  const server = createServer({ headersTimeout: ADMIN_TIMEOUT_MS, requestTimeout: ADMIN_TIMEOUT_MS }, (req, res) => {
    respond(context, req, res).catch((error: unknown) => {
      context.log.error({ fault: faultOf(error) }, 'cannot read metrics');
      res.destroy();
    });
  });
  server.maxConnections = ADMIN_CONNECTIONS_MAX;
  server.timeout = ADMIN_IDLE_TIMEOUT_MS;
  return server;
}

async function respond({ health, metrics }: RelayContext, req: IncomingMessage, res: ServerResponse): Promise<void> {
  if (req.method !== 'GET' && req.method !== 'HEAD') {
    res.writeHead(405, { allow: 'GET, HEAD' }).end();
    return;
  }
  switch (req.url) {
    case '/livez':
      return sendJson(res, 200, { alive: true }); // a response proves that the event loop runs
    case '/readyz': {
      const { ready } = health;
      return sendJson(res, ready ? 200 : 503, { ready, checks: health.checks() });
    }
    case '/metrics':
      res.writeHead(200, { 'content-type': metrics.contentType, 'cache-control': 'no-store' });
      res.end(await metrics.text());
      return;
    default:
      return sendJson(res, 404, { paths: ['/livez', '/readyz', '/metrics'] });
  }
}

function sendJson(res: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body);
  res.writeHead(status, {
    'content-type': 'application/json',
    'content-length': text.length,
    'cache-control': 'no-store',
  });
  res.end(text);
}
