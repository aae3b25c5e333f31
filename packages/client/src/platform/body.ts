// Request bodies: from everything that fetch takes to bytes that can be sealed, and sent again where that is possible.
import { type Bytes, CHUNK_PLAINTEXT_MAX_BYTES, copyBytes } from '@mte-relay/protocol';
import { piecesOf } from '../outer/streams.ts';

/** A request's content. */
export interface RequestBody {
  /** Known unless it is a stream. */
  readonly sizeBytes: number | undefined;
  /** All of it, when it is in memory. */
  readonly whole: Bytes | undefined;
  /** True when {@link RequestBody.open} may be called again: not for streams, which are read once. */
  readonly replayable: boolean;
  /** The content in pieces of any size. */
  open(): AsyncIterable<Bytes>;
}

/**
 * Takes the body of a request, or undefined when it has none (which is not an empty one).
 * @param request made by the platform from what the caller gave, so that its checks and content type apply.
 * @param given the caller's `init.body`; undefined when the body came inside a Request.
 * @param streams false where the platform cannot send a stream: the body is then read into a Blob first, which may
 *   lie outside the script's memory and can be sent again.
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

/** A body that comes piece by piece, once. */
export function ofPieces(source: AsyncIterable<Uint8Array>): RequestBody {
  return { sizeBytes: undefined, whole: undefined, replayable: false, open: () => source as AsyncIterable<Bytes> };
}

/** The body of a Request has lost its form: read what fits into one chunk, so that small ones can be sent again. */
async function ofRequest(request: Request, streams: boolean): Promise<RequestBody | undefined> {
  if (!streams || !request.body) {
    const blob = await request.blob();
    // Where Request has no `body` property, an empty one cannot be told from none, but by its type.
    return blob.size === 0 && !request.headers.has('content-type') ? undefined : ofBlob(blob);
  }
  const source = piecesOf(request.body as ReadableStream<Bytes>);
  const held: Bytes[] = [];
  let heldBytes = 0;
  while (heldBytes <= CHUNK_PLAINTEXT_MAX_BYTES) {
    const { done, value } = await source.next();
    if (done) return ofBlob(new Blob(held));
    held.push(value);
    heldBytes += value.length;
  }
  return { sizeBytes: undefined, whole: undefined, replayable: false, open: () => pieces(held, source) };
}

async function* pieces(held: Bytes[], rest?: AsyncGenerator<Bytes, void, undefined>): AsyncGenerator<Bytes, void> {
  try {
    yield* held;
    if (rest) yield* rest;
  } finally {
    await rest?.return();
  }
}
