// From a request to the bytes of its outer POST: one chunk when it is small, else a stream of chunks, which a platform
// that cannot send streams gathers into a Blob first. Progress and the failures of the request's own body come from here.
import {
  type Bytes,
  CHUNK_PLAINTEXT_MAX_BYTES,
  concatBytes,
  encodeContent,
  encodeEnd,
  encodeRequest,
  encodeRequestStart,
  type Fields,
  type RequestHead,
  type SealedExchange,
} from '@mte-relay/protocol';
import { ignore } from './abort.ts';
import type { RequestBody } from './body.ts';
import type { Progress } from './options.ts';
import type { OuterBody, Platform, Spool } from './platform/platform.ts';

/** One request as it goes inside the seal, whatever number it is sent under. */
export interface InnerRequest {
  readonly head: RequestHead;
  readonly body: RequestBody | undefined;
  /** Known behind the end of the body. */
  readonly trailers?: (() => Fields) | undefined;
  readonly onUploadProgress: ((progress: Progress) => void) | undefined;
  readonly credentials: RequestCredentials | undefined;
  readonly keepalive: boolean;
  readonly priority: RequestPriority | undefined;
}

/** A sealed request, ready to be posted. */
export interface Upload {
  readonly payload: OuterBody;
  /** To be told bytes sent, where only the transport knows. */
  readonly onSent: ((bytes: number) => void) | undefined;
  /** After the post: throws what the request's own body threw; else reports progress that nobody has reported. */
  finish(answered: boolean): void;
  /** At the end, whatever came of it. */
  release(): void;
}

/** Content that fits into one chunk together with the length in front of it. */
const CONTENT_PER_CHUNK_BYTES = CHUNK_PLAINTEXT_MAX_BYTES - 4;
/** Sealed parts that are folded into one Blob, so that a large body does not lie in the script's memory. */
const FOLD_BYTES = 1024 * 1024;
/** Sealed bodies beyond this go where they do not lie in the browser's memory either, if there is such a place. */
const SPOOL_FROM_BYTES = 16 * 1024 * 1024;

/** Throws what the request's own body throws, or the signal's reason. */
export async function sealRequest(
  message: SealedExchange,
  request: InnerRequest,
  platform: Platform,
  signal: AbortSignal,
): Promise<Upload> {
  const { body } = request;
  const report = meterOf(request);
  const whole = wholeRequest(request);
  if (whole) {
    return {
      payload: concatBytes([message.header, await message.sealFinal(whole)]),
      onSent: undefined,
      finish: (answered) => answered && report?.(body?.sizeBytes ?? 0),
      release: ignore,
    };
  }
  const content = new WatchedContent(body as RequestBody);
  if (platform.uploads === 'stream') {
    return {
      payload: streamOf(sealedChunks(message, request, content.pieces(), report), signal),
      onSent: undefined,
      finish: () => content.throwIfFailed(),
      release: ignore,
    };
  }
  const chunks = sealedChunks(message, request, content.pieces(), undefined);
  const { payload, sizeBytes, release } =
    platform.uploads === 'bytes' ? await bytesOf(chunks, signal) : await gather(chunks, request, platform, signal);
  return {
    payload,
    onSent: report && scaled(report, sizeBytes, body?.sizeBytes),
    finish: (answered) => answered && report?.(body?.sizeBytes ?? sizeBytes),
    release,
  };
}

/** The request as one chunk's plaintext, or undefined when it is longer, or a stream. */
function wholeRequest({ head, body, trailers }: InnerRequest): Bytes | undefined {
  const content = body ? body.whole : new Uint8Array(0);
  if (!content || content.length > CHUNK_PLAINTEXT_MAX_BYTES) return undefined;
  const encoded = encodeRequest(head, content, { trailers: trailers?.() ?? [] });
  return encoded.length <= CHUNK_PLAINTEXT_MAX_BYTES ? encoded : undefined;
}

async function* sealedChunks(
  message: SealedExchange,
  { head, trailers }: InnerRequest,
  content: AsyncIterable<Bytes>,
  report: ((bytes: number) => void) | undefined,
): AsyncGenerator<Bytes, void, undefined> {
  const start = encodeRequestStart(head);
  // Header and first chunk together: the relay can begin, and no write carries 42 bytes alone.
  let prefix: Bytes = message.header;
  for (let at = 0; at < start.length; at += CHUNK_PLAINTEXT_MAX_BYTES) {
    yield concatBytes([prefix, await message.seal(start.subarray(at, at + CHUNK_PLAINTEXT_MAX_BYTES))]);
    prefix = new Uint8Array(0);
  }
  let loadedBytes = 0;
  for await (const piece of content) {
    for (let at = 0; at < piece.length; at += CONTENT_PER_CHUNK_BYTES) {
      const part = piece.subarray(at, at + CONTENT_PER_CHUNK_BYTES);
      yield await message.seal(encodeContent(part));
      loadedBytes += part.length;
      report?.(loadedBytes);
    }
  }
  yield await message.sealFinal(encodeEnd(trailers?.()));
}

/** Keeps what the body's source throws apart from failures of the transport. */
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

function streamOf(source: AsyncGenerator<Bytes, void, undefined>, signal: AbortSignal): ReadableStream<Bytes> {
  // Not every fetch cancels the body of a request that is aborted, or answered early.
  signal.addEventListener('abort', () => void source.return().catch(ignore), { once: true });
  return new ReadableStream(
    {
      async pull(controller) {
        const { done, value } = await source.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      async cancel() {
        await source.return();
      },
    },
    { highWaterMark: 0 },
  );
}

/** A sealed body that is whole. */
interface Gathered {
  readonly payload: OuterBody;
  readonly sizeBytes: number;
  readonly release: () => void;
}

/** All of it as one Blob, to send where streams cannot be sent. */
async function gather(
  source: AsyncIterable<Bytes>,
  { body }: InnerRequest,
  platform: Platform,
  signal: AbortSignal,
): Promise<Gathered> {
  let folded: Blob[] = [];
  let parts: Bytes[] = [];
  let [partsBytes, totalBytes] = [0, 0];
  let spool: Spool | undefined;
  let mayHaveSpool = platform.openSpool !== undefined;
  const release = (): void => void spool?.discard();
  const fold = async (): Promise<void> => {
    folded.push(new Blob(parts));
    [parts, partsBytes] = [[], 0];
    if (mayHaveSpool && totalBytes >= SPOOL_FROM_BYTES) {
      mayHaveSpool = false;
      spool = await platform.openSpool?.(body?.sizeBytes ?? totalBytes);
    }
    if (!spool) return;
    for (const part of folded) await spool.write(part);
    folded = [];
  };
  try {
    for await (const piece of source) {
      signal.throwIfAborted();
      parts.push(piece);
      partsBytes += piece.length;
      totalBytes += piece.length;
      if (partsBytes >= FOLD_BYTES) await fold();
    }
    await fold();
    const payload = spool ? await spool.finish() : new Blob(folded);
    return { payload, sizeBytes: payload.size, release };
  } catch (error) {
    release();
    throw error;
  }
}

async function bytesOf(source: AsyncIterable<Bytes>, signal: AbortSignal): Promise<Gathered> {
  const parts: Bytes[] = [];
  for await (const piece of source) {
    signal.throwIfAborted();
    parts.push(piece);
  }
  const payload = concatBytes(parts);
  return { payload, sizeBytes: payload.length, release: ignore };
}

function meterOf({ body, onUploadProgress }: InnerRequest): ((bytes: number) => void) | undefined {
  if (!body || !onUploadProgress) return undefined;
  const totalBytes = body.sizeBytes;
  return (loadedBytes) => onUploadProgress(totalBytes === undefined ? { loadedBytes } : { loadedBytes, totalBytes });
}

/** Bytes of the sealed form as bytes of the body. */
function scaled(
  report: (bytes: number) => void,
  sealedBytes: number,
  bodyBytes: number | undefined,
): (bytes: number) => void {
  const plain = bodyBytes ?? sealedBytes;
  return (sent) => report(Math.min(plain, Math.round((sent / sealedBytes) * plain)));
}
