// The response's way back: one sealed response, whole in one chunk and one write, or as a stream. What it says is decided
// elsewhere, by the upstream (upstream-call.ts) or by the relay itself.
import type { ServerResponse } from 'node:http';
import {
  type Bytes,
  CHUNK_PLAINTEXT_MAX_BYTES,
  CONTENT_PIECE_MAX_BYTES,
  CONTENT_TYPE_MESSAGE,
  concatBytes,
  contentPrefix,
  encodeEnd,
  encodeResponse,
  encodeResponseStart,
  type Fields,
  type ResponseHead,
  type ResponseSealer,
} from '@mte-relay/protocol';
import type { OwnResponse } from '../failure/planes.ts';
import { overrideFields } from '../http/fields.ts';
import type { Account } from '../observe/account.ts';

/** One sealed response: nothing is sent, a stream is under way, or it has ended. */
export class Outbound {
  readonly #res: ServerResponse;
  readonly #sealer: ResponseSealer;
  readonly #ownFields: Fields;
  readonly #account: Account;
  #state: 'silent' | 'streaming' | 'ended' = 'silent';

  /** @param ownFields HEADERS, which the relay's own responses bear too. */
  constructor(res: ServerResponse, sealer: ResponseSealer, ownFields: Fields, account: Account) {
    this.#res = res;
    this.#sealer = sealer;
    this.#ownFields = ownFields;
    this.#account = account;
  }

  /** True once a part of the response was sent and more may follow. */
  get isStreaming(): boolean {
    return this.#state === 'streaming';
  }

  /** True when nothing more can be sent. */
  get hasEnded(): boolean {
    return this.#state === 'ended';
  }

  /** Responds in the relay's own name; breaks a response off that is under way. */
  respond({ head, body }: OwnResponse): void {
    if (this.#state === 'silent') {
      this.send({ ...head, headers: overrideFields(head.headers, this.#ownFields) }, [], body);
    } else if (this.#state === 'streaming') {
      this.#state = 'ended';
      this.#res.destroy(); // never a final chunk: the client must see that this is not the whole response
    }
  }

  /** Sends a response that is here whole: in one chunk and one write, if it fits. */
  send(head: ResponseHead, informational: readonly ResponseHead[], content: Bytes): void {
    const message = encodeResponse(head, content, { informational });
    if (message.length > CHUNK_PLAINTEXT_MAX_BYTES) {
      this.stream(head, informational, content);
      this.end();
      return;
    }
    this.sendBytes(message);
  }

  /** Sends the plaintext of a response that is no HTTP response, or is encoded already. */
  sendBytes(plaintext: Bytes): void {
    const body = this.#sealFinal(plaintext);
    this.#state = 'ended';
    this.#res.writeHead(200, {
      'content-type': CONTENT_TYPE_MESSAGE,
      'content-length': body.length,
      'cache-control': 'no-store',
    });
    this.#res.end(body);
  }

  /** Begins a stream. @param held content that is here already. @returns false when the client is behind. */
  stream(head: ResponseHead, informational: readonly ResponseHead[], held: Bytes): boolean {
    const start = encodeResponseStart(head, informational);
    this.#state = 'streaming';
    this.#account.streamed = true;
    this.#res.writeHead(200, {
      'content-type': CONTENT_TYPE_MESSAGE,
      'cache-control': 'no-store',
      'x-accel-buffering': 'no', // an nginx in between must not hold an event back
    });
    if (start.length + held.length <= CONTENT_PIECE_MAX_BYTES) {
      return this.#res.write(
        this.#seal(held.length > 0 ? concatBytes([start, contentPrefix(held.length), held]) : start),
      );
    }
    for (let at = 0; at < start.length; at += CHUNK_PLAINTEXT_MAX_BYTES) {
      this.#res.write(this.#seal(start.subarray(at, at + CHUNK_PLAINTEXT_MAX_BYTES)));
    }
    return this.write(held);
  }

  /** Seals and writes content of a stream. @returns false when the client is behind. */
  write(content: Bytes): boolean {
    let flowing = true;
    for (let at = 0; at < content.length; at += CONTENT_PIECE_MAX_BYTES) {
      const piece = content.subarray(at, at + CONTENT_PIECE_MAX_BYTES);
      flowing = this.#res.write(this.#seal(concatBytes([contentPrefix(piece.length), piece])));
    }
    return flowing;
  }

  /** Ends a stream with its final chunk. */
  end(trailers: Fields = []): void {
    const final = this.#sealFinal(encodeEnd(trailers));
    this.#state = 'ended';
    this.#res.end(final);
  }

  /** Calls whenever the client has caught up. */
  onDrain(resume: () => void): void {
    this.#res.on('drain', resume);
  }

  #seal(plaintext: Bytes): Bytes {
    const beganMs = performance.now();
    return this.#sealed(this.#sealer.seal(plaintext), beganMs);
  }

  #sealFinal(plaintext: Bytes): Bytes {
    const beganMs = performance.now();
    return this.#sealed(this.#sealer.sealFinal(plaintext), beganMs);
  }

  #sealed(bytes: Bytes, beganMs: number): Bytes {
    const account = this.#account;
    account.encodeMs += performance.now() - beganMs;
    account.bytesOut += bytes.length;
    if (account.traces) account.step('chunk sealed', { bytes: bytes.length });
    return bytes;
  }
}
