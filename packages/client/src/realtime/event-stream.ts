// Parses an event stream (HTML §9.2.6): takes text in pieces of any size, gives events.
import { RelayClientError } from '../api/errors.ts';
import { MESSAGE_MAX } from './limits.ts';

/** One event of a stream. */
export interface StreamEvent {
  /** `message` unless the stream names another. */
  readonly type: string;
  readonly data: string;
}

/** Reads one connection's stream. A block without its final empty line does not become an event. */
export class EventStreamReader {
  readonly #onEvent: (event: StreamEvent) => void;
  /** The incomplete last line. */
  #rest = '';
  #endedInCr = false;
  #data: string[] = [];
  #dataCharacters = 0;
  #type = '';
  #id: string;
  #lastEventId: string;
  /** The stream's `retry`, ms; undefined before the stream sets it. */
  retryMs: number | undefined;

  /** @param lastEventId of the previous connection. */
  constructor(lastEventId: string, onEvent: (event: StreamEvent) => void) {
    this.#id = lastEventId;
    this.#lastEventId = lastEventId;
    this.#onEvent = onEvent;
  }

  /** Id of the last complete block that has one. */
  get lastEventId(): string {
    return this.#lastEventId;
  }

  /**
   * @param piece decoded, without a byte order mark.
   * @throws RelayClientError `event-stream-refused` for an event that is too long.
   */
  push(piece: string): void {
    if (piece === '') return;
    const text = this.#endedInCr && piece.startsWith('\n') ? piece.slice(1) : piece;
    this.#endedInCr = piece.endsWith('\r');
    const lines = text.split(/\r\n|[\r\n]/);
    // Only the new piece is split, so that a line in many pieces is not scanned repeatedly.
    lines[0] = this.#rest + lines[0];
    this.#rest = lines.pop() as string;
    for (const line of lines) this.#take(line);
    if (this.#dataCharacters + this.#rest.length <= MESSAGE_MAX) return;
    throw new RelayClientError('event-stream-refused', `an event of more than ${MESSAGE_MAX} characters`, {
      mayHaveRun: true,
    });
  }

  #take(line: string): void {
    if (line === '') return this.#endBlock();
    const colonAt = line.indexOf(':');
    const name = colonAt < 0 ? line : line.slice(0, colonAt);
    const value = colonAt < 0 ? '' : line.slice(colonAt + (line[colonAt + 1] === ' ' ? 2 : 1));
    if (name === 'data') {
      this.#data.push(value);
      this.#dataCharacters += value.length + 1; // with its line break
    } else if (name === 'event') this.#type = value;
    else if (name === 'id' && !value.includes('\0')) this.#id = value;
    else if (name === 'retry' && /^[0-9]+$/.test(value)) this.retryMs = Number(value);
  }

  #endBlock(): void {
    this.#lastEventId = this.#id;
    const event = { type: this.#type || 'message', data: this.#data.join('\n') };
    const hasData = this.#data.length > 0;
    this.#data = [];
    this.#dataCharacters = 0;
    this.#type = '';
    if (hasData) this.#onEvent(event);
  }
}
