// The platform's EventSource interface (HTML §9.2) over the client's sealed fetch: connect, announce, read, and reconnect
// from the last event's id until it is closed or fails permanently.
import { INNER_FAILURE_FIELD } from '@mte-relay/protocol';
import { domError, EventTargetBase, makeEvent } from '#dom';
import { URL } from '#url';
import { ignore, pause } from '../abort.ts';
import { notRelayed, RelayClientError } from '../api/errors.ts';
import type { RelayFetch } from '../api/types.ts';
import type { ClientCore } from '../core.ts';
import { piecesOf } from '../outer/streams.ts';
import { fieldTextOf } from '../platform/field-text.ts';
import { addHandlerAttributes, addStates } from './dom-events.ts';
import { EventStreamReader } from './event-stream.ts';

const CONNECTING = 0;
const OPEN = 1;
const CLOSED = 2;

/** Pause before it reconnects, unless the stream sets another. */
const RETRY_DEFAULT_MS = 3_000;
/** Limit of the doubling after consecutive failures. A stream may set a longer pause. */
const BACKOFF_MAX_MS = 60_000;
/** The longest delay that timers accept (2^31 - 1). */
const TIMER_MAX_MS = 2_147_483_647;
/** HTML §9.2.2: the essence of the response's type. */
const EVENT_STREAM_TYPE = /^[\t\n\r ]*text\/event-stream[\t\n\r ]*(?:;|$)/i;

/** The client's EventSource class. */
export function makeEventSource(core: ClientCore, fetch: RelayFetch): typeof EventSource {
  class RelayEventSource extends SourceInterface {
    constructor(url: string | URL, init: EventSourceInit = {}) {
      super(core, fetch, url, init);
    }
  }
  return RelayEventSource as unknown as typeof EventSource;
}

class SourceInterface extends EventTargetBase {
  readonly #core: ClientCore;
  readonly #fetch: RelayFetch;
  readonly #url: URL;
  readonly #withCredentials: boolean;
  readonly #closing = new AbortController();
  #readyState = CONNECTING;
  #lastEventId = '';
  #retryMs = RETRY_DEFAULT_MS;
  #failuresInRow = 0;

  constructor(core: ClientCore, fetch: RelayFetch, url: string | URL, init: EventSourceInit) {
    super();
    core.checkOpen();
    const base = core.platform.baseUrl(core.origin.origin);
    if (!URL.canParse(url, base)) throw domError('SyntaxError', `"${url}" is not a URL`);
    this.#url = new URL(url, base);
    if (this.#url.origin !== core.origin.origin) throw notRelayed(this.#url, core.origin.origin);
    this.#core = core;
    this.#fetch = fetch;
    this.#withCredentials = init.withCredentials === true;
    core.closing.addEventListener('abort', this.#onClosing);
    this.#run().catch(ignore); // rejects only when close() aborts it
  }

  get url(): string {
    return this.#url.href;
  }

  get withCredentials(): boolean {
    return this.#withCredentials;
  }

  get readyState(): number {
    return this.#readyState;
  }

  /** Ends it permanently. It dispatches no more events. */
  close(): void {
    this.#readyState = CLOSED;
    this.#core.closing.removeEventListener('abort', this.#onClosing);
    this.#closing.abort();
  }

  readonly #onClosing = (): void => this.#fail(this.#core.closing.reason);

  /** Fails permanently: closes and dispatches the error. */
  #fail(error: unknown): void {
    if (this.#readyState === CLOSED) return;
    this.close();
    this.#dispatchError(error);
  }

  #dispatchError(error: unknown): void {
    const message = error instanceof Error ? error.message : `${error}`;
    this.dispatchEvent(makeEvent('ErrorEvent', 'error', { error, message }));
  }

  async #run(): Promise<void> {
    while (this.#readyState !== CLOSED) {
      let failure: unknown;
      try {
        failure = await this.#connect();
      } catch (error) {
        failure = error;
        this.#failuresInRow += 1;
      }
      if (this.#closing.signal.aborted) return;
      if (isPermanent(failure)) return this.#fail(failure);
      this.#readyState = CONNECTING;
      this.#dispatchError(failure);
      await pause(this.#delayMs, this.#closing.signal);
    }
  }

  /** One connection, to its end. Resolves with the reason to reconnect; throws when it cannot connect or is cut off. */
  async #connect(): Promise<RelayClientError> {
    const response = await this.#fetch(this.#url, {
      headers: { accept: 'text/event-stream', ...lastEventIdField(this.#lastEventId) },
      cache: 'no-store',
      credentials: this.#withCredentials ? 'include' : 'same-origin',
      signal: this.#closing.signal,
    });
    const refusal = refusalIn(response);
    if (refusal) {
      response.body?.cancel().catch(ignore);
      throw refusal;
    }
    this.#readyState = OPEN;
    this.#failuresInRow = 0;
    this.dispatchEvent(makeEvent('Event', 'open'));
    await this.#read(response);
    return new RelayClientError('response-truncated', 'the event stream ended: reconnecting');
  }

  async #read(response: Response): Promise<void> {
    const reader = new EventStreamReader(this.#lastEventId, ({ type, data }) => {
      if (this.#readyState === CLOSED) return; // closed by a listener of an earlier event
      this.#lastEventId = reader.lastEventId;
      const fields = { data, origin: this.#core.origin.origin, lastEventId: reader.lastEventId };
      this.dispatchEvent(makeEvent('MessageEvent', type, fields));
    });
    const push = (piece: string): void => {
      reader.push(piece);
      this.#lastEventId = reader.lastEventId;
      this.#retryMs = reader.retryMs ?? this.#retryMs;
    };
    // Where fetch lacks streams, all events arrive when the response is complete.
    if (!response.body) return push(await response.text());
    const decoder = new TextDecoder(); // drops one byte order mark
    for await (const piece of piecesOf(response.body)) push(decoder.decode(piece, { stream: true }));
  }

  /** Doubles with each consecutive failure, as HTML §9.2.3 allows. */
  get #delayMs(): number {
    const doubled = Math.min(this.#retryMs * 2 ** Math.max(0, this.#failuresInRow - 1), BACKOFF_MAX_MS);
    return Math.min(Math.max(doubled, this.#retryMs), TIMER_MAX_MS);
  }
}

addHandlerAttributes(SourceInterface.prototype, ['open', 'message', 'error']);
addStates(SourceInterface, { CONNECTING, OPEN, CLOSED });

/**
 * Why the response is not an event stream. Temporary are an upstream that the relay cannot reach, and a request that
 * relays whose clocks differ found too old.
 */
function refusalIn({ status, headers }: Response): RelayClientError | undefined {
  const type = headers.get('content-type') ?? '';
  if (status === 200 && EVENT_STREAM_TYPE.test(type)) return undefined;
  const isTemporary = (status >= 500 || status === 408) && headers.has(INNER_FAILURE_FIELD);
  return new RelayClientError(
    isTemporary ? 'unreachable' : 'event-stream-refused',
    `not an event stream: status ${status}, type "${type}"`,
    { mayHaveRun: true },
  );
}

/** True for a failure that a new connection would repeat. */
function isPermanent(failure: unknown): boolean {
  if (!(failure instanceof RelayClientError)) return false;
  return ['event-stream-refused', 'closed', 'misuse', 'option-unsupported', 'redirect-refused'].includes(failure.code);
}

function lastEventIdField(id: string): Record<string, string> {
  if (id === '') return {};
  return { 'last-event-id': fieldTextOf(id) };
}
