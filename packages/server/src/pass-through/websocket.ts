// A WebSocket on a pass-through route: the handshake is forwarded with the hop's own fields set anew, then bytes are
// piped both ways as they are.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { RelayContext } from '../context.ts';
import type { Domain } from '../domain.ts';
import { refuseAndCount } from '../failure/noted.ts';
import {
  downstreamFields,
  endToEndFields,
  notAStatus,
  overrideFields,
  rawFields,
  upstreamRequestHeaders,
} from '../http/fields.ts';
import { REQUEST_ID_FIELD, requestIdOf } from '../http/request-id.ts';
import { outcomeOf } from '../observe/metrics.ts';
import { connectionRequest, timeLimitError } from '../upstream/connection.ts';
import { limitHandshake } from '../upstream/websocket.ts';
import { plainCodeOf } from './request.ts';

/** The client's side of a handshake that has not been answered. */
export interface PendingUpgrade {
  readonly req: IncomingMessage;
  readonly socket: Socket;
  /** Bytes that came behind the handshake. */
  readonly head: Buffer;
  /** Begins an answer that is no upgrade. */
  answer(): ServerResponse;
}

/** Forwards one handshake. @param target the canonical target that its route was matched on. */
export function passThroughUpgrade(
  context: RelayContext,
  domain: Domain,
  pending: PendingUpgrade,
  target: string,
): void {
  const { settings, log, trustedProxies } = context;
  const { req, socket } = pending;
  const connection = domain.upstream.connection(target);
  const fields = overrideFields(
    endToEndFields(rawFields(req.rawHeaders)).filter(([name]) => name !== REQUEST_ID_FIELD),
    domain.settings.HEADERS,
  );
  const headers = upstreamRequestHeaders(fields, trustedProxies.read(req));
  const requestId = requestIdOf(req);
  headers.push(
    REQUEST_ID_FIELD,
    requestId,
    'host',
    connection.origin.host,
    'connection',
    'Upgrade',
    'upgrade',
    'websocket',
  );
  const handshake = connectionRequest(connection, 'GET', headers);
  let status = 0;
  let failure: Error | undefined;
  const stopTimers = limitHandshake(handshake, settings, (code) => {
    failure = timeLimitError(code);
    handshake.destroy(failure);
  });
  const onGone = (): void => void handshake.destroy();
  socket.once('close', onGone);
  handshake.on('upgrade', (res, upstreamSocket: Socket, upstreamHead) => {
    stopTimers();
    socket.off('close', onGone);
    status = res.statusCode as number;
    socket.write(switchingHead(domain, res), 'latin1'); // field values are bytes
    socket.write(upstreamHead);
    upstreamSocket.write(pending.head);
    pipeBothWays(socket, upstreamSocket);
    // Whatever is read on one side is written on the other, so one clock sees all.
    socket.setTimeout(settings.WEBSOCKET_IDLE_TIMEOUT_MS, () => {
      if (!socket.destroyed) context.metrics.limits.WEBSOCKET_IDLE_TIMEOUT_MS.value += 1;
      socket.destroy();
      upstreamSocket.destroy();
    });
  });
  handshake.on('response', (res) => {
    stopTimers();
    if ((res.statusCode as number) < 100) return void handshake.destroy(notAStatus(res.statusCode as number));
    status = res.statusCode as number;
    res.setTimeout(settings.UPSTREAM_IDLE_TIMEOUT_MS, () => res.destroy());
    passAnswer(domain, res, pending.answer());
  });
  handshake.on('error', (error) => {
    stopTimers();
    if (status === 0 && !socket.destroyed) refuseAndCount(context, pending.answer(), plainCodeOf(failure ?? error));
  });
  socket.once('close', () => {
    context.metrics.requests.websocket[outcomeOf(status)].value += 1;
    log.info({ request: requestId, route: 'websocket', sealed: false, status }, 'websocket');
  });
  handshake.end();
}

/** The upstream's 101 as this hop says it. */
function switchingHead(domain: Domain, res: IncomingMessage): string {
  const fields = overrideFields(downstreamFields(res.headers), domain.settings.HEADERS);
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n${lines.join('')}\r\n`;
}

/** An answer that is no upgrade. */
function passAnswer(domain: Domain, res: IncomingMessage, answer: ServerResponse): void {
  for (const [name, value] of downstreamFields(res.headers)) {
    answer.appendHeader(name, domain.upstream.clientValue(name, value));
  }
  for (const [name, value] of domain.settings.HEADERS) answer.setHeader(name, value);
  answer.writeHead(res.statusCode as number);
  res.on('close', () => {
    if (!res.complete) answer.destroy();
  });
  answer.on('close', () => res.destroy());
  res.pipe(answer);
}

/** `pipe` holds the faster side back and passes an end on; an abort must be passed on as one. */
function pipeBothWays(client: Socket, upstream: Socket): void {
  for (const [from, to] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    from.on('error', () => undefined); // its close tells
    from.on('close', () => {
      if (!from.readableEnded || !from.writableFinished) abort(to);
    });
    from.pipe(to);
  }
}

/** With a reset where the connection can have one, so that it does not look like an end. */
function abort(socket: Socket): void {
  if (socket.destroyed) return;
  if ('encrypted' in socket) socket.destroy();
  else socket.resetAndDestroy();
}
