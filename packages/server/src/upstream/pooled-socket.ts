// What the relay watches on each connection of the pool, beside undici: whether a request was sent on a kept connection that
// ended without a byte of a response, and a `100 Continue` that nobody has asked for (RFC 9110 §15.2.1), which undici takes
// for a fault of the upstream.
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { CONTINUE_MAX_BYTES } from '../limits/fixed.ts';

/** undici publishes the head of each request here, before the first byte is written. */
const SENDING = 'undici:client:sendHeaders';
const NOTHING = Buffer.alloc(0);
const CONTINUE = [Buffer.from('HTTP/1.1 100 '), Buffer.from('HTTP/1.1 100\r'), Buffer.from('HTTP/1.0 100 ')] as const;
const CONTINUE_BYTES = CONTINUE[0].length;
const END_OF_HEAD = Buffer.from('\r\n\r\n');

/** Codes of a connection that the upstream has closed; not that of a time limit. */
const CLOSED: ReadonlySet<unknown> = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE']);

/** Errors of kept connections that ended before the first byte of a response. */
const ENDED_SILENTLY = new WeakSet<object>();

/**
 * True if a kept connection ended with this error before the first byte of a response: the upstream may have closed it
 * just as the relay reused it. False for a new connection.
 */
export function endedSilently(error: unknown): boolean {
  return ENDED_SILENTLY.has(error as object);
}

/** The connections of one pool. */
export class PooledSockets {
  readonly #sockets = new WeakMap<Socket, PooledSocket>();
  readonly #onSending = (message: unknown): void => {
    this.#sockets.get((message as { socket: Socket }).socket)?.beginRequest();
  };

  constructor() {
    subscribe(SENDING, this.#onSending);
  }

  /** Watches a new connection. Called before undici adds its own listeners. */
  watch(socket: Socket): void {
    this.#sockets.set(socket, new PooledSocket(socket));
  }

  /** Stops watching. */
  close(): void {
    unsubscribe(SENDING, this.#onSending);
  }
}

/** One connection, with one request at a time. */
class PooledSocket {
  #requests = 0;
  #isSilent = false; // no byte has arrived since the latest request began
  #atStart = false; // the next byte begins a response
  #held: Buffer = NOTHING; // the beginning of what may be a `100 Continue`

  constructor(socket: Socket) {
    const push = socket.push;
    // In place, since undici parses what it reads from this very socket.
    socket.push = (piece, encoding) => {
      if (piece === null && this.#held.length > 0) push.call(socket, this.#release());
      return push.call(socket, this.#isPassed(piece) ? piece : this.#take(piece), encoding);
    };
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (this.#isSilent && this.#requests > 1 && CLOSED.has(error.code)) ENDED_SILENTLY.add(error);
    });
  }

  beginRequest(): void {
    this.#requests += 1;
    this.#isSilent = true;
    this.#atStart = true;
  }

  #isPassed(piece: Buffer | null): piece is null {
    return piece === null || piece.length === 0 || !this.#atStart;
  }

  /** The piece without each `100 Continue` before the response. */
  #take(piece: Buffer): Buffer {
    this.#isSilent = false;
    this.#held = this.#held.length === 0 ? piece : Buffer.concat([this.#held, piece]);
    while (mayBeContinue(this.#held)) {
      const end = this.#held.indexOf(END_OF_HEAD);
      if (end < 0 && this.#held.length < CONTINUE_MAX_BYTES) return NOTHING;
      // Lines that end otherwise: undici decides on all of it.
      if (end < 0 || hasBareLineFeed(this.#held.subarray(0, end))) return this.#release();
      this.#held = this.#held.subarray(end + END_OF_HEAD.length);
      if (this.#held.length === 0) return NOTHING;
    }
    return this.#release();
  }

  #release(): Buffer {
    const held = this.#held;
    this.#held = NOTHING;
    this.#atStart = false;
    return held;
  }
}

/** True for the beginning of a `100 Continue`, however short. */
function mayBeContinue(bytes: Buffer): boolean {
  const length = Math.min(bytes.length, CONTINUE_BYTES);
  return CONTINUE.some((start) => start.compare(bytes, 0, length, 0, length) === 0);
}

function hasBareLineFeed(head: Buffer): boolean {
  return /(?<!\r)\n/.test(head.toString('latin1'));
}
