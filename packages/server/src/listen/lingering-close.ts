// Closes a connection after a response that was sent before its request had ended. To close on unread bytes resets the
// connection, and a reset can overtake the response: the relay first discards the rest, within bounds (RFC 9112 §9.6).
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { DISCARDING_MAX_MS } from '../limits/fixed.ts';

/**
 * Makes the connection linger when node:http closes it by `destroySoon`.
 * @param request the connection's latest request; undefined before the first one, or after an upgrade.
 */
export function lingerOnClose(socket: Socket, request: () => IncomingMessage | undefined): void {
  const closeNow = socket.destroySoon;
  socket.destroySoon = () => {
    const req = request();
    if (!req || req.complete || socket.destroyed) return closeNow.call(socket);
    socket.end();
    const deadline = setTimeout(() => socket.destroy(), DISCARDING_MAX_MS);
    socket.once('close', () => clearTimeout(deadline));
    req.once('end', () => closeNow.call(socket));
    req.resume();
  };
}
