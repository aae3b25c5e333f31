// The upstream's side of a sealed WebSocket: its handshake, and the response of an upstream that refuses it.
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Bytes } from '@mte-relay/protocol';
import { WebSocket } from 'ws';
import type { ProcessSettings } from '../config/settings.ts';
import { downstreamFields, isHandshakeField } from '../http/fields.ts';
import { CLOSE_TIMEOUT_MS, OUTER_PIECES_MAX, UPSTREAM_PIECE_MIN_BYTES, WHOLE_BODY_MAX_BYTES } from '../limits/fixed.ts';
import { KEEP_ALIVE, type UpstreamConnection } from './connection.ts';
import { requireFraming, timeLimitError } from './failures.ts';

/** The handshake to send. */
export interface UpgradeRequest {
  /** Flat: name, value, name, value; without `sec-websocket-…` fields. */
  readonly headers: readonly string[];
  /** Subprotocols that the client offers, best first. */
  readonly protocols: readonly string[];
  /** True if the client offers permessage-deflate; relay and upstream alone use it. */
  readonly deflate: boolean;
}

/** Receives the outcome of a handshake, once. */
export interface UpgradeOutcome {
  /** The WebSocket is open; listeners that are added during the call miss no event. */
  onOpen(fields: [string, string][]): void;
  /** The upstream sent another response. @param body undefined if it is too long to be sealed. */
  onRefused(status: number, fields: [string, string][], body: Bytes | undefined): void;
  onFailed(error: Error): void;
}

/** Begins a handshake. @throws SyntaxError for a subprotocol that is not a token or is offered twice. */
export function openUpstream(
  connection: UpstreamConnection,
  request: UpgradeRequest,
  settings: ProcessSettings,
  outcome: UpgradeOutcome,
): WebSocket {
  let timedOut: Error | undefined;
  let stopTimers = (): void => undefined;
  let settled = false;
  const settle = (report: () => void): void => {
    if (settled) return;
    settled = true;
    stopTimers();
    report();
  };
  const upstream: WebSocket = new WebSocket(connection.origin, [...request.protocols], {
    ...connection.tls,
    ...(KEEP_ALIVE as object), // options of the socket, which the type declarations of `ws` do not have
    headers: headerObject(request.headers),
    perMessageDeflate: request.deflate,
    maxPayload: settings.WEBSOCKET_MESSAGE_MAX_BYTES,
    ...limitsOf(settings),
    autoPong: false, // the client sends the pong
    finishRequest(handshake: ClientRequest) {
      // A URL object would rewrite the path: the relay sends the one that its rules matched.
      handshake.path = connection.path;
      stopTimers = limitHandshake(handshake, settings, (error) => {
        timedOut = error;
        upstream.terminate();
      });
      handshake.end();
    },
  });
  let fields: [string, string][] = [];
  upstream.on('upgrade', (res) => {
    const picked = res.headers['sec-websocket-protocol'];
    fields = downstreamFields(res.headers).filter(([name]) => !isHandshakeField(name));
    if (picked !== undefined) fields.push(['sec-websocket-protocol', picked]);
    // An upstream may select no subprotocol (RFC 6455 §4.2.2), and the client decides whether it accepts that. `ws`
    // would fail the handshake, so the relay gives it a subprotocol that it accepts.
    else if (request.protocols[0] !== undefined) res.headers['sec-websocket-protocol'] = request.protocols[0];
  });
  upstream.on('open', () => settle(() => outcome.onOpen(fields)));
  upstream.on('error', (error) => {
    settle(() => outcome.onFailed(timedOut ?? error));
  });
  upstream.on('unexpected-response', (handshake, res) => {
    try {
      requireFraming(res.headers);
    } catch (error) {
      settle(() => outcome.onFailed(error as Error));
      return void handshake.destroy();
    }
    readRefusal(res, (body) => {
      settle(() => outcome.onRefused(res.statusCode as number, downstreamFields(res.headers), body));
      handshake.destroy();
    });
  });
  return upstream;
}

/** Options of `ws` that its type declarations do not have. */
function limitsOf(settings: ProcessSettings): object {
  const { WEBSOCKET_FRAGMENTS_MAX, WEBSOCKET_MESSAGE_MAX_BYTES } = settings;
  return {
    maxFragments: WEBSOCKET_FRAGMENTS_MAX,
    maxBufferedChunks: Math.max(OUTER_PIECES_MAX, Math.ceil(WEBSOCKET_MESSAGE_MAX_BYTES / UPSTREAM_PIECE_MIN_BYTES)),
    closeTimeout: CLOSE_TIMEOUT_MS,
  };
}

/** Applies the upstream's time limits to a handshake. @returns a function that clears them. */
export function limitHandshake(
  handshake: ClientRequest,
  settings: ProcessSettings,
  expire: (error: Error) => void,
): () => void {
  const expireWith = (limit: Parameters<typeof timeLimitError>[0]) => (): void => expire(timeLimitError(limit));
  const connecting = setTimeout(expireWith('upstream-unreachable'), settings.UPSTREAM_CONNECT_TIMEOUT_MS);
  let responding: NodeJS.Timeout | undefined;
  const onConnected = (): void => {
    clearTimeout(connecting);
    responding = setTimeout(expireWith('upstream-timeout'), settings.UPSTREAM_HEADERS_TIMEOUT_MS);
  };
  handshake.once('socket', (socket) => {
    socket.once('encrypted' in socket ? 'secureConnect' : 'connect', onConnected);
  });
  return () => {
    handshake.removeAllListeners('socket');
    handshake.socket?.removeListener('connect', onConnected).removeListener('secureConnect', onConnected);
    clearTimeout(connecting);
    clearTimeout(responding);
  };
}

function readRefusal(res: IncomingMessage, done: (body: Bytes | undefined) => void): void {
  const pieces: Buffer[] = [];
  let length = 0;
  const finish = (body: Bytes | undefined): void => {
    res.removeAllListeners('data').removeAllListeners('end').removeAllListeners('close');
    done(body);
  };
  res.on('data', (piece: Buffer) => {
    pieces.push(piece);
    length += piece.length;
    if (length > WHOLE_BODY_MAX_BYTES) finish(undefined);
  });
  res.on('end', () => finish(new Uint8Array(Buffer.concat(pieces))));
  res.on('error', () => undefined); // `close` handles it
  res.on('close', () => finish(undefined));
}

/** Keeps several lines of one name: node:http takes arrays, which the type declarations of `ws` do not have. */
function headerObject(flat: readonly string[]): Record<string, string> {
  const headers = new Map<string, string[]>();
  for (let i = 0; i + 1 < flat.length; i += 2) {
    const name = flat[i] as string;
    headers.set(name, [...(headers.get(name) ?? []), flat[i + 1] as string]);
  }
  return Object.fromEntries(headers) as unknown as Record<string, string>;
}
