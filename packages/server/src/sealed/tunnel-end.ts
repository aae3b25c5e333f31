// One end of a tunnel: a WebSocket with back-pressure by bytes and by messages, and a pace for small messages from it.
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import { BUFFERED_MAX_BYTES, MESSAGES_WAITING_MAX } from '../limits/fixed.ts';
import { type Pacer, PieceMeter } from '../limits/pacer.ts';
import { isSmall } from '../limits/small-pieces.ts';

/** A WebSocket that is read and written. */
export class TunnelEnd {
  readonly #ws: WebSocket;
  readonly #socket: Socket;
  readonly #meter: PieceMeter;
  readonly #drained: () => void;
  #waiting = 0; // messages that are not written out
  #isCorked = false;
  #isPaced = false;

  /** @param drained is called whenever a message was written out. */
  constructor(ws: WebSocket, pacer: Pacer, drained: () => void) {
    this.#ws = ws;
    this.#socket = Reflect.get(ws, '_socket') as Socket; // `ws` shows it in no other way
    this.#meter = new PieceMeter(pacer, 'message');
    this.#drained = drained;
  }

  // Writing.

  /** True if what waits for it is too much, in bytes or in messages: the other end must not be read. */
  get isCongested(): boolean {
    return this.#ws.bufferedAmount > BUFFERED_MAX_BYTES || this.#waiting > MESSAGES_WAITING_MAX;
  }

  send(data: Uint8Array, options: { readonly binary: boolean; readonly fin: boolean }): void {
    this.#begin();
    this.#ws.send(data, options, this.#written);
  }

  ping(data: Uint8Array): void {
    this.#begin();
    this.#ws.ping(data, undefined, this.#written);
  }

  pong(data: Uint8Array): void {
    this.#begin();
    this.#ws.pong(data, undefined, this.#written);
  }

  /** The messages of one read of the other end are one write here. */
  #begin(): void {
    this.#waiting += 1;
    if (this.#isCorked) return;
    this.#isCorked = true;
    this.#socket.cork();
    process.nextTick(this.#uncork);
  }

  readonly #uncork = (): void => {
    if (!this.#isCorked) return;
    this.#isCorked = false;
    this.#socket.uncork();
  };

  /** Closes the connection at once, behind what was sent. */
  terminate(): void {
    this.#uncork();
    this.#ws.terminate();
  }

  readonly #written = (): void => {
    this.#waiting -= 1;
    this.#drained();
  };

  // Reading.

  /** Counts a message from this end, and lets others go first after many small ones. @param resume resumes reading. */
  count(message: Uint8Array, resume: () => void): void {
    if (!isSmall(message) || !this.#meter.take() || this.#isPaced) return;
    this.#isPaced = true;
    this.#ws.pause();
    // The messages of this read are still to come.
    setImmediate(() => {
      const goOn = (): void => {
        this.#isPaced = false;
        resume();
      };
      setTimeout(goOn, this.#meter.waitMs()).unref();
    });
  }

  pause(): void {
    this.#ws.pause();
  }

  /** Resumes reading, unless it is paced. */
  resume(): void {
    if (this.#ws.isPaused && !this.#isPaced) this.#ws.resume();
  }
}
