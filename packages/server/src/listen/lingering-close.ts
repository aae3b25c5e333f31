// Closes a connection after a response that was sent before its request had ended. To close on unread bytes resets the
// connection, and a reset can overtake the response: the relay first discards the rest, within bounds (RFC 9112 §9.6).
import type { Socket } from 'node:net';
import { DISCARDING_MAX_MS } from '../limits/fixed.ts';
import type { Turns } from './turns.ts';

/** Makes the connection linger when node:http closes it by `destroySoon`, if its client is still sending. */
export function lingerOnClose(socket: Socket, turns: Turns): void {
  const closeNow = socket.destroySoon;
  socket.destroySoon = () => {
    const req = turns.latest(socket)?.req; // undefined before the first request, or after an upgrade
    if (!req || socket.destroyed || (req.complete && !turns.hasWaiting(socket))) return closeNow.call(socket);
    socket.end();
    const deadline = setTimeout(() => socket.destroy(), DISCARDING_MAX_MS);
    socket.once('close', () => clearTimeout(deadline));
    if (req.complete) return; // pipelined requests are discarded until the client closes
    req.once('end', () => closeNow.call(socket));
    req.resume();
  };
}
