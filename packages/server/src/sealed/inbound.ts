// Decodes the plaintext of a request to the inner request, whole or as a stream.
import { Readable } from 'node:stream';
import {
  BhttpDecoder,
  type BhttpSink,
  type Bytes,
  concatBytes,
  type Fields,
  type RequestHead,
} from '@mte-relay/protocol';
import { decodeAuthentic, InnerRefusal } from '../failure/planes.ts';
import { BUFFERED_MAX_BYTES } from '../limits/fixed.ts';
import { isSmall, JoinedPieces, PieceList } from '../limits/small-pieces.ts';

/** Bounds of an inner request. */
export interface InboundLimits {
  readonly headMaxBytes: number;
  readonly bodyMaxBytes: number;
}

/** One inner request while it is being opened. */
export class Inbound implements BhttpSink<RequestHead> {
  /** Control data and headers, once they have arrived. */
  head: RequestHead | undefined;
  /** True once the Binary HTTP message has ended. */
  complete = false;
  /** Known once the message is complete. */
  trailers: Fields = [];
  /** Content bytes so far. */
  bodyBytes = 0;
  readonly #decoder: BhttpDecoder<RequestHead>;
  readonly #bodyMaxBytes: number;
  #announcedBytes: number | undefined;
  readonly #pieces = new PieceList();
  #stream: RequestBody | undefined;

  constructor(limits: InboundLimits) {
    this.#bodyMaxBytes = limits.bodyMaxBytes;
    this.#decoder = new BhttpDecoder<RequestHead>('request', this, { headMaxBytes: limits.headMaxBytes });
  }

  /** Takes opened plaintext. @throws InnerRefusal */
  push(plaintext: Bytes): void {
    decodeAuthentic(() => this.#decoder.push(plaintext));
  }

  /** Call after the plaintext of the final chunk. @throws InnerRefusal if the request is not complete. */
  end(): void {
    decodeAuthentic(() => this.#decoder.end());
  }

  /** The request has announced the length of its content. @throws InnerRefusal for another length, at once or later. */
  announce(bytes: number): void {
    this.#announcedBytes = bytes;
    this.#checkLength();
  }

  /** The whole body of a complete request; null if it is empty. */
  wholeBody(): Bytes | null {
    return this.bodyBytes === 0 ? null : concatBytes(this.#pieces.take());
  }

  /** The body as a stream that fills as more is pushed. */
  streamBody(wantMore: () => void): Readable {
    const stream = new RequestBody(wantMore);
    for (const piece of this.#pieces.take()) stream.push(piece);
    this.#stream = stream;
    return stream;
  }

  /** True if the stream's reader is too slow and the relay must stop reading from the client. */
  get congested(): boolean {
    return this.#stream !== undefined && !this.#stream.destroyed && this.#stream.waitingBytes > BUFFERED_MAX_BYTES;
  }

  /** Passes on the content that has arrived so far: small pieces are joined until then. */
  flush(): void {
    this.#stream?.flush();
  }

  /** Destroys the body's stream, so that the upstream's request is aborted and never looks complete. */
  destroy(error: Error): void {
    if (this.#stream && !this.complete) this.#stream.destroy(error);
  }

  onHead(head: RequestHead): void {
    this.head = head;
  }

  onContent(content: Bytes): void {
    this.bodyBytes += content.length;
    if (this.bodyBytes > this.#bodyMaxBytes) throw new InnerRefusal('request-too-large');
    this.#checkLength();
    if (this.#stream) this.#stream.push(content);
    else this.#pieces.add(content);
  }

  onEnd(trailers: Fields): void {
    this.trailers = trailers;
    if (this.#announcedBytes !== undefined && this.bodyBytes !== this.#announcedBytes)
      throw new InnerRefusal('request-malformed');
    this.complete = true;
    this.#stream?.push(null);
  }

  #checkLength(): void {
    if (this.#announcedBytes !== undefined && this.bodyBytes > this.#announcedBytes)
      throw new InnerRefusal('request-malformed');
  }
}

/** Small pieces are joined until the end of a step, and for as long as the reader does not read. */
class RequestBody extends Readable {
  readonly #wantMore: () => void;
  readonly #joined = new JoinedPieces();

  constructor(wantMore: () => void) {
    super({ highWaterMark: BUFFERED_MAX_BYTES });
    this.#wantMore = wantMore;
    this.on('error', () => undefined); // the reader has a listener of its own while it reads
    this.on('resume', () => this.flush());
  }

  /** Bytes that the reader has not taken. */
  get waitingBytes(): number {
    return this.readableLength + this.#joined.length;
  }

  override _read(): void {
    this.#pushJoined();
    this.#wantMore();
  }

  /** Also after an early response of the upstream: the relay must read the rest, or the client cannot finish. */
  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    done(error);
    this.#wantMore();
  }

  override push(chunk: Bytes | null): boolean {
    if (this.destroyed) return true;
    if (chunk && isSmall(chunk)) {
      this.#joined.add(chunk);
      return this.#joined.isFull ? this.#pushJoined() : true;
    }
    this.#pushJoined();
    return super.push(chunk);
  }

  /** Gives the reader what is joined, unless it has not taken what came before. */
  flush(): void {
    if (this.readableFlowing || this.readableLength === 0) this.#pushJoined();
  }

  #pushJoined(): boolean {
    return this.destroyed || this.#joined.length === 0 || super.push(this.#joined.take());
  }
}
