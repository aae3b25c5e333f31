// The platform's EventSource interface (HTML §9.2) over the client's sealed fetch: connect, announce, read, and connect
// again from the last event's id until it is closed or refused for good.
import { INNER_FAILURE_FIELD } from '@mte-relay/protocol';
import { domError, EventTargetBase, makeEvent } from '#dom';
import { URL } from '#url';
import { ignore, pause } from '../abort.ts';
import { notRelayed, RelayClientError } from '../api/errors.ts';
import type { RelayFetch } from '../api/types.ts';
import type { ClientCore } from '../core.ts';
import { piecesOf } from '../outer/streams.ts';
import { addHandlerAttributes, addStates } from './dom-events.ts';
import { EventStreamReader } from './event-stream.ts';

const CONNECTING = 0;
const OPEN = 1;
const CLOSED = 2;

/** Before a new connection, unless the stream asked for another time. */
const RETRY_DEFAULT_MS = 3_000;
/** What doubling after failures in a row leads to at most; a stream may still ask for more. */
const BACKOFF_MAX_MS = 60_000;
/** Longest time that timers take (2^31 - 1). */
const TIMER_MAX_MS = 2_147_483_647;
/** HTML §9.2.2: the essence of the answer's type. */
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
    this.#run().catch(ignore); // it ends by an abort of its own
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

  /** Ends it for good; nothing is dispatched any more. */
  close(): void {
    this.#readyState = CLOSED;
    this.#core.closing.removeEventListener('abort', this.#onClosing);
    this.#closing.abort();
  }

  readonly #onClosing = (): void => this.#fail(this.#core.closing.reason);

  /** For good: closed, and said so. */
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
      if (isForGood(failure)) return this.#fail(failure);
      this.#readyState = CONNECTING;
      this.#dispatchError(failure);
      await pause(this.#delayMs, this.#closing.signal);
    }
  }

  /** One connection, to its end. Gives why the next one follows; throws when there was none or it broke. */
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
    return new RelayClientError('response-truncated', 'the event stream has ended and is opened again');
  }

  async #read(response: Response): Promise<void> {
    const reader = new EventStreamReader(this.#lastEventId, ({ type, data }) => {
      if (this.#readyState === CLOSED) return; // by a listener of an event before it
      this.#lastEventId = reader.lastEventId;
      const fields = { data, origin: this.#core.origin.origin, lastEventId: reader.lastEventId };
      this.dispatchEvent(makeEvent('MessageEvent', type, fields));
    });
    const push = (piece: string): void => {
      reader.push(piece);
      this.#lastEventId = reader.lastEventId;
      this.#retryMs = reader.retryMs ?? this.#retryMs;
    };
    // Where fetch has no streams the events come together, when the answer has ended.
    if (!response.body) return push(await response.text());
    const decoder = new TextDecoder(); // takes off one byte order mark
    for await (const piece of piecesOf(response.body)) push(decoder.decode(piece, { stream: true }));
  }

  /** Doubles with each connection in a row that failed, as HTML §9.2.3 allows. */
  get #delayMs(): number {
    const doubled = Math.min(this.#retryMs * 2 ** Math.max(0, this.#failuresInRow - 1), BACKOFF_MAX_MS);
    return Math.min(Math.max(doubled, this.#retryMs), TIMER_MAX_MS);
  }
}

addHandlerAttributes(SourceInterface.prototype, ['open', 'message', 'error']);
addStates(SourceInterface, { CONNECTING, OPEN, CLOSED });

/** Why this is no event stream. An upstream that the relay cannot reach is a failing network, which passes. */
function refusalIn({ status, headers }: Response): RelayClientError | undefined {
  const type = headers.get('content-type') ?? '';
  if (status === 200 && EVENT_STREAM_TYPE.test(type)) return undefined;
  const passes = status >= 500 && headers.has(INNER_FAILURE_FIELD);
  return new RelayClientError(
    passes ? 'unreachable' : 'event-stream-refused',
    `the event stream was answered ${status} with type "${type}"`,
    { mayHaveRun: true },
  );
}

/** What no new connection could mend. */
function isForGood(failure: unknown): boolean {
  if (!(failure instanceof RelayClientError)) return false;
  return ['event-stream-refused', 'closed', 'misuse', 'option-unsupported', 'redirect-refused'].includes(failure.code);
}

/** The id as UTF-8, one character per byte as fields are. */
function lastEventIdField(id: string): Record<string, string> {
  if (id === '') return {};
  return { 'last-event-id': String.fromCharCode(...new TextEncoder().encode(id)) };
}
