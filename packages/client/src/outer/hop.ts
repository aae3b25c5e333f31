// How a runtime sends outer requests: the part of a platform that sealing and the transport need.
import type { Bytes } from '@mte-relay/protocol';

/** Bytes of the outer POST. */
export type OuterBody = Uint8Array<ArrayBuffer> | Blob | ReadableStream<Uint8Array<ArrayBuffer>>;

/** One outer POST. */
export interface OuterPost {
  readonly url: string;
  readonly contentType: string;
  readonly body: OuterBody;
  readonly signal: AbortSignal;
  readonly credentials?: RequestCredentials | undefined;
  readonly keepalive?: boolean;
  readonly priority?: RequestPriority | undefined;
}

/** Stores a large sealed body outside of memory until it has been sent. */
export interface Spool {
  write(part: Blob): Promise<void>;
  /** Everything written. */
  finish(): Promise<Blob>;
  /** Frees the storage. The last call. */
  discard(): Promise<void>;
}

/** A complete sealed body. */
export interface Gathered {
  readonly payload: OuterBody;
  readonly sizeBytes: number;
  readonly release: () => void;
}

/**
 * `stream` sends chunks as they are sealed. `gather` collects them first, into a Blob, which may lie outside the script's
 * memory, or into bytes; it throws the signal's reason. `sizeBytes` is the size of the body before sealing, if known;
 * `first` makes the bytes before the others once these are there.
 */
export type Uploads =
  | { stream(source: AsyncGenerator<Bytes, void, undefined>, signal: AbortSignal): ReadableStream<Bytes> }
  | {
      gather(
        source: AsyncIterable<Bytes>,
        sizeBytes: number | undefined,
        signal: AbortSignal,
        first: () => Promise<Bytes>,
      ): Promise<Gathered>;
    };

/** How one runtime sends outer requests. */
export interface OuterHop {
  /** How it sends a body that is longer than one chunk. */
  readonly uploads: Uploads;
  /** Members of fetch's init that override those of every platform. */
  fetchInit?(post: OuterPost): object | undefined;
  /** True when this failure of fetch shows that no byte of the request left this machine. */
  neverSent(failure: unknown): boolean;
  /** Reports progress in bytes sent, where fetch does not. The response is not streamed. */
  readonly postWithProgress: ((post: OuterPost, onSent: (bytes: number) => void) => Promise<Response>) | undefined;
  /** Replaces the platform's own fetch where that is not usable. */
  readonly fetch?: typeof globalThis.fetch;
}
