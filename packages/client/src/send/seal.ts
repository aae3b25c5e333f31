// From a request to the bytes of its outer POST: one chunk for a small request, a stream of chunks for others. A platform
// that cannot send streams gathers the chunks first. This file also reports progress and the errors of the request's body.
import {
  type Bytes,
  CHUNK_PLAINTEXT_MAX_BYTES,
  CONTENT_PIECE_MAX_BYTES,
  concatBytes,
  encodeContent,
  encodeEnd,
  encodeRequest,
  encodeRequestStart,
  type Fields,
  type RequestHead,
  type SealedExchange,
} from '@mte-relay/protocol';
import { ignore } from '../abort.ts';
import type { Progress } from '../api/types.ts';
import type { OuterBody, OuterHop } from '../outer/hop.ts';
import { ofBytes, type RequestBody } from '../platform/body.ts';
import type { SiteContext } from '../session/cookies.ts';

/** One inner request, independent of its message number. */
export interface InnerRequest {
  readonly head: RequestHead;
  readonly body: RequestBody | undefined;
  /** Called after the end of the body. */
  readonly trailers?: (() => Fields) | undefined;
  readonly onUploadProgress: ((progress: Progress) => void) | undefined;
  readonly credentials: RequestCredentials | undefined;
  /** True for a request that carries and sets cookies. */
  readonly hasCredentials: boolean;
  /** Which cookies it may carry by their SameSite. */
  readonly sameSite: SiteContext;
  readonly keepalive: boolean;
  readonly priority: RequestPriority | undefined;
}

/** A sealed request, ready to be posted. */
export interface Upload {
  readonly payload: OuterBody;
  /** Takes the number of bytes sent from the transport, if progress needs it. */
  readonly onSent: ((bytes: number) => void) | undefined;
  /** After the post: throws the error of the request's body, or reports the final progress. */
  finish(responded: boolean): void;
  /** Frees the payload. Called at the end in any case. */
  release(): void;
  /** True for a message of several chunks. */
  readonly inPieces: boolean;
}

/** How a request is sealed. */
export interface Sealing {
  /** The client's own fields, made when the head is sealed: they state the time. */
  ownFields(): Fields;
  /** Pads to a multiple of this many bytes. */
  readonly padToBytes: number;
}

/** Throws the error of the request's body, or the signal's reason. */
export async function sealRequest(
  message: SealedExchange,
  request: InnerRequest,
  sealing: Sealing,
  { uploads }: OuterHop,
  signal: AbortSignal,
): Promise<Upload> {
  const { body } = request;
  const report = meterOf(request);
  const whole = wholeRequest(request, sealing);
  if (whole) {
    return {
      payload: concatBytes([message.header, await message.sealFinal(whole)]),
      onSent: undefined,
      finish: (responded) => responded && report?.(body?.sizeBytes ?? 0),
      release: ignore,
      inPieces: false,
    };
  }
  const content = new WatchedContent(body ?? ofBytes(new Uint8Array(0))); // a head alone can be longer than a chunk
  if ('stream' in uploads) {
    return {
      payload: uploads.stream(sealedStream(message, request, sealing, content.pieces(), report), signal),
      onSent: undefined,
      finish: () => content.throwIfFailed(),
      release: ignore,
      inPieces: true,
    };
  }
  const start = startOf(message, request, sealing);
  const chunks = sealedContent(message, request, sealing, start.sizeBytes, content.pieces());
  // The head is sealed last: it states when the message was complete, not when a slow body began.
  const { payload, sizeBytes, release } = await uploads.gather(chunks, body?.sizeBytes, signal, start.seal);
  return {
    payload,
    onSent: report && scaled(report, sizeBytes, body?.sizeBytes),
    finish: (responded) => responded && report?.(body?.sizeBytes ?? sizeBytes),
    release,
    inPieces: true,
  };
}

/** The request as one chunk's plaintext; undefined for longer requests and for streams. */
function wholeRequest({ head, body, trailers }: InnerRequest, sealing: Sealing): Bytes | undefined {
  const content = body ? body.whole : new Uint8Array(0);
  if (!content || content.length > CHUNK_PLAINTEXT_MAX_BYTES) return undefined;
  const padToMultipleBytes = sealing.padToBytes;
  const encoded = encodeRequest(withOwn(head, sealing), content, { trailers: trailers?.() ?? [], padToMultipleBytes });
  return encoded.length <= CHUNK_PLAINTEXT_MAX_BYTES ? encoded : undefined;
}

function withOwn(head: RequestHead, sealing: Sealing): RequestHead {
  return { ...head, headers: [...head.headers, ...sealing.ownFields()] };
}

/** Header and head of a message of several chunks, to be sealed before or after its content. */
function startOf(
  message: SealedExchange,
  { head }: InnerRequest,
  sealing: Sealing,
): { sizeBytes: number; seal(): Promise<Bytes> } {
  const encode = (): Bytes => encodeRequestStart(withOwn(head, sealing));
  const sizeBytes = encode().length; // the same at any time
  const places: ((part: Bytes) => Promise<Bytes>)[] = [];
  for (let at = 0; at < sizeBytes; at += CHUNK_PLAINTEXT_MAX_BYTES) places.push(message.reserve());
  const seal = async (): Promise<Bytes> => {
    const start = encode();
    // With the header, so that the relay can begin and the header does not take a write of its own.
    const parts: Bytes[] = [message.header];
    for (const [i, place] of places.entries()) {
      parts.push(await place(start.subarray(i * CHUNK_PLAINTEXT_MAX_BYTES, (i + 1) * CHUNK_PLAINTEXT_MAX_BYTES)));
    }
    return concatBytes(parts);
  };
  return { sizeBytes, seal };
}

async function* sealedStream(
  message: SealedExchange,
  request: InnerRequest,
  sealing: Sealing,
  content: AsyncIterable<Bytes>,
  report: ((bytes: number) => void) | undefined,
): AsyncGenerator<Bytes, void, undefined> {
  const start = startOf(message, request, sealing);
  yield await start.seal();
  yield* sealedContent(message, request, sealing, start.sizeBytes, content, report);
}

async function* sealedContent(
  message: SealedExchange,
  { trailers }: InnerRequest,
  { padToBytes }: Sealing,
  startBytes: number,
  content: AsyncIterable<Bytes>,
  report?: (bytes: number) => void,
): AsyncGenerator<Bytes, void, undefined> {
  let loadedBytes = 0;
  let sentBytes = startBytes;
  for await (const piece of content) {
    for (let at = 0; at < piece.length; at += CONTENT_PIECE_MAX_BYTES) {
      const part = piece.subarray(at, at + CONTENT_PIECE_MAX_BYTES);
      const encoded = encodeContent(part);
      yield await message.seal(encoded);
      sentBytes += encoded.length;
      loadedBytes += part.length;
      report?.(loadedBytes);
    }
  }
  yield await message.sealFinal(encodeEnd(trailers?.(), sentBytes, padToBytes));
}

/** Tells the errors of the body's source from those of the transport. */
class WatchedContent {
  readonly #body: RequestBody;
  #failure: { readonly error: unknown } | undefined;

  constructor(body: RequestBody) {
    this.#body = body;
  }

  async *pieces(): AsyncGenerator<Bytes, void, undefined> {
    try {
      yield* this.#body.open();
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
  }

  throwIfFailed(): void {
    if (this.#failure) throw this.#failure.error;
  }
}

function meterOf({ body, onUploadProgress }: InnerRequest): ((bytes: number) => void) | undefined {
  if (!body || !onUploadProgress) return undefined;
  const totalBytes = body.sizeBytes;
  return (loadedBytes) => onUploadProgress(totalBytes === undefined ? { loadedBytes } : { loadedBytes, totalBytes });
}

/** Converts bytes of the sealed form to bytes of the body. */
function scaled(
  report: (bytes: number) => void,
  sealedBytes: number,
  bodyBytes: number | undefined,
): (bytes: number) => void {
  const plain = bodyBytes ?? sealedBytes;
  return (sent) => report(Math.min(plain, Math.round((sent / sealedBytes) * plain)));
}
