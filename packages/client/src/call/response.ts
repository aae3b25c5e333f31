// From an authenticated inner response to the platform's Response: status, fields, a streaming body that errors unless
// it is complete, and the properties that a constructed Response lacks.
import { type Fields, OWN_FIELDS } from '@mte-relay/protocol';
import { fieldOf, NULL_BODY_STATUSES, progressOf, type ResponseFacts } from '../platform/response-parts.ts';
import type { InnerResponse } from '../send/exchange.ts';

const CODINGS = /^(?:x-(?=g))?(gzip|deflate)$/i;
/** Coded forms of empty content. Servers send zero bytes instead, which a decompressor rejects as truncated. */
const NOTHING = {
  gzip: [31, 139, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0],
  deflate: [120, 156, 3, 0, 0, 0, 0, 1],
};

/** The Response. Rejects when a response that cannot have content is not complete. */
export async function toResponse(inner: InnerResponse, facts: ResponseFacts): Promise<Response> {
  const { status, headers } = inner.head;
  const watched = new Watched(inner);
  let body: ReadableStream<Uint8Array<ArrayBuffer>> | null = null;
  if (facts.method === 'HEAD' || NULL_BODY_STATUSES.has(status)) await drain(inner);
  else body = contentStream(inner, watched, progressOf(headers, facts), codingIn(headers));
  const response = new Response(body, { status });
  for (const [name, value] of headers) if (!OWN_FIELDS.has(name)) response.headers.append(name, value);
  return withFacts(response, facts, watched);
}

/** Keeps the error of a response's content: some browsers' Response replaces it by a generic one. */
class Watched {
  readonly #inner: InnerResponse;
  #failure: { readonly error: unknown } | undefined;

  constructor(inner: InnerResponse) {
    this.#inner = inner;
  }

  async next(): Promise<Uint8Array<ArrayBuffer> | undefined> {
    try {
      return await this.#inner.next();
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
  }

  /** The error of the content itself, or else this one. */
  why(error: unknown): unknown {
    return this.#failure ? this.#failure.error : error;
  }
}

/** Reads a response without content to its end: a Response with a null body has no stream that could fail later. */
async function drain(inner: InnerResponse): Promise<void> {
  while (await inner.next());
}

function contentStream(
  inner: InnerResponse,
  watched: Watched,
  report: (bytes: number) => void,
  coding: keyof typeof NOTHING | undefined,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let nothing = coding && NOTHING[coding];
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>(
    // Everything that can still read the stream, such as a clone or a reader, holds its source.
    inner.readBy({
      async pull(controller) {
        const piece = await watched.next();
        if (!piece) {
          if (nothing) controller.enqueue(new Uint8Array(nothing));
          return controller.close();
        }
        nothing = undefined;
        report(piece.length);
        controller.enqueue(piece);
      },
      cancel: (reason) => inner.cancel(reason),
    }),
    { highWaterMark: 0 },
  );
  return coding ? stream.pipeThrough(new DecompressionStream(coding)) : stream;
}

/** The content coding to decode, as fetch does. Content in an unknown coding stays coded, with its field. */
function codingIn(headers: Fields): keyof typeof NOTHING | undefined {
  if (!globalThis.DecompressionStream) return undefined;
  return CODINGS.exec(fieldOf(headers, 'content-encoding') ?? '')?.[1]?.toLowerCase() as
    | keyof typeof NOTHING
    | undefined;
}

const READINGS = ['arrayBuffer', 'blob', 'bytes', 'formData', 'json', 'text'] as const;

/** Defines `url`, `redirected` and `type`, which a constructed Response leaves empty, on it and on its clones. */
function withFacts(response: Response, facts: ResponseFacts, watched: Watched): Response {
  const { url, redirected, type } = facts;
  const clone = response.clone.bind(response);
  for (const name of READINGS) {
    const read = response[name]?.bind(response) as (() => Promise<unknown>) | undefined;
    if (!read) continue; // older platforms lack bytes()
    const value = (): Promise<unknown> =>
      read().catch((error) => {
        throw watched.why(error);
      });
    Object.defineProperty(response, name, { value });
  }
  return Object.defineProperties(response, {
    url: { value: url },
    redirected: { value: redirected },
    type: { value: type },
    clone: { value: () => withFacts(clone(), facts, watched) },
  });
}
