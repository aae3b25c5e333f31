// A WebSocket on a pass-through route: the relay forwards the handshake with hop-by-hop fields of its own, then carries
// bytes both ways unchanged.
import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { RelayContext } from '../context.ts';
import { type Domain, setOwnHeaders } from '../domain.ts';
import { upstreamFailed } from '../failure/noted.ts';
import { refuse } from '../failure/planes.ts';
import { REQUEST_ID_FIELD } from '../http/request-id.ts';
import { JoinedWrites } from '../limits/small-pieces.ts';
import type { Account } from '../observe/account.ts';
import { connectionRequest } from '../upstream/connection.ts';
import { ResponseHeads } from '../upstream/failures.ts';
import { limitHandshake } from '../upstream/websocket.ts';
import { clientFields, fieldsForClient, outerCodeOfFailure, upstreamHeaders } from './fields.ts';

/** The client's side of a handshake before its response. */
export interface PendingUpgrade {
  readonly req: IncomingMessage;
  readonly socket: Socket;
  /** Bytes that arrived after the handshake. */
  readonly head: Buffer;
  /** Begins a response that is not an upgrade. */
  respond(): ServerResponse;
}

/** Forwards one handshake. @param target the canonical target that its route was matched on. */
export function passThroughUpgrade(
  context: RelayContext,
  domain: Domain,
  pending: PendingUpgrade,
  account: Account,
  target: string,
): void {
  new PassedWebSocket(context, domain, pending, account).start(target);
}

class PassedWebSocket {
  readonly #context: RelayContext;
  readonly #domain: Domain;
  readonly #pending: PendingUpgrade;
  readonly #account: Account;
  #refusal: ServerResponse | undefined; // a response that is not an upgrade

  constructor(context: RelayContext, domain: Domain, pending: PendingUpgrade, account: Account) {
    this.#context = context;
    this.#domain = domain;
    this.#pending = pending;
    this.#account = account;
    pending.socket.once('close', () => this.#onClose());
  }

  start(target: string): void {
    const { settings } = this.#context;
    const handshake = this.#beginHandshake(target);
    let timedOut: Error | undefined;
    const stopTimers = limitHandshake(handshake, settings, (error) => {
      timedOut = error;
      handshake.destroy(error);
    });
    const stopWatching = onDisconnect(this.#pending.socket, () => handshake.destroy());
    handshake.on('upgrade', (res, upstream: Socket, head) => {
      stopTimers();
      stopWatching();
      this.#open(res, upstream, head);
    });
    handshake.on('response', (res) => {
      stopTimers();
      stopWatching();
      const status = res.statusCode as number;
      try {
        new ResponseHeads().isInformational(status, res.headers);
      } catch (error) {
        return void handshake.destroy(error as Error);
      }
      this.#passRefusal(res, status);
    });
    handshake.on('error', (error) => {
      stopTimers();
      this.#fail(timedOut ?? error);
    });
    handshake.end();
  }

  #beginHandshake(target: string): ClientRequest {
    const { req } = this.#pending;
    const { upstream } = this.#domain;
    const connection = upstream.connection(target);
    const given = clientFields(this.#context, this.#domain, req);
    const headers = upstreamHeaders(this.#context, this.#domain, req, given, this.#account.requestId);
    this.#account.dispatched({ method: 'GET', headers, origin: upstream.url });
    const hop = ['host', connection.origin.host, 'connection', 'Upgrade', 'upgrade', 'websocket'];
    return connectionRequest(connection, 'GET', [...headers, ...hop]);
  }

  /** The upstream has switched protocols. */
  #open(res: IncomingMessage, upstream: Socket, upstreamHead: Buffer): void {
    const { socket, head } = this.#pending;
    const { settings, metrics } = this.#context;
    this.#onUpstreamResponse(101);
    socket.write(this.#switchingHead(res), 'latin1'); // field values are bytes
    this.#account.ownConnection(socket);
    socket.write(upstreamHead);
    upstream.write(head);
    carryBothWays(socket, upstream, (error) => {
      this.#account.failedOuter(outerCodeOfFailure(upstreamFailed(this.#context, this.#account, error)));
    });
    // Bytes read on one side are written on the other, so one timer covers both.
    socket.setTimeout(settings.WEBSOCKET_IDLE_TIMEOUT_MS, () => {
      if (!socket.destroyed) metrics.limits.WEBSOCKET_IDLE_TIMEOUT_MS.value += 1;
      socket.destroy();
      upstream.destroy();
    });
  }

  /** The head of the upstream's 101 for the client. */
  #switchingHead(res: IncomingMessage): string {
    const own = [[REQUEST_ID_FIELD, this.#account.requestId] as const, ...this.#domain.responseFields.fields];
    const lines = [...fieldsForClient(this.#domain, res.headers), ...own].map(
      ([name, value]) => `${name}: ${value}\r\n`,
    );
    return `HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n${lines.join('')}\r\n`;
  }

  /** The upstream has responded without switching protocols. */
  #passRefusal(res: IncomingMessage, status: number): void {
    this.#onUpstreamResponse(status);
    res.setTimeout(this.#context.settings.UPSTREAM_IDLE_TIMEOUT_MS, () => res.destroy());
    const out = this.#respond();
    for (const [name, value] of fieldsForClient(this.#domain, res.headers)) out.appendHeader(name, value);
    out.writeHead(status);
    res.on('data', (piece: Buffer) => {
      this.#account.bytesOut += piece.length;
    });
    res.on('close', () => {
      if (!res.complete) out.destroy();
    });
    out.on('close', () => res.destroy());
    res.pipe(out);
  }

  #onUpstreamResponse(status: number): void {
    this.#account.upstreamResponded(status);
    this.#account.upstreamEnded();
  }

  #fail(error: Error): void {
    if (this.#account.status !== 0 || this.#pending.socket.destroyed) return;
    const code = outerCodeOfFailure(upstreamFailed(this.#context, this.#account, error));
    this.#account.failedOuter(code);
    refuse(this.#respond(), code);
  }

  /** A response that is not an upgrade, with the relay's own fields. */
  #respond(): ServerResponse {
    const out = this.#pending.respond();
    setOwnHeaders(this.#domain, out);
    out.setHeader(REQUEST_ID_FIELD, this.#account.requestId);
    this.#refusal = out;
    return out;
  }

  #onClose(): void {
    const { readableEnded, writableFinished } = this.#pending.socket;
    const { status } = this.#account; // 0 if the client disconnected first
    this.#account.end(status, this.#refusal ? this.#refusal.writableFinished : readableEnded && writableFinished);
  }
}

/** Calls back once the client ends or closes its connection, which Node reports only if it reads. @returns stops. */
function onDisconnect(socket: Socket, disconnected: () => void): () => void {
  const onReadable = (): void => {
    if (socket.readableLength === 0) socket.read(); // so that Node emits `end`; bytes stay buffered for the upstream
  };
  const onEnd = (): void => void socket.destroy();
  socket.on('readable', onReadable).once('end', onEnd).once('close', disconnected);
  return () => {
    socket.off('readable', onReadable).off('end', onEnd).off('close', disconnected);
  };
}

/**
 * Carries bytes both ways, and forwards an end as well as an abort.
 * @param broken called if the upstream aborts.
 */
function carryBothWays(client: Socket, upstream: Socket, broken: (error: Error) => void): void {
  let upstreamError = new Error('the upstream closed without an end');
  upstream.on('error', (error) => {
    upstreamError = error;
  });
  client.on('error', () => undefined); // `close` handles it
  onAbort(upstream, () => {
    if (!client.destroyed) broken(upstreamError);
    abort(client);
  });
  onAbort(client, () => abort(upstream));
  carry(client, upstream);
  carry(upstream, client);
}

/** Carries bytes and their end one way, with back-pressure. Unlike `pipe` it joins small pieces. */
function carry(from: Socket, to: Socket): void {
  const writes = new JoinedWrites((bytes, written) => {
    if (!to.write(bytes, written)) from.pause();
  });
  from.on('data', (piece: Buffer<ArrayBuffer>) => writes.write(piece));
  from.on('end', () => {
    writes.flush();
    to.end();
  });
  to.on('drain', () => from.resume());
  from.resume();
}

function onAbort(socket: Socket, aborted: () => void): void {
  socket.on('close', () => {
    if (!socket.readableEnded || !socket.writableFinished) aborted();
  });
}

/** Aborts with a reset if the connection is plain TCP, so that it does not look like an end. */
function abort(socket: Socket): void {
  if (socket.destroyed) return;
  if ('encrypted' in socket) socket.destroy();
  else socket.resetAndDestroy();
}
