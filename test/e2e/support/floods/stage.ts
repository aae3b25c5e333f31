// A relay process between an upstream of raw bytes and clients that flood it, and what a flood costs.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type RelayProcess, relayProcessTo } from '@mte-relay/testing/relay-process';
import { SealedClient } from '@mte-relay/testing/sealed-client';
import { listen, urlOf } from '@mte-relay/testing/servers';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { type WebSocket, WebSocketServer } from 'ws';
import { type Cut, chunkedBody } from './pieces.ts';

/** Options of `ws` that its type declarations do not have. */
const UNLIMITED: object = { maxFragments: 0 };
/** A tick of the counters of /proc. */
const TICK_MS = 10;

export interface FloodStage {
  readonly relay: RelayProcess;
  /** The client that floods. */
  readonly client: SealedClient;
  /** The upstream's ends of WebSockets, in order of opening. */
  readonly webSockets: readonly WebSocket[];
}

/** A relay in front of an upstream that takes uploads at /up, never reads at /stuck, and sends so many bytes at /down/CUT/BYTES. */
export async function floodStage(): Promise<FloodStage> {
  const webSockets: WebSocket[] = [];
  const server = endsWithTest(
    createServer((req, res) => {
      const path = req.url ?? '';
      const [, , cut, bytes] = path.split('/');
      if (path.startsWith('/down/')) return sendRaw(req.socket, Number(bytes), cut as Cut);
      if (path.startsWith('/stuck')) return void req.socket.pause();
      req.resume().on('end', () => res.end('ok'));
    }),
  );
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false, ...UNLIMITED });
  server.on('upgrade', (req, socket: Duplex, head) => {
    sockets.handleUpgrade(req, socket, head, (ws) => {
      ws.on('error', () => undefined);
      webSockets.push(ws);
    });
  });
  const relay = await relayProcessTo(urlOf(await listen(server)), {
    PASS_THROUGH_ROUTES: '/*',
    LOG_LEVEL: 'info',
    WEBSOCKET_FRAGMENTS_MAX: '1000000',
  });
  return { relay, client: await SealedClient.pair(relay.port), webSockets };
}

/** A response in pieces that node:http would join. */
function sendRaw(socket: Socket, bytes: number, cut: Cut): void {
  socket.on('error', () => undefined);
  socket.write('HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n');
  socket.end(chunkedBody(bytes, cut));
}

/** Sends bytes over a connection of its own and resolves with all that comes back, once the relay has ended it. */
export function exchangeRaw(port: number, ...parts: readonly Uint8Array[]): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    const received: Buffer[] = [];
    socket.on('data', (piece: Buffer) => received.push(piece));
    socket.on('error', reject);
    socket.on('close', () => resolve(Buffer.concat(received)));
    for (const part of parts) socket.write(part);
  });
}

/** Sends bytes over a connection that ends with the test, and does not wait. */
export function sendRawTo(port: number, ...parts: readonly Uint8Array[]): Socket {
  const socket = endsWithTest(connect(port, '127.0.0.1'));
  socket.on('error', () => undefined);
  for (const part of parts) socket.write(part);
  return socket;
}

/** The head of a request whose connection ends with it. */
export function headOf(method: string, path: string, ...fields: readonly string[]): Buffer {
  const lines = [`${method} ${path} HTTP/1.1`, 'host: relay.example', 'connection: close', ...fields];
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`);
}

/** Processor time that the relay has taken so far, in ms. */
export function cpuMs({ relay }: FloodStage): number {
  const fields = readFileSync(`/proc/${relay.child.pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** Resident memory of the relay, in bytes. */
export function residentBytes({ relay }: FloodStage): number {
  const status = readFileSync(`/proc/${relay.child.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}

/** How long each call of a well-behaved client takes while the work runs, in ms. */
export async function callsDuring(caller: SealedClient, work: Promise<unknown>): Promise<number[]> {
  let isDone = false;
  void work.finally(() => {
    isDone = true;
  });
  const took: number[] = [];
  while (!isDone) {
    const beganMs = performance.now();
    await caller.fetch({ method: 'POST', path: '/up', body: 'hello' });
    took.push(performance.now() - beganMs);
  }
  await work;
  return took;
}
