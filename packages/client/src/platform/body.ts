// Request bodies: from every type that fetch takes to bytes that can be sealed, and resent where that is possible.
import { type Bytes, CHUNK_PLAINTEXT_MAX_BYTES, copyBytes } from '@mte-relay/protocol';
import { piecesOf } from '../outer/streams.ts';

/** A request's content. */
export interface RequestBody {
  /** Undefined for a stream. */
  readonly sizeBytes: number | undefined;
  /** The whole content, if it is in memory. */
  readonly whole: Bytes | undefined;
  /** True when {@link RequestBody.open} may be called again. False for streams, which are read once. */
  readonly replayable: boolean;
  /** The content in pieces of any size. */
  open(): AsyncIterable<Bytes>;
}

/**
 * Takes the body of a request; undefined for a request without a body, which differs from an empty one.
 * @param request made by the platform from the caller's arguments, so that its checks and content type apply.
 * @param given the caller's `init.body`; undefined when the body came inside a Request.
 * @param streams false where the platform cannot send a stream. The body is then read into a Blob first, which may lie
 *   outside the script's memory and can be resent.
 */
export async function takeBody(request: Request, given: unknown, streams: boolean): Promise<RequestBody | undefined> {
  if (typeof given === 'string' || given instanceof URLSearchParams)
    return ofBytes(new TextEncoder().encode(`${given}`));
  if (given instanceof ArrayBuffer) return ofBytes(new Uint8Array(given.slice(0)));
  if (ArrayBuffer.isView(given)) {
    return ofBytes(copyBytes(new Uint8Array(given.buffer, given.byteOffset, given.byteLength)));
  }
  if (given instanceof Blob) return ofBlob(given);
  if (given instanceof FormData) return ofBlob(await request.blob());
  if (given instanceof ReadableStream) return ofStream(given);
  if (given !== undefined && given !== null) return ofStream(request.body as ReadableStream<Bytes>);
  if (request.method === 'GET' || request.method === 'HEAD' || request.body === null) return undefined;
  return ofRequest(request, streams);
}

/** A body in memory. */
export function ofBytes(whole: Bytes): RequestBody {
  return { sizeBytes: whole.length, whole, replayable: true, open: () => pieces([whole]) };
}

async function ofBlob(blob: Blob): Promise<RequestBody> {
  if (blob.size <= CHUNK_PLAINTEXT_MAX_BYTES) return ofBytes(new Uint8Array(await blob.arrayBuffer()));
  return { sizeBytes: blob.size, whole: undefined, replayable: true, open: () => piecesOf(blob.stream()) };
}

function ofStream(stream: ReadableStream<Bytes>): RequestBody {
  return { sizeBytes: undefined, whole: undefined, replayable: false, open: () => piecesOf(stream) };
}

/** A body in pieces that can be read once. */
export function ofPieces(source: AsyncIterable<Uint8Array>): RequestBody {
  return { sizeBytes: undefined, whole: undefined, replayable: false, open: () => source as AsyncIterable<Bytes> };
}

/** Buffers up to one chunk of a Request's body, of unknown type and size, so that small bodies can be resent. */
async function ofRequest(request: Request, streams: boolean): Promise<RequestBody | undefined> {
  if (!streams || !request.body) {
    const blob = await request.blob();
    // Where Request lacks the `body` property, only the content type tells an empty body from a missing one.
    return blob.size === 0 && !request.headers.has('content-type') ? undefined : ofBlob(blob);
  }
  const source = piecesOf(request.body as ReadableStream<Bytes>);
  const buffered: Bytes[] = [];
  let sizeBytes = 0;
  while (sizeBytes <= CHUNK_PLAINTEXT_MAX_BYTES) {
    const { done, value } = await source.next();
    if (done) return ofBlob(new Blob(buffered));
    buffered.push(value);
    sizeBytes += value.length;
  }
  return { sizeBytes: undefined, whole: undefined, replayable: false, open: () => pieces(buffered, source) };
}

async function* pieces(buffered: Bytes[], rest?: AsyncGenerator<Bytes, void, undefined>): AsyncGenerator<Bytes, void> {
  try {
    yield* buffered;
    if (rest) yield* rest;
  } finally {
    await rest?.return();
  }
}
