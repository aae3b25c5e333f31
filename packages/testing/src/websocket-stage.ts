// A real WebSocket upstream behind a real relay.
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { RelayHooks, SessionStore } from '@mte-relay/server';
import { onTestFinished } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { SealedClient } from './sealed-client.ts';
import { type Stage, stage } from './stage.ts';

export interface WebSocketStage extends Stage {
  readonly client: SealedClient;
  /** Upgrades as the upstream saw them, in order. */
  readonly upgrades: IncomingMessage[];
  /** The upstream's ends, in order of opening. */
  readonly sockets: WebSocket[];
  /** Resolves with the upstream's end number `at`, and what came of it. */
  socket(at?: number): Promise<UpstreamEnd>;
}

/** The upstream's end of one WebSocket. */
export interface UpstreamEnd {
  readonly ws: WebSocket;
  readonly messages: { data: Buffer; isBinary: boolean }[];
  readonly closed: Promise<{ code: number; reason: string }>;
}

export interface WebSocketStageOptions {
  readonly environment?: Record<string, string>;
  readonly sessions?: SessionStore;
  readonly hooks?: RelayHooks;
  readonly flags?: number;
  /** Of the client's pairing, outside. */
  readonly headers?: Record<string, string>;
  readonly server?: ConstructorParameters<typeof WebSocketServer>[0];
  /** Instead of accepting each upgrade. */
  readonly onUpgrade?: (req: IncomingMessage, socket: Duplex, head: Buffer) => void;
  /** Instead of echoing messages. */
  readonly onSocket?: (ws: WebSocket) => void;
}

export async function webSocketStage(options: WebSocketStageOptions = {}): Promise<WebSocketStage> {
  const base = await stage(undefined, {
    ...(options.environment && { environment: options.environment }),
    ...(options.sessions && { sessions: options.sessions }),
    ...(options.hooks && { hooks: options.hooks }),
  });
  const upgrades: IncomingMessage[] = [];
  const ends: UpstreamEnd[] = [];
  const sockets: WebSocket[] = [];
  let wake: () => void = () => undefined;
  const server = new WebSocketServer({ noServer: true, ...options.server });
  const accept = (req: IncomingMessage, socket: Duplex, head: Buffer): void =>
    server.handleUpgrade(req, socket, head, (ws) => {
      const messages: UpstreamEnd['messages'] = [];
      const closed = new Promise<{ code: number; reason: string }>((resolve) => {
        ws.on('close', (code, reason) => resolve({ code, reason: reason.toString() }));
      });
      ws.on('error', () => undefined);
      if (options.onSocket) options.onSocket(ws);
      else ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary }));
      ws.on('message', (data: Buffer, isBinary) => messages.push({ data, isBinary }));
      ends.push({ ws, messages, closed });
      sockets.push(ws);
      wake();
    });
  base.upstream.on('upgrade', (req, socket, head) => {
    upgrades.push(req);
    socket.on('error', () => undefined);
    (options.onUpgrade ?? accept)(req, socket, head);
  });
  onTestFinished(() => {
    for (const ws of sockets) ws.terminate();
  });
  return {
    ...base,
    client: await SealedClient.pair(base.port, { flags: options.flags ?? 0, headers: options.headers ?? {} }),
    upgrades,
    sockets,
    async socket(at = 0) {
      while (ends.length <= at) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return ends[at] as UpstreamEnd;
    },
  };
}
