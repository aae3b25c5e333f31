// An upstream that treats requests and handshakes alike, and knows what has arrived.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { Fields } from '@mte-relay/protocol';
import { WebSocketServer } from 'ws';
import { severalTurns } from './turns.ts';

/** How the upstream treats whatever it is asked. The default echoes, with 200 or 101. */
export interface Behaviour {
  /** No response: nothing happens, or the connection is reset. */
  readonly instead?: 'silence' | 'reset';
  /** Resets the connection once the response has begun. */
  readonly resetsInside?: boolean;
  /** Status of a response that does not accept. */
  readonly refuses?: number;
  /** Of the response. */
  readonly fields?: Fields;
  /** Of a refusal. */
  readonly body?: string;
  /** How long the response takes to begin. */
  readonly afterMs?: number;
}

/** A request or a handshake as the upstream saw it. */
export interface Arrived {
  readonly method: string;
  readonly url: string;
  /** The connection that it came on has closed. */
  left: boolean;
  /** Every value of a field. */
  values(name: string): string[];
}

interface UpstreamListeners {
  onRequest(req: IncomingMessage, res: ServerResponse): void;
  onUpgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Ends what was upgraded. */
  close(): void;
}

/** Listeners of an upstream of this behaviour. @param arrived gets what arrives, in order. */
export function upstreamOf(behaviour: Behaviour, arrived: Arrived[]): UpstreamListeners {
  const { afterMs = 0, body = '', fields = [], instead, refuses, resetsInside } = behaviour;
  const upgraded: Duplex[] = [];
  const server = new WebSocketServer({ noServer: true });
  server.on('headers', (lines) => lines.push(...fields.map(([name, value]) => `${name}: ${value}`)));
  /** True when there is to be a response. */
  const arrives = async (req: IncomingMessage): Promise<boolean> => {
    arrived.push(arrivedAs(req));
    await delay(afterMs);
    if (instead === 'reset') req.socket.resetAndDestroy();
    return instead === undefined;
  };
  return {
    async onRequest(req, res) {
      const parts: Buffer[] = [];
      req.on('data', (part: Buffer) => parts.push(part));
      if (!(await arrives(req))) return;
      res.writeHead(refuses ?? 200, fields.flat());
      if (!resetsInside) return void res.end(refuses === undefined ? Buffer.concat(parts) : body);
      res.write('half of');
      await severalTurns();
      req.socket.resetAndDestroy();
    },
    async onUpgrade(req, socket, head) {
      socket.on('error', () => undefined);
      upgraded.push(socket);
      // An upgraded socket is neither read nor ended by node:http.
      if (instead === 'silence') socket.resume().on('end', () => socket.end());
      if (!(await arrives(req))) return;
      if (refuses !== undefined) {
        const lines = [...fields, ['content-length', body.length]].map(([name, value]) => `${name}: ${value}\r\n`);
        return void socket.end(`HTTP/1.1 ${refuses} Refused\r\n${lines.join('')}\r\n${body}`);
      }
      server.handleUpgrade(req, socket, head, (ws) => {
        ws.on('error', () => undefined);
        ws.on('message', (data, binary) => {
          if (resetsInside) (socket as Socket).resetAndDestroy();
          else ws.send(data, { binary });
        });
      });
    },
    close() {
      for (const socket of upgraded) socket.destroy();
    },
  };
}

function arrivedAs(req: IncomingMessage): Arrived {
  const { method = '', rawHeaders, url = '' } = req;
  const arrived: Arrived = {
    method,
    url,
    left: false,
    values: (wanted) => rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === wanted),
  };
  req.socket.once('close', () => {
    arrived.left = true;
  });
  return arrived;
}
