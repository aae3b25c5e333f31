// Seals and sends one response, whole in one chunk and one write, or as a stream. Its content is from the upstream
// (upstream-call.ts) or from the relay itself.
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
  type InnerCode,
  type ResponseHead,
  type ResponseSealer,
} from '@mte-relay/protocol';
import type { OwnResponse } from '../failure/planes.ts';
import type { OwnFields } from '../http/own-fields.ts';
import type { Account } from '../observe/account.ts';

/** One sealed response: silent, streaming, or ended. */
export class Outbound {
  /** Fields of the relay's own responses, by which they state the client's id; known once the request's head is. */
  stated: Fields = [];
  readonly #res: ServerResponse;
  readonly #sealer: ResponseSealer;
  readonly #ownFields: OwnFields;
  readonly #account: Account;
  readonly #padToBytes: number;
  /** Plaintext of the stream so far. */
  #streamedBytes = 0;
  #state: 'silent' | 'streaming' | 'ended' = 'silent';

  /**
   * @param ownFields the operator's, which the relay's own responses have too.
   * @param padToBytes PAD_TO_BYTES.
   */
  constructor(res: ServerResponse, sealer: ResponseSealer, ownFields: OwnFields, account: Account, padToBytes: number) {
    this.#res = res;
    this.#sealer = sealer;
    this.#ownFields = ownFields;
    this.#account = account;
    this.#padToBytes = padToBytes;
  }

  /** True once the response has begun and until it has ended. */
  get isStreaming(): boolean {
    return this.#state === 'streaming';
  }

  /** True once nothing more can be sent. */
  get hasEnded(): boolean {
    return this.#state === 'ended';
  }

  /**
   * Sends the relay's own response, or closes the connection if a response has begun.
   * @param code undefined for a hook's response.
   */
  respond({ head, body }: OwnResponse, code: InnerCode | undefined): void {
    if (this.#state === 'silent') {
      this.#account.respondedInner(head.status, code);
      this.send({ ...head, headers: [...this.#ownFields.over(head.headers), ...this.stated] }, [], body);
    } else if (this.#state === 'streaming') {
      this.#state = 'ended';
      if (code) this.#account.cutOff(code);
      this.#res.destroy(); // without a final chunk: the client must see that the response is incomplete
    }
  }

  /** Sends a complete response: in one chunk and one write if it fits. */
  send(head: ResponseHead, informational: readonly ResponseHead[], content: Bytes): void {
    const message = encodeResponse(head, content, { informational, padToMultipleBytes: this.#padToBytes });
    if (message.length > CHUNK_PLAINTEXT_MAX_BYTES) {
      this.stream(head, informational, content);
      this.end();
      return;
    }
    this.sendBytes(message);
  }

  /** Sends a plaintext that is not an HTTP response, or an encoded response. */
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

  /** Begins a stream. @param buffered content that has arrived. @returns false if the client is too slow. */
  stream(head: ResponseHead, informational: readonly ResponseHead[], buffered: Bytes): boolean {
    const start = encodeResponseStart(head, informational);
    this.#state = 'streaming';
    this.#account.streamed = true;
    this.#res.writeHead(200, {
      'content-type': CONTENT_TYPE_MESSAGE,
      'cache-control': 'no-store',
      'x-accel-buffering': 'no', // an nginx on the way must not delay an event
    });
    if (start.length + buffered.length <= CONTENT_PIECE_MAX_BYTES) {
      return this.#res.write(
        this.#seal(buffered.length > 0 ? concatBytes([start, contentPrefix(buffered.length), buffered]) : start),
      );
    }
    for (let at = 0; at < start.length; at += CHUNK_PLAINTEXT_MAX_BYTES) {
      this.#res.write(this.#seal(start.subarray(at, at + CHUNK_PLAINTEXT_MAX_BYTES)));
    }
    return this.write(buffered);
  }

  /** Seals and writes content of a stream. @param written is called behind it. @returns false if the client is too slow. */
  write(content: Bytes, written?: () => void): boolean {
    let flowing = true;
    for (let at = 0; at < content.length; at += CONTENT_PIECE_MAX_BYTES) {
      const piece = content.subarray(at, at + CONTENT_PIECE_MAX_BYTES);
      const sealed = this.#seal(concatBytes([contentPrefix(piece.length), piece]));
      flowing = at + piece.length === content.length ? this.#res.write(sealed, written) : this.#res.write(sealed);
    }
    return flowing;
  }

  /** Ends a stream with its final chunk. */
  end(trailers: Fields = []): void {
    const final = this.#sealFinal(encodeEnd(trailers, this.#streamedBytes, this.#padToBytes));
    this.#state = 'ended';
    this.#res.end(final);
  }

  /** Calls back whenever the client has read what was written. */
  onDrain(resume: () => void): void {
    this.#res.on('drain', resume);
  }

  #seal(plaintext: Bytes): Bytes {
    const beganMs = performance.now();
    this.#streamedBytes += plaintext.length;
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
