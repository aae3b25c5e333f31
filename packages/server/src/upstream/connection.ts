// Requests to the upstream, and connections outside the pool: for WebSockets, and for requests that undici cannot send.
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
  /** Sent after the body. Such a request does not have a `content-length`. */
  readonly trailers?: Trailers | undefined;
}

/** The destination of a connection outside the pool. */
export interface UpstreamConnection {
  readonly origin: URL;
  /** Path and query of the request. */
  readonly path: string;
  readonly tls: UpstreamTls;
}

/** PEM; undefined for the public authorities, or without a client certificate. */
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

/** A request on a connection of its own, which may be half closed. @param headers flat, with `host`. */
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
    readEarlyResponses(
      isTls ? tlsConnect({ servername: isIP(host) ? '' : host, ...address, ...tls }) : connect(address),
    );
  // Without an agent, which would make the connection itself.
  return (isTls ? tlsRequest : plainRequest)({ host, port, path, method, headers, createConnection });
}

/**
 * Has a socket read the response of an upstream that closed before it read the whole upload (RFC 9112 §9.6). Node
 * destroys a socket at the first write that fails, before it has read that response. So a write to a closed connection
 * counts as written, and the reading side reports the response and then the close.
 */
export function readEarlyResponses(socket: Socket): Socket {
  const write = socket._write;
  const writev = socket._writev;
  socket._write = (chunk, encoding, done) => write.call(socket, chunk, encoding, (error) => done(unlessClosed(error)));
  if (writev) socket._writev = (chunks, done) => writev.call(socket, chunks, (error) => done(unlessClosed(error)));
  return socket;
}

function unlessClosed(error: NodeJS.ErrnoException | null | undefined): Error | null | undefined {
  return error?.code === 'EPIPE' || error?.code === 'ECONNRESET' ? null : error;
}
