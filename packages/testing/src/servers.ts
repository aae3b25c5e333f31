// Servers of a test's own on the loopback interface.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';

/** A server of node:http, node:https, node:net or node:tls. */
interface Listener {
  listen(port: number, host: string, done: () => void): unknown;
  address(): unknown;
}

/** Responds to one request, at once or later. */
export type Responder = (req: IncomingMessage, res: ServerResponse) => unknown;

/** An HTTP server that listens. */
export interface Served {
  readonly server: Server;
  readonly port: number;
  readonly url: string;
  close(): void;
}

/** Listens, on a port that the system gives unless one is named; resolves with the port. */
export async function listen(server: Listener, port = 0): Promise<number> {
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** Whether something accepts connections on this port. */
export async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** The URL of a port of the loopback interface. */
export function urlOf(port: number): string {
  return `http://127.0.0.1:${port}`;
}

/** Closes a server and the connections that are open. */
export function closeServer(server: Pick<Server, 'close' | 'closeAllConnections'>): void {
  server.closeAllConnections();
  server.close();
}

/** An HTTP server that does not listen yet. A responder may reject when its request is cut off. */
export function serverOf(respond: Responder): Server {
  return createServer(async (req, res) => {
    try {
      await respond(req, res);
    } catch (error) {
      if (req.complete || !req.destroyed) throw error;
    }
  });
}

/** Serves requests until it is closed. */
export async function serve(respond: Responder): Promise<Served> {
  const server = serverOf(respond);
  const port = await listen(server);
  return { server, port, url: urlOf(port), close: () => closeServer(server) };
}
