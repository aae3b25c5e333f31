// How a runtime sends the outer requests: the part of a platform that sealing and the transport need, and nothing of what
// is inside them.
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

/** Takes a large sealed body where it is not in memory, until it has been sent. */
export interface Spool {
  write(part: Blob): Promise<void>;
  /** All that was written. */
  finish(): Promise<Blob>;
  /** Frees the room; the last call. */
  discard(): Promise<void>;
}

/** A sealed body that is whole. */
export interface Gathered {
  readonly payload: OuterBody;
  readonly sizeBytes: number;
  readonly release: () => void;
}

/**
 * As a stream while it is sealed, or gathered sealed: into a Blob, which may lie outside the script's memory, or into bytes.
 * `sizeBytes` is that of the body before it was sealed, where it is known. Whoever gathers throws the signal's reason.
 */
export type Uploads =
  | { stream(source: AsyncGenerator<Bytes, void, undefined>, signal: AbortSignal): ReadableStream<Bytes> }
  | { gather(source: AsyncIterable<Bytes>, sizeBytes: number | undefined, signal: AbortSignal): Promise<Gathered> };

/** Sending, in one runtime. */
export interface OuterHop {
  /** How a body is sent that is longer than one chunk. */
  readonly uploads: Uploads;
  /** Members of fetch's init for this platform's fetch, over those of every platform. */
  fetchInit?(post: OuterPost): object | undefined;
  /** True when this failure of fetch shows that no byte of the request left this machine. */
  neverSent(failure: unknown): boolean;
  /** Sends with progress in bytes sent, where fetch has none; the answer comes whole. */
  readonly postWithProgress: ((post: OuterPost, onSent: (bytes: number) => void) => Promise<Response>) | undefined;
  /** Sends outer requests where the platform's own fetch is of no use. */
  readonly fetch?: typeof globalThis.fetch;
}
