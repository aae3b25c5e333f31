// Closes a connection behind an answer that came before its request had ended. Closing on unread bytes resets the connection,
// and a reset can overtake the answer; so the rest is read and thrown away first, within bounds (RFC 9112 §9.6).
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { DISCARDING_MAX_MS } from '../limits/fixed.ts';

/**
 * Has the connection linger when node:http closes it, which it does by `destroySoon`.
 * @param request the connection's latest; undefined when there was none, or it is no longer HTTP.
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
