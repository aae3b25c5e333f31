// The client's side of one sealed WebSocket (SPEC §13), in the order its bytes travel:
//   1 lease       a session and a message number, as for an exchange
//   2 open        the outer WebSocket, then the sealed opening message
//   3 response    opened; it alone decides whether the WebSocket is open
//   4 out         splits messages into frames and seals them in order, no faster than the outer hop sends
//   5 in          opens frames in order and assembles messages
//   6 end         clean after a sealed close only; otherwise the connection was cut off. It never reconnects
// If the relay has lost the session before step 3, the client pairs again, once.
import {
  type Bytes,
  CLOSE_GOING_AWAY,
  concatBytes,
  copyBytes,
  decodeResponseHead,
  emptyBytes,
  encodeFrame,
  encodeRequest,
  type Fields,
  FrameReader,
  framesOf,
  OUTER_CLOSE_BASE,
  PATH_WEBSOCKET,
  SealedWebSocket,
  WEBSOCKET_SUBPROTOCOL,
  type WebSocketFrame,
  type WebSocketKeys,
} from '@mte-relay/protocol';
import { textOf } from '#dom';
import { URL } from '#url';
import { ignore, orAborted, pause } from '../abort.ts';
import { RelayClientError } from '../api/errors.ts';
import type { ClientCore } from '../core.ts';
import { fieldOf } from '../platform/response-parts.ts';
import { targetOf } from '../platform/target.ts';
import { staleSince, withMayHaveRun } from '../send/retry.ts';
import type { SentCookies } from '../session/cookies.ts';
import type { Lease } from '../session/session.ts';
import { MESSAGE_MAX } from './limits.ts';

/** Pairings that one WebSocket may cause before it is open. */
const REPAIRS_MAX = 1;
/** The client seals the next frame once the outer WebSocket has buffered at most this much. */
const OUTER_WAITING_MAX_BYTES = 1_048_576;
/** Polled, because WebSocket does not report when its buffer drains. */
const OUTER_WAITING_POLL_MS = 10;
/** Timeout for the relay's sealed close. The relay allows the upstream half of it. */
const CLOSE_TIMEOUT_MS = 10_000;
/** Outer close code for `session-unknown`. */
const OUTER_CLOSE_SESSION_UNKNOWN = OUTER_CLOSE_BASE + 401;

/** A browser sends cookies with every WebSocket of a page (WebSockets §2). */
const OWN_FACTS = { hasCredentials: true, sameSite: 'strict', keepalive: false } as const;

/** The owner's callbacks. `onEnd` is called once and last. */
export interface SocketOwner {
  onOpen(protocol: string): void;
  onMessage(data: string | Bytes): void;
  /** @param end the peer's close; `cut` when the connection closed without one; or the error that ended it. */
  onEnd(end: CloseStatus | 'cut' | RelayClientError): void;
}

/** Content of a close frame. Without a code the peer gave none (1005). */
export interface CloseStatus {
  readonly code: number | undefined;
  readonly reason: string;
}

/** The inner handshake. */
export interface Upgrade {
  /** Of the relay's origin. */
  readonly url: URL;
  readonly protocols: readonly string[];
}

/** A sealed WebSocket, from opening to end. */
export class SealedSocket {
  readonly #core: ClientCore;
  readonly #Outer: typeof WebSocket;
  readonly #upgrade: Upgrade;
  readonly #owner: SocketOwner;
  readonly #giveUp = new AbortController();
  #outer: WebSocket | undefined;
  #keys: WebSocketKeys | undefined;
  /** True once the handshake may have reached the API. */
  #dispatched = false;
  readonly #reader = new FrameReader();
  #pieces: Bytes[] = [];
  #piecesBytes = 0;
  #kind: 'text' | 'binary' = 'binary';
  #pong: Bytes | undefined;
  #sending: Promise<void> = Promise.resolve();
  #closeTimer: ReturnType<typeof setTimeout> | undefined;
  #waitingBytes = 0;
  #ended = false;

  /** Connects at once. @param Outer makes the outer WebSocket. */
  constructor(core: ClientCore, Outer: typeof WebSocket, upgrade: Upgrade, owner: SocketOwner) {
    this.#core = core;
    this.#Outer = Outer;
    this.#upgrade = upgrade;
    this.#owner = owner;
    this.#open().catch((error: unknown) => this.#fail(error));
  }

  /** Bytes of messages not yet sent. Those already sealed count 17 bytes more per frame. */
  get bufferedBytes(): number {
    return this.#waitingBytes + (this.#outer?.bufferedAmount ?? 0);
  }

  /** Counts bytes that will not be sent, as the platform does after a close. */
  countUnsent(bytes: number): void {
    this.#waitingBytes += bytes;
  }

  /** Sends a message after the earlier ones. */
  send(kind: 'text' | 'binary', message: Bytes | Blob): void {
    this.#waitingBytes += message instanceof Uint8Array ? message.length : message.size;
    this.#inTurn(async () => {
      const whole = message instanceof Uint8Array ? message : new Uint8Array(await message.arrayBuffer());
      for (const frame of framesOf(kind, whole)) {
        await this.#sendPong(); // so that a large message does not delay a pong
        await this.#sendFrame(frame);
        this.#waitingBytes -= frame.data.length;
      }
    });
  }

  /** Closes after all messages, and waits for the peer's close. */
  close({ code, reason }: CloseStatus): void {
    this.#inTurn(() => this.#sendClose(code, reason));
  }

  /** Ends it within a time limit: a peer that does not read would keep it closing for ever. */
  endSoon(): void {
    this.#closeTimer ??= setTimeout(() => this.#end('cut'), CLOSE_TIMEOUT_MS);
  }

  /** Ends it at once, without a close. */
  abort(error: RelayClientError): void {
    this.#fail(error);
  }

  // 1 lease

  async #open(): Promise<void> {
    const { sessions } = this.#core.context;
    for (let repairs = 0; ; repairs += 1) {
      const lease = await sessions.lease(this.#giveUp.signal);
      let outerClose: CloseEvent | 'stale' | undefined;
      try {
        outerClose = await this.#attempt(lease);
      } finally {
        lease.session.settle(lease.n, this.#keys !== undefined);
      }
      if (!outerClose) return;
      if (outerClose === 'stale') {
        if (repairs >= REPAIRS_MAX) throw refused('the relay finds it too old');
        continue;
      }
      // This close code can be forged. A forgery costs one pairing, and the handshake, a GET, may be repeated.
      if (outerClose.code !== OUTER_CLOSE_SESSION_UNKNOWN || repairs >= REPAIRS_MAX) throw notOpened(outerClose);
      await orAborted(sessions.replace(lease.session), this.#giveUp.signal);
    }
  }

  // 2 open

  /** Resolves once the response is handled, or with the outer close that came instead of it; `stale` for a new try. */
  #attempt({ session, n }: Lease): Promise<CloseEvent | 'stale' | undefined> {
    this.#giveUp.signal.throwIfAborted();
    const { context } = this.#core;
    const sealed = new SealedWebSocket(context.suite, session.keys, n);
    const url = new URL(PATH_WEBSOCKET, this.#core.origin);
    url.protocol = url.protocol.replace('http', 'ws');
    const outer = new this.#Outer(url.href, WEBSOCKET_SUBPROTOCOL);
    outer.binaryType = 'arraybuffer';
    this.#outer = outer;
    return new Promise((resolve, reject) => {
      let own: SentCookies = { fields: [], records: [] };
      let steps: Promise<void> = Promise.resolve();
      const inOrder = (step: () => Promise<void>): void => {
        steps = steps.then(step).catch((error: unknown) => {
          reject(error);
          this.#fail(error);
        });
      };
      outer.onopen = () =>
        inOrder(async () => {
          own = await context.ownFields(session, OWN_FACTS);
          const head = this.#head([...own.fields, session.sentField]);
          const padToMultipleBytes = Math.max(context.padToBytes, session.parameters.padToBytes);
          const opening = await sealed.sealRequest(encodeRequest(head, emptyBytes(), { padToMultipleBytes }));
          this.#dispatched = true;
          outer.send(opening);
        });
      outer.onmessage = ({ data }) =>
        inOrder(async () => {
          if (this.#ended) return;
          if (!(data instanceof ArrayBuffer)) throw broken('an outer message that is not binary');
          if (this.#keys) return this.#onFrame(new Uint8Array(data));
          const stale = await this.#onResponse(sealed, session, own, new Uint8Array(data));
          if (stale) {
            outer.onmessage = outer.onclose = null; // its end is not that of the one that follows
            outer.close();
          }
          resolve(stale);
        });
      outer.onerror = ignore; // onclose follows; without a listener some implementations end the process
      outer.onclose = (event) =>
        inOrder(async () => {
          if (this.#keys) this.#end('cut');
          else resolve(event);
        });
    });
  }

  #head(own: Fields): Parameters<typeof encodeRequest>[0] {
    const { origin, platform } = this.#core;
    const { url, protocols } = this.#upgrade;
    const headers: Fields = [
      ...platform.defaultFields(true),
      ...(protocols.length > 0 ? [['sec-websocket-protocol', protocols.join(', ')] as const] : []),
      ...own,
    ];
    const scheme = origin.protocol.slice(0, -1);
    return { method: 'GET', scheme, authority: origin.host, path: targetOf(url), headers };
  }

  // 3 response

  async #onResponse(
    sealed: SealedWebSocket,
    session: Lease['session'],
    own: SentCookies,
    message: Bytes,
  ): Promise<'stale' | undefined> {
    const { response, ...keys } = await sealed.openResponse(message);
    const head = decodeResponseHead(response);
    const relayTimeMs = staleSince(head);
    if (relayTimeMs !== undefined) {
      session.relayTimeMs = relayTimeMs;
      return 'stale';
    }
    this.#keys = keys;
    await this.#core.context.onResponse(session, head, own);
    if (head.status !== 200) throw refused(`status ${head.status}`);
    const protocol = fieldOf(head.headers, 'sec-websocket-protocol') ?? '';
    const { protocols } = this.#upgrade;
    // As on the platform: the response must choose one of the offered subprotocols, or none if none was offered.
    if (protocol === '' ? protocols.length > 0 : !protocols.includes(protocol)) {
      throw refused(`subprotocol "${protocol}" was chosen from "${protocols.join(', ')}"`);
    }
    if (!this.#ended) this.#owner.onOpen(protocol);
    return undefined;
  }

  // 4 out

  #inTurn(step: () => Promise<void>): void {
    this.#sending = this.#sending.then(step).catch((error: unknown) => this.#fail(error));
  }

  async #sendPong(): Promise<void> {
    const data = this.#pong;
    this.#pong = undefined;
    if (data) await this.#sendFrame({ kind: 'pong', data });
  }

  async #sendFrame(frame: WebSocketFrame): Promise<void> {
    const outer = this.#outer as WebSocket;
    while (outer.bufferedAmount > OUTER_WAITING_MAX_BYTES) {
      await pause(OUTER_WAITING_POLL_MS, this.#giveUp.signal);
    }
    this.#giveUp.signal.throwIfAborted();
    const { sealer } = this.#keys as WebSocketKeys;
    const { left } = sealer;
    if (left === 0) return; // the close was the last frame
    // The last frame of a key is reserved for a close.
    if (left === 1 && frame.kind !== 'close') return this.#sendClose(CLOSE_GOING_AWAY, 'frames used up');
    const sealed = await sealer.seal(encodeFrame(frame));
    this.#giveUp.signal.throwIfAborted();
    outer.send(sealed);
  }

  async #sendClose(code: number | undefined, reason: string): Promise<void> {
    await this.#sendFrame({ kind: 'close', code, reason });
    this.endSoon();
  }

  // 5 in

  async #onFrame(message: Bytes): Promise<void> {
    const frame = this.#reader.read(await (this.#keys as WebSocketKeys).opener.open(message));
    if (this.#ended) return;
    switch (frame.kind) {
      case 'ping':
        // Replaces a waiting pong: only the latest ping needs one (RFC 6455 §5.5.3).
        if (!this.#pong) this.#inTurn(() => this.#sendPong());
        this.#pong = frame.data;
        return;
      case 'pong':
        return;
      case 'close':
        return this.#end({ code: frame.code, reason: frame.reason });
      default:
        if (frame.kind !== 'more') this.#kind = frame.kind;
        this.#pieces.push(frame.data);
        this.#piecesBytes += frame.data.length;
        if (this.#piecesBytes > MESSAGE_MAX) throw broken(`a message of more than ${MESSAGE_MAX} bytes`);
        if (frame.final) this.#deliver();
    }
  }

  #deliver(): void {
    // Copied, because a single piece shares its memory with its frame.
    const [first] = this.#pieces as [Bytes];
    const whole = this.#pieces.length === 1 ? copyBytes(first) : concatBytes(this.#pieces);
    this.#pieces = [];
    this.#piecesBytes = 0;
    this.#owner.onMessage(this.#kind === 'text' ? textOf(whole) : whole);
  }

  // 6 end

  #fail(error: unknown): void {
    const known =
      error instanceof RelayClientError ? error : broken(error instanceof Error ? error.message : `${error}`, error);
    this.#end(this.#dispatched ? withMayHaveRun(known) : known);
  }

  #end(end: CloseStatus | 'cut' | RelayClientError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#giveUp.abort(end instanceof Error ? end : broken('it has closed'));
    clearTimeout(this.#closeTimer);
    this.#sending.catch(ignore);
    this.#outer?.close();
    this.#owner.onEnd(end);
  }
}

function broken(why: string, cause?: unknown): RelayClientError {
  return new RelayClientError('websocket-broken', `the WebSocket failed: ${why}`, {
    cause,
    mayHaveRun: true,
  });
}

function refused(why: string): RelayClientError {
  return new RelayClientError('websocket-refused', `the WebSocket was refused: ${why}`, { mayHaveRun: true });
}

function notOpened({ code, reason }: CloseEvent): RelayClientError {
  const close = reason ? `${code} ${reason}` : `${code}`;
  return new RelayClientError('unreachable', `the WebSocket was not opened: outer close ${close}`);
}
