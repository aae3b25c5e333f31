// One sealed WebSocket as its client drives it (SPEC §13), in the order its bytes travel:
//   1 lease       a session and a message number, as for an exchange
//   2 open        the outer WebSocket, then the sealed opening message
//   3 answer      opened; only its word decides whether the WebSocket is open
//   4 out         messages cut into frames, sealed one after the other, no faster than the outer hop takes them
//   5 in          frames opened one after the other, messages put together
//   6 end         clean by a sealed close alone; anything else is a cut, and nothing is connected again
// Before step 3 a relay that has forgotten the session is paired with anew, once.
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
import type { Lease } from '../session/session.ts';
import { MESSAGE_MAX } from './limits.ts';

/** Times one WebSocket makes the client pair anew before it is open. */
const REPAIRS_MAX = 1;
/** Sealed bytes that may wait in the outer WebSocket before the next frame is sealed. */
const OUTER_WAITING_MAX_BYTES = 1_048_576;
/** No event tells when the outer WebSocket has sent what it had. */
const OUTER_WAITING_POLL_MS = 10;
/** For the relay's sealed close to come; the relay gives the upstream half of it. */
const CLOSE_TIMEOUT_MS = 10_000;
/** Outer close code for `session-unknown`. */
const OUTER_CLOSE_SESSION_UNKNOWN = OUTER_CLOSE_BASE + 401;

/** What its owner is told; `onEnd` once, and nothing after it. */
export interface SocketOwner {
  onOpen(protocol: string): void;
  onMessage(data: string | Bytes): void;
  /** @param end the peer's close; `cut` when the connection ended without one; or why it was given up. */
  onEnd(end: CloseWord | 'cut' | RelayClientError): void;
}

/** What a close frame says; without a code nothing was said (1005). */
export interface CloseWord {
  readonly code: number | undefined;
  readonly reason: string;
}

/** What the inner handshake asks for. */
export interface Upgrade {
  /** Of the relay's origin. */
  readonly url: URL;
  readonly protocols: readonly string[];
}

/** A sealed WebSocket on its way from opening to end. */
export class SealedSocket {
  readonly #core: ClientCore;
  readonly #Outer: typeof WebSocket;
  readonly #upgrade: Upgrade;
  readonly #owner: SocketOwner;
  readonly #giveUp = new AbortController();
  #outer: WebSocket | undefined;
  #keys: WebSocketKeys | undefined;
  readonly #reader = new FrameReader();
  #pieces: Bytes[] = [];
  #piecesBytes = 0;
  #kind: 'text' | 'binary' = 'binary';
  #pong: Bytes | undefined;
  #sending: Promise<void> = Promise.resolve();
  #closeTimer: ReturnType<typeof setTimeout> | undefined;
  #waitingBytes = 0;
  #ended = false;

  /** Begins at once. @param Outer makes the outer WebSocket. */
  constructor(core: ClientCore, Outer: typeof WebSocket, upgrade: Upgrade, owner: SocketOwner) {
    this.#core = core;
    this.#Outer = Outer;
    this.#upgrade = upgrade;
    this.#owner = owner;
    this.#open().catch((error: unknown) => this.#fail(error));
  }

  /** Bytes of messages that have not left; those that are sealed already count with 17 bytes more per frame. */
  get bufferedBytes(): number {
    return this.#waitingBytes + (this.#outer?.bufferedAmount ?? 0);
  }

  /** Counts what nobody will send any more, as the platform does behind a close. */
  countUnsent(bytes: number): void {
    this.#waitingBytes += bytes;
  }

  /** Sends a message behind those before it. */
  send(kind: 'text' | 'binary', message: Bytes | Blob): void {
    this.#waitingBytes += message instanceof Uint8Array ? message.length : message.size;
    this.#inTurn(async () => {
      const whole = message instanceof Uint8Array ? message : new Uint8Array(await message.arrayBuffer());
      for (const frame of framesOf(kind, whole)) {
        await this.#sendPong(); // a large message does not make the upstream wait for its pong
        await this.#sendFrame(frame);
        this.#waitingBytes -= frame.data.length;
      }
    });
  }

  /** Closes behind all messages, and waits for the peer's close. */
  close({ code, reason }: CloseWord): void {
    this.#inTurn(() => this.#sendClose(code, reason));
  }

  /** Ends it without a close, whatever it was doing. */
  abort(error: RelayClientError): void {
    this.#fail(error);
  }

  // 1 lease

  async #open(): Promise<void> {
    const { sessions } = this.#core.context;
    for (let repairs = 0; ; repairs += 1) {
      const lease = await sessions.lease(this.#giveUp.signal);
      let outerClose: CloseEvent | undefined;
      try {
        outerClose = await this.#attempt(lease);
      } finally {
        lease.session.settle(lease.n, this.#keys !== undefined);
      }
      if (!outerClose) return;
      // Anybody can say that the session is unknown. It costs a pairing, and the handshake is a GET.
      if (outerClose.code !== OUTER_CLOSE_SESSION_UNKNOWN || repairs >= REPAIRS_MAX) throw notOpened(outerClose);
      await orAborted(sessions.replace(lease.session), this.#giveUp.signal);
    }
  }

  // 2 open

  /** Resolves when the answer has been dealt with, or with the outer close that came instead of it. */
  #attempt({ session, n }: Lease): Promise<CloseEvent | undefined> {
    this.#giveUp.signal.throwIfAborted();
    const { context } = this.#core;
    const sealed = new SealedWebSocket(context.suite, session.keys, n);
    const url = new URL(PATH_WEBSOCKET, this.#core.origin);
    url.protocol = url.protocol.replace('http', 'ws');
    const outer = new this.#Outer(url.href, WEBSOCKET_SUBPROTOCOL);
    outer.binaryType = 'arraybuffer';
    this.#outer = outer;
    return new Promise((resolve, reject) => {
      let steps: Promise<void> = Promise.resolve();
      const inOrder = (step: () => Promise<void>): void => {
        steps = steps.then(step).catch((error: unknown) => {
          reject(error);
          this.#fail(error);
        });
      };
      outer.onopen = () =>
        inOrder(async () => outer.send(await sealed.sealRequest(encodeRequest(this.#head(session), emptyBytes()))));
      outer.onmessage = ({ data }) =>
        inOrder(async () => {
          if (this.#ended) return;
          if (!(data instanceof ArrayBuffer)) throw broken('an outer message that is not binary');
          if (this.#keys) return this.#onFrame(new Uint8Array(data));
          await this.#onAnswer(sealed, session, new Uint8Array(data));
          resolve(undefined);
        });
      outer.onerror = ignore; // its close tells; some implementations end the process when nobody listens
      outer.onclose = (event) =>
        inOrder(async () => {
          if (this.#keys) this.#end('cut');
          else resolve(event);
        });
    });
  }

  #head(session: Lease['session']): Parameters<typeof encodeRequest>[0] {
    const { context, origin, platform } = this.#core;
    const { url, protocols } = this.#upgrade;
    const headers: Fields = [
      ...platform.defaultFields(true),
      ...(protocols.length > 0 ? [['sec-websocket-protocol', protocols.join(', ')] as const] : []),
      ...context.fieldsFor(session),
    ];
    const scheme = origin.protocol.slice(0, -1);
    return { method: 'GET', scheme, authority: origin.host, path: targetOf(url), headers };
  }

  // 3 answer

  async #onAnswer(sealed: SealedWebSocket, session: Lease['session'], message: Bytes): Promise<void> {
    const { response, ...keys } = await sealed.openResponse(message);
    const head = decodeResponseHead(response);
    this.#keys = keys;
    this.#core.context.onAnswer(session, head);
    if (head.status !== 200) throw refused(`the upgrade was answered ${head.status}`);
    const protocol = fieldOf(head.headers, 'sec-websocket-protocol') ?? '';
    const { protocols } = this.#upgrade;
    // As the platform does: who offers subprotocols must get one of them, who offers none gets none.
    if (protocol === '' ? protocols.length > 0 : !protocols.includes(protocol)) {
      throw refused(`subprotocol "${protocol}" was chosen from "${protocols.join(', ')}"`);
    }
    if (!this.#ended) this.#owner.onOpen(protocol);
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
    if (left === 0) return; // nothing leaves behind the close
    // Only a close may be the last frame of a key: nothing could be sealed behind it.
    if (left === 1 && frame.kind !== 'close') return this.#sendClose(CLOSE_GOING_AWAY, 'frames used up');
    const sealed = await sealer.seal(encodeFrame(frame));
    this.#giveUp.signal.throwIfAborted();
    outer.send(sealed);
  }

  async #sendClose(code: number | undefined, reason: string): Promise<void> {
    await this.#sendFrame({ kind: 'close', code, reason });
    this.#closeTimer ??= setTimeout(() => this.#end('cut'), CLOSE_TIMEOUT_MS);
  }

  // 5 in

  async #onFrame(message: Bytes): Promise<void> {
    const frame = this.#reader.read(await (this.#keys as WebSocketKeys).opener.open(message));
    if (this.#ended) return;
    switch (frame.kind) {
      case 'ping':
        // One that waits already is replaced: the latest ping is the one to answer (RFC 6455 §5.5.3).
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
    // In memory of its own, which is handed out: an only piece shares it with its frame.
    const [first] = this.#pieces as [Bytes];
    const whole = this.#pieces.length === 1 ? copyBytes(first) : concatBytes(this.#pieces);
    this.#pieces = [];
    this.#piecesBytes = 0;
    this.#owner.onMessage(this.#kind === 'text' ? textOf(whole) : whole);
  }

  // 6 end

  #fail(error: unknown): void {
    this.#end(
      error instanceof RelayClientError ? error : broken(error instanceof Error ? error.message : `${error}`, error),
    );
  }

  #end(end: CloseWord | 'cut' | RelayClientError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#giveUp.abort(end instanceof Error ? end : broken('it has ended'));
    clearTimeout(this.#closeTimer);
    this.#sending.catch(ignore);
    this.#outer?.close();
    this.#owner.onEnd(end);
  }
}

function broken(why: string, cause?: unknown): RelayClientError {
  return new RelayClientError('websocket-broken', `the WebSocket cannot go on: ${why}`, {
    cause,
    mayHaveRun: true,
  });
}

function refused(why: string): RelayClientError {
  return new RelayClientError('websocket-refused', `the WebSocket was refused: ${why}`, { mayHaveRun: true });
}

function notOpened({ code, reason }: CloseEvent): RelayClientError {
  const said = reason ? `${code} ${reason}` : `${code}`;
  return new RelayClientError('unreachable', `the WebSocket was not opened: outer close ${said}`);
}
