// What is sent to the upstream, and connections outside the pool: for WebSockets, and for what undici cannot send.
import { type ClientRequest, request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { connect, isIP, type Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { connect as tlsConnect } from 'node:tls';
import type { Trailers } from '../http/trailers.ts';
import { TCP_KEEP_ALIVE_DELAY_MS } from '../limits/fixed.ts';

/** A request ready to be sent upstream. */
export interface UpstreamRequest {
  readonly method: string;
  /** Canonical path and query. */
  readonly target: string;
  /** Flat: name, value, name, value. */
  readonly headers: string[];
  readonly body: Uint8Array | Readable | null;
  /** Behind the body. Such a request says no `content-length`. */
  readonly trailers?: Trailers | undefined;
}

/** Where a connection outside the pool goes. */
export interface UpstreamConnection {
  readonly origin: URL;
  /** Path and query to ask for. */
  readonly path: string;
  readonly tls: UpstreamTls;
}

/** PEM, where it is not the public one. */
export interface UpstreamTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** Socket options of connections outside of the pool. */
export const KEEP_ALIVE: { readonly keepAlive: true; readonly keepAliveInitialDelay: number } = {
  keepAlive: true,
  keepAliveInitialDelay: TCP_KEEP_ALIVE_DELAY_MS,
};

/** A request on a connection of its own, which may be half closed as TCP allows. @param headers flat, `host` too. */
export function connectionRequest(
  { origin, path, tls }: UpstreamConnection,
  method: string,
  headers: readonly string[],
): ClientRequest {
  const isTls = origin.protocol === 'https:';
  const host = origin.hostname.replace(/^\[|\]$/g, '');
  const port = Number(origin.port || (isTls ? 443 : 80));
  const address = { host, port, allowHalfOpen: true, ...KEEP_ALIVE };
  const createConnection = (): Socket =>
    heedEarlyAnswers(isTls ? tlsConnect({ servername: isIP(host) ? '' : host, ...address, ...tls }) : connect(address));
  // No agent: it would make the connection itself.
  return (isTls ? tlsRequest : plainRequest)({ host, port, path, method, headers, createConnection });
}

/**
 * Lets an answer be read that came before the upstream closed on the rest of an upload (RFC 9112 §9.6). Node ends a socket
 * at the first write that fails, with the answer unread behind it. So what cannot be written any more counts as written,
 * and the reading side tells what became of the connection: the answer, then its end.
 */
export function heedEarlyAnswers(socket: Socket): Socket {
  const write = socket._write;
  const writev = socket._writev;
  socket._write = (chunk, encoding, done) => write.call(socket, chunk, encoding, (error) => done(unlessClosed(error)));
  if (writev) socket._writev = (chunks, done) => writev.call(socket, chunks, (error) => done(unlessClosed(error)));
  return socket;
}

function unlessClosed(error: NodeJS.ErrnoException | null | undefined): Error | null | undefined {
  return error?.code === 'EPIPE' || error?.code === 'ECONNRESET' ? null : error;
}
