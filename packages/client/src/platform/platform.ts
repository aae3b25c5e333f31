// What differs between runtimes. Adapters only translate; decisions live behind them.
import type { Bytes, Fields, Suite } from '@mte-relay/protocol';
import type { RequestBody } from '../body.ts';
import type { InnerResponse } from '../exchange.ts';
import type { ResponseFacts } from '../response.ts';

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

/** One runtime. */
export interface Platform {
  makeSuite(): Suite;
  /** Feature flags of a pairing (SPEC §3.3). */
  readonly pairingFlags: number;
  /** How a body is sent that is longer than one chunk. */
  readonly uploads: Uploads;
  /** What relative URLs are relative to. */
  baseUrl(relayOrigin: string): string;
  /**
   * Fields that the platform itself would have added.
   * @param withOrigin for what a page's origin goes with: methods other than GET and HEAD, and WebSockets.
   */
  defaultFields(withOrigin: boolean): Fields;
  /**
   * The identity of this origin's clients (SPEC §3.5): the one that an earlier or another client keeps, or else this one,
   * kept from now on where anything can be kept. One that the relay has refused is not given.
   */
  keepClientId(relayOrigin: string, token: string, refused: string | undefined): Promise<string>;
  /** True when this failure of fetch shows that no byte of the request left this machine. */
  neverSent(failure: unknown): boolean;
  /** Sends with progress in bytes sent, where fetch has none; the answer comes whole. */
  readonly postWithProgress: ((post: OuterPost, onSent: (bytes: number) => void) => Promise<Response>) | undefined;
  /** Makes a Request and checks it, where the platform's own does not do so as the standard says. */
  readonly makeRequest: ((input: URL | Request, init: RequestInit) => Request) | undefined;
  /** Sends outer requests where the platform's own fetch is of no use. */
  readonly fetch?: typeof globalThis.fetch;
  /** Takes bodies where there are no streams; stands in for takeBody of body.ts. */
  readonly takeBody?: (request: Request, given: unknown) => Promise<RequestBody | undefined>;
  /** Makes the Response where there are no streams; stands in for toResponse of response.ts. */
  readonly makeResponse?: (inner: InnerResponse, facts: ResponseFacts) => Promise<Response>;
}
