// An event stream, taken apart (HTML §9.2.6): text in pieces of any size, events out.
import { RelayClientError } from '../api/errors.ts';
import { MESSAGE_MAX } from './limits.ts';

/** One event of a stream. */
export interface StreamEvent {
  /** `message` unless the stream named it. */
  readonly type: string;
  readonly data: string;
}

/** Reads one connection's stream; what has not ended with an empty line is never an event. */
export class EventStreamReader {
  readonly #onEvent: (event: StreamEvent) => void;
  /** The begin of a line that goes on in the next piece. */
  #rest = '';
  #endedInCr = false;
  #data: string[] = [];
  #dataCharacters = 0;
  #type = '';
  #id: string;
  #lastEventId: string;
  /** What the stream asks for, ms; undefined when it has not asked. */
  retryMs: number | undefined;

  /** @param lastEventId of the connection before. */
  constructor(lastEventId: string, onEvent: (event: StreamEvent) => void) {
    this.#id = lastEventId;
    this.#lastEventId = lastEventId;
    this.#onEvent = onEvent;
  }

  /** Id of the last block that has ended; it stays when later blocks have none. */
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
    // What has been looked through is not looked through again: a line may come in any number of pieces.
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
      this.#dataCharacters += value.length + 1; // with the line break behind it
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
