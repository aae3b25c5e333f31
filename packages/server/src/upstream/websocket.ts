// The upstream's side of a sealed WebSocket: its handshake, and what an upstream that refuses has said.
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Bytes } from '@mte-relay/protocol';
import { WebSocket } from 'ws';
import type { ProcessSettings } from '../config/settings.ts';
import { downstreamFields, isHandshakeField } from '../http/fields.ts';
import { CLOSE_TIMEOUT_MS, WHOLE_BODY_MAX_BYTES } from '../limits/fixed.ts';
import { KEEP_ALIVE, type UpstreamConnection } from './connection.ts';
import { timeLimitError } from './failures.ts';

/** What the handshake asks for. */
export interface UpgradeRequest {
  /** Flat: name, value, name, value; without any `sec-websocket-…` field. */
  readonly headers: readonly string[];
  /** Subprotocols that the client offers, best first. */
  readonly protocols: readonly string[];
  /** Whether the client offers permessage-deflate; it is used between relay and upstream alone. */
  readonly deflate: boolean;
}

/** Told once what became of a handshake. */
export interface UpgradeOutcome {
  /** The WebSocket is open; listeners that are set within the call miss nothing. */
  onOpen(fields: [string, string][]): void;
  /** The upstream answered otherwise. @param body undefined when it is longer than can be sealed. */
  onRefused(status: number, fields: [string, string][], body: Bytes | undefined): void;
  onFailed(error: Error): void;
}

/** Begins a handshake. Throws SyntaxError for a subprotocol that is no token or is offered twice. */
export function openUpstream(
  connection: UpstreamConnection,
  request: UpgradeRequest,
  settings: ProcessSettings,
  outcome: UpgradeOutcome,
): WebSocket {
  let late: Error | undefined;
  let stopTimers = (): void => undefined;
  let settled = false;
  const settle = (tell: () => void): void => {
    if (settled) return;
    settled = true;
    stopTimers();
    tell();
  };
  const upstream: WebSocket = new WebSocket(connection.origin, [...request.protocols], {
    ...connection.tls,
    ...(KEEP_ALIVE as object), // for the socket below, of which the declarations of `ws` do not speak
    headers: headerObject(request.headers),
    perMessageDeflate: request.deflate,
    maxPayload: settings.WEBSOCKET_MESSAGE_MAX_BYTES,
    ...limitsOf(settings),
    autoPong: false, // the client answers
    finishRequest(handshake: ClientRequest) {
      // A URL object would have rewritten the path: what was matched is what is asked for.
      handshake.path = connection.path;
      stopTimers = limitHandshake(handshake, settings, (error) => {
        late = error;
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
    // An upstream may pick none (RFC 6455 §4.2.2), and the client decides whether it can live with that. `ws` refuses it
    // by itself, so it is told what it wants to hear.
    else if (request.protocols[0] !== undefined) res.headers['sec-websocket-protocol'] = request.protocols[0];
  });
  upstream.on('open', () => settle(() => outcome.onOpen(fields)));
  upstream.on('error', (error) => {
    settle(() => outcome.onFailed(late ?? error));
  });
  upstream.on('unexpected-response', (handshake, res) => {
    readRefusal(res, (body) => {
      settle(() => outcome.onRefused(res.statusCode as number, downstreamFields(res.headers), body));
      handshake.destroy();
    });
  });
  return upstream;
}

/** Options of `ws` that its type declarations do not have yet. */
function limitsOf(settings: ProcessSettings): object {
  return { maxFragments: settings.WEBSOCKET_FRAGMENTS_MAX, closeTimeout: CLOSE_TIMEOUT_MS };
}

/** Holds a handshake to the upstream's time limits. @returns ends the watch. */
export function limitHandshake(
  handshake: ClientRequest,
  settings: ProcessSettings,
  expire: (error: Error) => void,
): () => void {
  const expireWith = (limit: Parameters<typeof timeLimitError>[0]) => (): void => expire(timeLimitError(limit));
  const connecting = setTimeout(expireWith('upstream-unreachable'), settings.UPSTREAM_CONNECT_TIMEOUT_MS);
  let answering: NodeJS.Timeout | undefined;
  const onConnected = (): void => {
    clearTimeout(connecting);
    answering = setTimeout(expireWith('upstream-timeout'), settings.UPSTREAM_HEADERS_TIMEOUT_MS);
  };
  handshake.once('socket', (socket) => {
    socket.once('encrypted' in socket ? 'secureConnect' : 'connect', onConnected);
  });
  return () => {
    handshake.removeAllListeners('socket');
    handshake.socket?.removeListener('connect', onConnected).removeListener('secureConnect', onConnected);
    clearTimeout(connecting);
    clearTimeout(answering);
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
  res.on('error', () => undefined); // its close tells
  res.on('close', () => finish(undefined));
}

/** Several lines of one name stay several: node:http takes arrays, which the declarations of `ws` do not say. */
function headerObject(flat: readonly string[]): Record<string, string> {
  const headers = new Map<string, string[]>();
  for (let i = 0; i + 1 < flat.length; i += 2) {
    const name = flat[i] as string;
    headers.set(name, [...(headers.get(name) ?? []), flat[i + 1] as string]);
  }
  return Object.fromEntries(headers) as unknown as Record<string, string>;
}
