// A hostile box on the outer hop of WebSockets: it ends the client's outer WebSocket, opens one of its own to the relay,
// and passes messages on as a test decides.
import { onTestFinished } from 'vitest';
import { type RawData, WebSocket, WebSocketServer, type WebSocket as WsWebSocket } from 'ws';

/** One outer WebSocket through the box. */
export interface BoxedHop {
  readonly client: WsWebSocket;
  readonly relay: WsWebSocket;
}

export interface WebSocketBox {
  /** For {@link RelayClientOptions.WebSocket}: goes to the box whatever the URL says. */
  readonly WebSocket: typeof globalThis.WebSocket;
  /** Outer WebSockets in order. */
  readonly hops: BoxedHop[];
  /** What the client gets for message number `at` from the relay; the answer is number 0. Default: as it came. */
  toClient: (message: Buffer, at: number, hop: BoxedHop) => Buffer[];
  /** What the relay gets for message number `at` from the client; the opening is number 0. */
  toRelay: (message: Buffer, at: number, hop: BoxedHop) => Buffer[];
}

export async function webSocketBox(relayPort: number): Promise<WebSocketBox> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: () => 'mte-relay.1' });
  await new Promise((resolve) => server.once('listening', resolve));
  onTestFinished(() => {
    for (const { client, relay } of box.hops) {
      client.terminate();
      relay.terminate();
    }
    server.close();
  });
  const { port } = server.address() as { port: number };
  const box: WebSocketBox = {
    WebSocket: class extends globalThis.WebSocket {
      constructor(_url: string | URL, protocols?: string | string[]) {
        super(`ws://127.0.0.1:${port}`, protocols);
      }
    },
    hops: [],
    toClient: (message) => [message],
    toRelay: (message) => [message],
  };
  server.on('connection', (client) => {
    const relay = new WebSocket(`ws://127.0.0.1:${relayPort}/api/mte-ws`, 'mte-relay.1');
    const hop = { client, relay };
    box.hops.push(hop);
    const opened = new Promise((resolve) => relay.once('open', resolve));
    let fromClient = 0;
    let fromRelay = 0;
    client.on('message', (message: RawData) => {
      const at = fromClient++;
      void opened.then(() => {
        for (const passed of box.toRelay(message as Buffer, at, hop)) relay.send(passed);
      });
    });
    relay.on('message', (message: RawData) => {
      for (const passed of box.toClient(message as Buffer, fromRelay++, hop)) client.send(passed);
    });
    relay.on('error', () => undefined);
    client.on('error', () => undefined);
    relay.on('close', (code, reason) => passClose(client, code, reason));
    client.on('close', (code, reason) => passClose(relay, code, reason));
  });
  return box;
}

function passClose(to: WsWebSocket, code: number, reason: Buffer): void {
  if (code === 1006 || code === 1005) to.terminate();
  else if (to.readyState === to.OPEN) to.close(code, reason);
}
