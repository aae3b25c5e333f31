// A load balancer without sticky routing: consecutive requests go to the relays in turn.
import { Agent, createServer, request } from 'node:http';
import { closeServer, listen } from '@mte-relay/testing/servers';

export interface Balancer {
  readonly port: number;
  /** Requests that were handed to each relay. */
  readonly counts: readonly number[];
  close(): void;
}

/** A relay that refuses the connection is passed over; one that closes its connection closes the client's. */
export async function startBalancer(relayPorts: () => readonly number[]): Promise<Balancer> {
  const counts: number[] = [];
  const agent = new Agent({ keepAlive: true, maxSockets: 256 });
  let turn = 0;
  const server = createServer((req, res) => {
    const parts: Buffer[] = [];
    req.on('data', (part: Buffer) => parts.push(part));
    req.on('end', () => {
      const ports = relayPorts();
      turn += 1;
      hand(0);

      function hand(passedOver: number): void {
        const index = (turn + passedOver) % ports.length;
        const body = Buffer.concat(parts);
        const headers = { ...req.headers, 'content-length': String(body.length) };
        const out = request({
          port: ports[index],
          host: '127.0.0.1',
          path: req.url,
          method: req.method,
          headers,
          agent,
        });
        out.on('response', (response) => {
          counts[index] = (counts[index] ?? 0) + 1;
          res.writeHead(response.statusCode as number, response.rawHeaders);
          response.pipe(res);
          response.on('error', () => res.destroy());
        });
        out.on('error', (error: NodeJS.ErrnoException) => {
          // Only what certainly was not sent goes elsewhere.
          if (error.code === 'ECONNREFUSED' && passedOver + 1 < ports.length) hand(passedOver + 1);
          else res.destroy();
        });
        out.end(body);
      }
    });
  });
  server.keepAliveTimeout = 60_000;
  return {
    port: await listen(server),
    counts,
    close() {
      closeServer(server);
      agent.destroy();
    },
  };
}
