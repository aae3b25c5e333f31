// An open sealed WebSocket: opens the client's frames and sends them upstream, seals the upstream's messages and sends
// them to the client, with back-pressure both ways (SPEC §13.3, §13.4).
import {
  type Bytes,
  CLOSE_ABNORMAL,
  CLOSE_BAD_GATEWAY,
  CLOSE_GOING_AWAY,
  CLOSE_MESSAGE_TOO_BIG,
  CLOSE_NO_STATUS,
  CLOSE_NORMAL,
  CLOSE_PROTOCOL_ERROR,
  type DataFrame,
  encodeFrame,
  FrameReader,
  framesOf,
  ProtocolError,
  type SyncAead,
  type WebSocketFrame,
  type WebSocketKeys,
} from '@mte-relay/protocol';
import type { WebSocket } from 'ws';
import type { ProcessSettings } from '../config/settings.ts';
import { outerCloseCode } from '../failure/planes.ts';
import type { Pacer } from '../limits/pacer.ts';
import { isSmall, JoinedPieces } from '../limits/small-pieces.ts';
import type { Limit } from '../observe/metrics.ts';
import { TunnelEnd } from './tunnel-end.ts';

/** The limit that a message of the upstream exceeded, by the error code of `ws`. */
const LIMIT_OF: Readonly<Record<string, Limit>> = {
  WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: 'WEBSOCKET_MESSAGE_MAX_BYTES',
  WS_ERR_TOO_MANY_BUFFERED_PARTS: 'WEBSOCKET_FRAGMENTS_MAX',
};

/** Receives events of a tunnel. */
export interface TunnelObserver {
  /** A limit was exceeded. */
  onLimit(limit: Limit): void;
  /** The upstream's connection closed without a close frame. */
  onUpstreamBroken(error: Error): void;
}

/** Carries frames and messages between two open WebSockets until one of them ends. */
export class WebSocketTunnel {
  readonly #outer: WebSocket;
  readonly #upstream: WebSocket;
  readonly #clientEnd: TunnelEnd;
  readonly #upstreamEnd: TunnelEnd;
  readonly #keys: WebSocketKeys<SyncAead>;
  readonly #settings: ProcessSettings;
  readonly #observer: TunnelObserver;
  readonly #reader = new FrameReader();
  readonly #heartbeat: NodeJS.Timeout;
  readonly #lifetime: NodeJS.Timeout;
  #lastSignMs = performance.now();
  #messageBytes = 0;
  #messagePieces = 0;
  #isBinary = false; // the message in progress
  readonly #pieces = new JoinedPieces(); // of that message, not sent yet
  #clientClosed = false; // sealed, by the client
  #closeSealed = false; // by the relay
  #upstreamError: Error | undefined;
  #upstreamLimit: Limit | undefined; // exceeded by a message of the upstream
  #ended = false; // nothing more is sealed

  constructor(
    outer: WebSocket,
    upstream: WebSocket,
    keys: WebSocketKeys<SyncAead>,
    settings: ProcessSettings,
    pacer: Pacer,
    observer: TunnelObserver,
  ) {
    this.#observer = observer;
    this.#outer = outer;
    this.#upstream = upstream;
    this.#clientEnd = new TunnelEnd(outer, pacer, () => this.#clientTook());
    this.#upstreamEnd = new TunnelEnd(upstream, pacer, () => this.#readClient());
    this.#keys = keys;
    this.#settings = settings;
    this.#heartbeat = setInterval(() => this.#beat(), settings.WEBSOCKET_IDLE_TIMEOUT_MS / 2).unref();
    this.#lifetime = setTimeout(() => this.#endOfLife(), settings.WEBSOCKET_LIFETIME_MS).unref();
    this.#listenToClient();
    this.#listenToUpstream();
  }

  /** True once a sealed close frame was sent or received: only then is the end clean. */
  get isClosed(): boolean {
    return this.#clientClosed || this.#closeSealed;
  }

  /** Ends both sides in the relay's own name, cleanly. */
  close(code: number, reason: string): void {
    if (this.#ended) return;
    this.#seal({ kind: 'close', code, reason });
    this.#end(code, reason);
    this.#upstream.close(code, reason);
  }

  // Client to upstream.

  #listenToClient(): void {
    const outer = this.#outer;
    outer.on('message', (bytes: Buffer<ArrayBuffer>, isBinary) => {
      this.#lastSignMs = performance.now();
      if (isBinary) this.#fromClient(bytes);
      else this.#closeUnsealed(outerCloseCode('malformed'), 'malformed');
    });
    outer.on('pong', () => {
      this.#lastSignMs = performance.now();
    });
    outer.on('close', () => {
      clearInterval(this.#heartbeat);
      clearTimeout(this.#lifetime);
      this.#ended = true;
      // Without a sealed close frame the end is not authentic: the upstream must not get a clean close.
      if (!this.#clientClosed && this.#upstream.readyState === this.#upstream.OPEN) this.#upstreamEnd.terminate();
    });
  }

  #fromClient(bytes: Bytes): void {
    if (this.#ended) return;
    this.#clientEnd.count(bytes, () => this.#readClient());
    let opened: Bytes;
    try {
      opened = this.#keys.opener.open(bytes);
    } catch (error) {
      // Lost, repeated, reordered, truncated or changed by an intermediary: the reason cannot be sealed.
      const code = error instanceof ProtocolError && error.code === 'too-large' ? 'too-large' : 'unopenable';
      return this.#closeUnsealed(outerCloseCode(code), code);
    }
    try {
      this.#deliver(this.#reader.read(opened));
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#fault(CLOSE_PROTOCOL_ERROR, 'malformed');
    }
  }

  #deliver(frame: WebSocketFrame): void {
    switch (frame.kind) {
      case 'ping':
        this.#upstreamEnd.ping(frame.data);
        break;
      case 'pong':
        this.#upstreamEnd.pong(frame.data);
        break;
      case 'close':
        this.#clientClosed = true;
        return this.#upstream.close(frame.code, frame.reason);
      default:
        this.#deliverData(frame);
    }
    if (this.#upstreamEnd.isCongested && !this.#ended) this.#clientEnd.pause();
  }

  /** Sends a message piece by piece; the upstream gets no final piece of an incomplete message. */
  #deliverData({ kind, final, data }: DataFrame): void {
    this.#messageBytes = (kind === 'more' ? this.#messageBytes : 0) + data.length;
    this.#messagePieces = (kind === 'more' ? this.#messagePieces : 0) + 1;
    const { WEBSOCKET_MESSAGE_MAX_BYTES, WEBSOCKET_FRAGMENTS_MAX } = this.#settings;
    if (this.#messageBytes > WEBSOCKET_MESSAGE_MAX_BYTES) return this.#tooBig('WEBSOCKET_MESSAGE_MAX_BYTES');
    if (this.#messagePieces > WEBSOCKET_FRAGMENTS_MAX) return this.#tooBig('WEBSOCKET_FRAGMENTS_MAX');
    if (kind !== 'more') this.#isBinary = kind === 'binary';
    const isJoined = isSmall(data);
    if (isJoined) this.#pieces.add(data);
    if (isJoined && !final && !this.#pieces.isFull) return void process.nextTick(this.#sendPieces);
    if (!isJoined) this.#sendPieces();
    this.#upstreamEnd.send(isJoined ? this.#pieces.take() : data, { binary: this.#isBinary, fin: final });
  }

  /** Sends the small pieces of one read of the client as one. */
  readonly #sendPieces = (): void => {
    if (this.#pieces.length === 0) return;
    this.#upstreamEnd.send(this.#pieces.take(), { binary: this.#isBinary, fin: false });
  };

  #readClient(): void {
    if (!this.#upstreamEnd.isCongested) this.#clientEnd.resume();
  }

  // Upstream to client.

  #listenToUpstream(): void {
    const upstream = this.#upstream;
    const count = (message: Bytes): void => this.#upstreamEnd.count(message, () => this.#readUpstream());
    upstream.on('message', (message: Buffer<ArrayBuffer>, isBinary) => {
      count(message);
      for (const frame of framesOf(isBinary ? 'binary' : 'text', message)) this.#seal(frame);
    });
    for (const kind of ['ping', 'pong'] as const) {
      upstream.on(kind, (data: Buffer<ArrayBuffer>) => {
        count(data);
        this.#seal({ kind, data });
      });
    }
    upstream.on('error', (error: NodeJS.ErrnoException) => {
      this.#upstreamError = error;
      this.#upstreamLimit = LIMIT_OF[error.code ?? ''];
    });
    upstream.on('close', (code, reason) => this.#onUpstreamClose(code, reason.toString()));
  }

  #seal(frame: WebSocketFrame): void {
    if (this.#ended) return;
    const { sealer } = this.#keys;
    // Only a close may be the last frame of a key.
    if (sealer.left === 1 && frame.kind !== 'close') return this.close(CLOSE_GOING_AWAY, 'frames used up');
    if (frame.kind === 'close') this.#closeSealed = true;
    this.#clientEnd.send(sealer.seal(encodeFrame(frame)), { binary: true, fin: true });
    if (this.#clientEnd.isCongested) this.#upstreamEnd.pause();
  }

  #clientTook(): void {
    this.#lastSignMs = performance.now();
    this.#readUpstream();
  }

  #readUpstream(): void {
    if (!this.#clientEnd.isCongested) this.#upstreamEnd.resume();
  }

  #onUpstreamClose(code: number, reason: string): void {
    if (this.#upstreamLimit) return this.#tooBig(this.#upstreamLimit);
    if (code === CLOSE_ABNORMAL) return this.#onUpstreamBroken();
    this.#seal({ kind: 'close', code: code === CLOSE_NO_STATUS ? undefined : code, reason });
    this.#end(CLOSE_NORMAL, '');
  }

  #onUpstreamBroken(): void {
    if (this.#ended) return; // the relay itself broke it off
    this.#observer.onUpstreamBroken(this.#upstreamError ?? new Error('the upstream closed without a close frame'));
    this.#closeUnsealed(CLOSE_BAD_GATEWAY, 'upstream-failed');
  }

  // Closing.

  /** Closes for a fault of the client or a limit, with a sealed reason. */
  #fault(code: number, reason: string): void {
    this.#seal({ kind: 'close', code, reason });
    this.#end(CLOSE_NORMAL, '');
    this.#upstreamEnd.terminate();
  }

  #tooBig(limit: Limit): void {
    this.#observer.onLimit(limit);
    this.#fault(CLOSE_MESSAGE_TOO_BIG, 'message too big');
  }

  /** Closes without a sealed close frame, so that the client sees an unclean end. */
  #closeUnsealed(outerCode: number, reason: string): void {
    this.#end(outerCode, reason);
    this.#upstreamEnd.terminate();
  }

  #end(outerCode: number, reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#outer.resume(); // a paused WebSocket would not receive the close frame
    this.#outer.close(outerCode, reason);
  }

  #endOfLife(): void {
    if (!this.#ended) this.#observer.onLimit('WEBSOCKET_LIFETIME_MS');
    this.close(CLOSE_GOING_AWAY, 'lifetime over');
  }

  /** Pings the client: browsers respond by themselves, so a client without any sign of life has disconnected. */
  #beat(): void {
    if (performance.now() - this.#lastSignMs > this.#settings.WEBSOCKET_IDLE_TIMEOUT_MS) {
      if (!this.#ended) this.#observer.onLimit('WEBSOCKET_IDLE_TIMEOUT_MS');
      this.close(CLOSE_GOING_AWAY, 'no sign of life');
    } else if (this.#outer.readyState === this.#outer.OPEN) {
      this.#outer.ping();
    }
  }
}
