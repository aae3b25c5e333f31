// Records what reaches the backend, beside the backend's own code, which does not know of it.

import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { Feed, type Observation } from './feed.ts';

const PREVIEW_MAX_BYTES = 1024;
const REQUESTS_KEPT = 200;

/** A body's size so far and its beginning, base64 in JSON. */
export interface BodySeen {
  totalBytes: number;
  preview: string;
}

export interface SeenRequest extends Observation {
  readonly method: string;
  readonly path: string;
  /** Names and values as they came, in order. */
  readonly headers: readonly [string, string][];
  readonly body: BodySeen;
  /** The exchange on the wire that brought it, when there is one. */
  readonly wireId: number | undefined;
  status: number;
  responseHeaders: readonly [string, string][];
  readonly responseBody: BodySeen;
  durationMs: number;
  done: boolean;
}

export type SeenFeed = Feed<SeenRequest>;

export function newSeenFeed(): SeenFeed {
  return new Feed<SeenRequest>(REQUESTS_KEPT);
}

/** Follows one request and its response without touching either. Call it before the backend handles them. */
export function recordRequest(feed: SeenFeed, req: IncomingMessage, res: ServerResponse, wireId?: number): void {
  const startedMs = performance.now();
  const seen = feed.add((id, changed) => ({
    id,
    changed,
    method: req.method ?? '',
    path: req.url ?? '',
    headers: pairs(req.rawHeaders),
    body: { totalBytes: 0, preview: '' },
    wireId,
    status: 0,
    responseHeaders: [],
    responseBody: { totalBytes: 0, preview: '' },
    durationMs: 0,
    done: false,
  }));
  const requestPreview = new Preview(seen.body);
  const responsePreview = new Preview(seen.responseBody);

  // A 'data' listener would make the body flow before the backend reads it; where bytes enter the stream is neutral.
  const push = req.push.bind(req);
  req.push = (chunk: unknown, encoding?: BufferEncoding): boolean => {
    if (Buffer.isBuffer(chunk)) requestPreview.add(chunk);
    feed.touch(seen);
    return push(chunk, encoding);
  };

  const noteResponse = (chunk: unknown): void => {
    if (typeof chunk === 'string' || chunk instanceof Uint8Array) responsePreview.add(Buffer.from(chunk as string));
    seen.status = res.statusCode;
    seen.durationMs = performance.now() - startedMs;
    feed.touch(seen);
  };
  const { writeHead, write, end } = res;
  res.writeHead = function (this: ServerResponse, status: number, ...rest: unknown[]): ServerResponse {
    seen.responseHeaders = headerPairs({ ...res.getHeaders(), ...(rest.at(-1) as OutgoingHttpHeaders | undefined) });
    return Reflect.apply(writeHead, this, [status, ...rest]) as ServerResponse;
  } as typeof res.writeHead;
  res.write = function (this: ServerResponse, ...args: unknown[]): boolean {
    noteResponse(args[0]);
    return Reflect.apply(write, this, args) as boolean;
  };
  res.end = function (this: ServerResponse, ...args: unknown[]): ServerResponse {
    noteResponse(args[0]);
    return Reflect.apply(end, this, args) as ServerResponse;
  };
  res.once('close', () => {
    seen.done = true;
    feed.touch(seen);
  });
}

/** Keeps the first bytes of a body. */
class Preview {
  readonly #body: BodySeen;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(body: BodySeen) {
    this.#body = body;
  }

  add(chunk: Buffer): void {
    this.#body.totalBytes += chunk.length;
    const room = PREVIEW_MAX_BYTES - this.#bytes.length;
    if (room <= 0) return;
    this.#bytes = Buffer.concat([this.#bytes, chunk.subarray(0, room)]);
    this.#body.preview = this.#bytes.toString('base64');
  }
}

function headerPairs(headers: OutgoingHttpHeaders): [string, string][] {
  return Object.entries(headers).map(([name, value]) => [name, String(value)]);
}

function pairs(rawHeaders: readonly string[]): [string, string][] {
  const list: [string, string][] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) list.push([rawHeaders[i] as string, rawHeaders[i + 1] as string]);
  return list;
}
