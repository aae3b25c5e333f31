// The platform's WebSocket interface (WHATWG WebSockets) over a sealed one: checks arguments and dispatches events. The
// connection itself is in sealed-socket.ts.
import {
  type Bytes,
  CLOSE_ABNORMAL,
  CLOSE_GOING_AWAY,
  CLOSE_NO_STATUS,
  CLOSE_NORMAL,
  TOKEN,
} from '@mte-relay/protocol';
import { domError, EventTargetBase, makeEvent, textOf } from '#dom';
import { URL } from '#url';
import { notRelayed, RelayClientError } from '../api/errors.ts';
import type { ClientCore } from '../core.ts';
import { addHandlerAttributes, addStates } from './dom-events.ts';
import { type CloseStatus, SealedSocket } from './sealed-socket.ts';

const CONNECTING = 0;
const OPEN = 1;
const CLOSING = 2;
const CLOSED = 3;

/** RFC 6455 §5.5: 125 bytes without the code. */
const CLOSE_REASON_MAX_BYTES = 123;

/**
 * The client's WebSocket class.
 * @param Outer makes the outer WebSockets. Default: the platform's at call time.
 */
export function makeWebSocket(core: ClientCore, Outer: typeof WebSocket | undefined): typeof WebSocket {
  class RelayWebSocket extends SocketInterface {
    constructor(url: string | URL, protocols: string | string[] = []) {
      super(core, Outer ?? globalThis.WebSocket, url, protocols);
    }
  }
  return RelayWebSocket as unknown as typeof WebSocket;
}

class SocketInterface extends EventTargetBase {
  readonly #core: ClientCore;
  readonly #socket: SealedSocket;
  readonly #url: URL;
  #readyState = CONNECTING;
  #protocol = '';
  #binaryType: BinaryType = 'blob';

  constructor(core: ClientCore, Outer: typeof WebSocket, url: string | URL, protocols: string | string[]) {
    super();
    core.checkOpen();
    if (!Outer) throw new RelayClientError('misuse', 'this runtime has no WebSocket: pass one as an option');
    this.#core = core;
    this.#url = webSocketUrl(core, url);
    this.#socket = new SealedSocket(
      core,
      Outer,
      { url: this.#url, protocols: checkedProtocols(protocols) },
      {
        onOpen: (protocol) => {
          if (this.#readyState !== CONNECTING) return;
          this.#readyState = OPEN;
          this.#protocol = protocol;
          this.dispatchEvent(makeEvent('Event', 'open'));
        },
        onMessage: (data) => this.#onMessage(data),
        onEnd: (end) => this.#onEnd(end),
      },
    );
    core.closing.addEventListener('abort', this.#onClosing);
  }

  get url(): string {
    return this.#url.href;
  }

  get readyState(): number {
    return this.#readyState;
  }

  get bufferedAmount(): number {
    return this.#socket.bufferedBytes;
  }

  /** Always empty: extensions apply between the relay and the upstream only. */
  get extensions(): string {
    return '';
  }

  get protocol(): string {
    return this.#protocol;
  }

  get binaryType(): BinaryType {
    return this.#binaryType;
  }

  set binaryType(value: BinaryType) {
    if (value === 'blob' || value === 'arraybuffer') this.#binaryType = value;
  }

  /** @throws InvalidStateError while connecting. */
  send(...given: readonly unknown[]): void {
    if (given.length === 0) throw new TypeError('send expects data');
    if (this.#readyState === CONNECTING) throw domError('InvalidStateError', 'the WebSocket is still connecting');
    const { kind, message } = taken(given[0]);
    if (this.#readyState === OPEN) this.#socket.send(kind, message);
    else this.#socket.countUnsent(message instanceof Uint8Array ? message.length : message.size);
  }

  /** @throws InvalidAccessError unless the code is 1000 or 3000 to 4999, SyntaxError for a reason above 123 bytes. */
  close(code?: number, reason?: string): void {
    const status = checkedClose(code, reason);
    if (this.#readyState >= CLOSING) return;
    this.#close(status);
  }

  #close(status: CloseStatus): void {
    const wasConnecting = this.#readyState === CONNECTING;
    this.#readyState = CLOSING;
    if (!wasConnecting) this.#socket.close(status);
    // Later, so that events fire after close() returns, as on the platform.
    else queueMicrotask(() => this.#socket.abort(new RelayClientError('closed', 'the WebSocket was closed first')));
  }

  /** When the client closes, its WebSockets close as those of a page that the user leaves. */
  readonly #onClosing = (): void => {
    this.#socket.endSoon();
    if (this.#readyState < CLOSING) this.#close({ code: CLOSE_GOING_AWAY, reason: '' });
  };

  #onMessage(data: string | Bytes): void {
    if (this.#readyState !== OPEN) return;
    const given = typeof data === 'string' ? data : this.#binaryType === 'blob' ? new Blob([data]) : data.buffer;
    this.dispatchEvent(makeEvent('MessageEvent', 'message', { data: given, origin: this.#url.origin }));
  }

  #onEnd(end: CloseStatus | 'cut' | RelayClientError): void {
    this.#core.closing.removeEventListener('abort', this.#onClosing);
    this.#readyState = CLOSED;
    // As on the platform: `error` only when this side fails the connection, `close` always.
    if (end instanceof Error)
      this.dispatchEvent(makeEvent('ErrorEvent', 'error', { error: end, message: end.message }));
    const clean = end !== 'cut' && !(end instanceof Error);
    const { code = CLOSE_NO_STATUS, reason } = clean ? end : { code: CLOSE_ABNORMAL, reason: '' };
    this.dispatchEvent(makeEvent('CloseEvent', 'close', { wasClean: clean, code, reason }));
  }
}

addHandlerAttributes(SocketInterface.prototype, ['open', 'message', 'error', 'close']);
addStates(SocketInterface, { CONNECTING, OPEN, CLOSING, CLOSED });

/** The URL by the constructor's first steps. Its origin must be the relay's. */
function webSocketUrl({ origin, platform }: ClientCore, given: string | URL): URL {
  const base = platform.baseUrl(origin.origin);
  if (!URL.canParse(given, base)) throw domError('SyntaxError', `"${given}" is not a URL`);
  const url = new URL(given, base);
  url.protocol = url.protocol.replace(/^http/, 'ws');
  if (!/^wss?:$/.test(url.protocol)) throw domError('SyntaxError', `${url.protocol} is not a scheme for WebSockets`);
  if (url.href.includes('#')) throw domError('SyntaxError', 'the URL of a WebSocket cannot have a fragment');
  if (url.origin.replace(/^ws/, 'http') !== origin.origin) throw notRelayed(url, origin.origin);
  return url;
}

function checkedProtocols(given: string | string[]): string[] {
  const protocols = typeof given === 'string' ? [given] : Array.from(given, String);
  const distinct = new Set(protocols.map((protocol) => protocol.toLowerCase()));
  if (distinct.size !== protocols.length) throw domError('SyntaxError', 'a subprotocol is offered twice');
  for (const protocol of protocols) {
    if (!TOKEN.test(protocol)) throw domError('SyntaxError', `subprotocol "${protocol}" is not a token`);
  }
  return protocols;
}

function checkedClose(code: number | undefined, reason = ''): CloseStatus {
  // Web IDL's [Clamp] unsigned short.
  const clamped = code === undefined ? undefined : Math.min(Math.max(Math.round(Number(code)) || 0, 0), 0xffff);
  if (clamped !== undefined && clamped !== CLOSE_NORMAL && (clamped < 3000 || clamped > 4999)) {
    throw domError('InvalidAccessError', `close code expected 1000 or 3000 to 4999, got ${clamped}`);
  }
  const encoded = new TextEncoder().encode(`${reason}`);
  if (encoded.length > CLOSE_REASON_MAX_BYTES) {
    throw domError('SyntaxError', `close reason expected up to ${CLOSE_REASON_MAX_BYTES} bytes`);
  }
  return { code: clamped ?? (encoded.length === 0 ? undefined : CLOSE_NORMAL), reason: textOf(encoded) };
}

/** A copy of the message, because the caller may change its buffer later. */
function taken(data: unknown): { kind: 'text' | 'binary'; message: Bytes | Blob } {
  if (globalThis.Blob && data instanceof Blob) return { kind: 'binary', message: data };
  if (data instanceof ArrayBuffer) return { kind: 'binary', message: new Uint8Array(data.slice(0)) };
  if (ArrayBuffer.isView(data)) {
    return { kind: 'binary', message: new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice() };
  }
  return { kind: 'text', message: new TextEncoder().encode(`${data}`) };
}
