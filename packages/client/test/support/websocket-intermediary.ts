// A hostile intermediary on the outer hop of WebSockets: it ends the client's outer WebSocket, opens one of its own to
// the relay, and passes messages on as a test decides.
import { onTestFinished } from 'vitest';
import { type RawData, WebSocket, WebSocketServer, type WebSocket as WsWebSocket } from 'ws';

/** One outer WebSocket through the intermediary. */
export interface InterceptedHop {
  readonly client: WsWebSocket;
  readonly relay: WsWebSocket;
}

export interface WebSocketIntermediary {
  /** For {@link RelayClientOptions.WebSocket}: goes to the intermediary whatever the URL is. */
  readonly WebSocket: typeof globalThis.WebSocket;
  /** Outer WebSockets in order. */
  readonly hops: InterceptedHop[];
  /** The messages that the client gets for number `at` from the relay; the response is number 0. Default: as it came. */
  toClient: (message: Buffer, at: number, hop: InterceptedHop) => Buffer[];
  /** The messages that the relay gets for number `at` from the client; the opening is number 0. */
  toRelay: (message: Buffer, at: number, hop: InterceptedHop) => Buffer[];
  /** True to keep a close of the relay from the client. Default: false. */
  holdsClose: boolean;
}

export async function webSocketIntermediary(relayPort: number): Promise<WebSocketIntermediary> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: () => 'mte-relay.1' });
  await new Promise((resolve) => server.once('listening', resolve));
  onTestFinished(() => {
    for (const { client, relay } of intermediary.hops) {
      client.terminate();
      relay.terminate();
    }
    server.close();
  });
  const { port } = server.address() as { port: number };
  const intermediary: WebSocketIntermediary = {
    WebSocket: class extends globalThis.WebSocket {
      constructor(_url: string | URL, protocols?: string | string[]) {
        super(`ws://127.0.0.1:${port}`, protocols);
      }
    },
    hops: [],
    toClient: (message) => [message],
    toRelay: (message) => [message],
    holdsClose: false,
  };
  server.on('connection', (client) => {
    const relay = new WebSocket(`ws://127.0.0.1:${relayPort}/api/mte-ws`, 'mte-relay.1');
    const hop = { client, relay };
    intermediary.hops.push(hop);
    const opened = new Promise((resolve) => relay.once('open', resolve));
    let fromClient = 0;
    let fromRelay = 0;
    client.on('message', (message: RawData) => {
      const at = fromClient++;
      void opened.then(() => {
        for (const passed of intermediary.toRelay(message as Buffer, at, hop)) relay.send(passed);
      });
    });
    relay.on('message', (message: RawData) => {
      for (const passed of intermediary.toClient(message as Buffer, fromRelay++, hop)) client.send(passed);
    });
    relay.on('error', () => undefined);
    client.on('error', () => undefined);
    relay.on('close', (code, reason) => {
      if (!intermediary.holdsClose) passClose(client, code, reason);
    });
    client.on('close', (code, reason) => passClose(relay, code, reason));
  });
  return intermediary;
}

function passClose(to: WsWebSocket, code: number, reason: Buffer): void {
  if (code === 1006 || code === 1005) to.terminate();
  else if (to.readyState === to.OPEN) to.close(code, reason);
}
