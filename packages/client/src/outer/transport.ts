// The outer hop: one POST to the relay, and its answer sorted into sealed bytes, a refusal, or a failure. Whatever is
// not sealed is unauthenticated and only ever a reason to try again or to give up.
import { type Bytes, CONTENT_TYPE_MESSAGE, concatBytes, ProtocolError } from '@mte-relay/protocol';
import { ignore } from '../abort.ts';
import { outerCodeIn, RelayClientError } from '../api/errors.ts';
import type { OuterHop, OuterPost } from './hop.ts';
import { contentOf } from './streams.ts';

/** Why a message has no authenticated answer. */
export interface Unanswered {
  /** `refused`: an outer status; `failed`: no answer at all; `unopenable`: bytes that are no answer to this message. */
  readonly kind: 'refused' | 'failed' | 'unopenable';
  readonly cause?: unknown;
  readonly status?: number;
  readonly outerCode?: string | undefined;
  readonly retryAfterMs?: number | undefined;
  /** True when no byte of it left this machine, which is a fact of this machine's own. */
  readonly neverSent?: boolean;
}

/** Sends outer requests for one client. */
export class Transport {
  readonly #hop: OuterHop;
  readonly #fetch: typeof globalThis.fetch | undefined;

  constructor(hop: OuterHop, fetch: typeof globalThis.fetch | undefined) {
    this.#hop = hop;
    this.#fetch = fetch;
  }

  /** fetch as it is when called, so that instrumentation set up later is met too. */
  get fetch(): typeof globalThis.fetch {
    return this.#fetch ?? this.#hop.fetch ?? globalThis.fetch;
  }

  /** Posts; throws the signal's reason when aborted. */
  async post(post: OuterPost, onSent?: (bytes: number) => void): Promise<{ response: Response } | Unanswered> {
    try {
      const xhr = onSent && !this.#fetch && post.credentials !== 'omit' && this.#hop.postWithProgress;
      return { response: await (xhr ? xhr(post, onSent) : this.#byFetch(post)) };
    } catch (cause) {
      if (post.signal.aborted) throw post.signal.reason;
      return { kind: 'failed', cause, neverSent: this.#hop.neverSent(cause) };
    }
  }

  #byFetch(post: OuterPost): Promise<Response> {
    const { body, signal, keepalive, priority } = post;
    const fetch = this.fetch;
    // No cache mode: nobody caches a POST, and with 'no-store' Chromium would send its preflight each time anew.
    return fetch(post.url, {
      method: 'POST',
      headers: { 'content-type': post.contentType },
      body,
      signal,
      ...(keepalive && { keepalive }),
      ...(priority && { priority }),
      redirect: 'error',
      referrerPolicy: 'no-referrer',
      ...(post.credentials && { credentials: post.credentials }),
      ...this.#hop.fetchInit?.(post),
    } as RequestInit);
  }
}

/** True for an answer that claims to be sealed. */
export function isSealed(response: Response): boolean {
  return response.status === 200 && response.headers.get('content-type') === CONTENT_TYPE_MESSAGE;
}

/** Longest refusal that is read for its code. */
const PROBLEM_MAX_BYTES = 4096;

/** Reads an answer that is not sealed. */
export async function readRefusal(response: Response): Promise<Unanswered> {
  if (response.ok) {
    const type = response.headers.get('content-type');
    discard(response);
    return { kind: 'unopenable', cause: new ProtocolError('malformed', `status ${response.status} with type ${type}`) };
  }
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
  return {
    kind: 'refused',
    status: response.status,
    outerCode: outerCodeIn(await problemOf(response)),
    retryAfterMs: seconds >= 0 ? seconds * 1000 : undefined,
  };
}

/** Gives an answer up. That its connection was reset meanwhile, which makes the cancel fail, says nothing more. */
export function discard(response: Response): void {
  response.body?.cancel().catch(ignore);
}

/** All of an answer that anybody may have made. Throws ProtocolError `too-large` instead of filling memory with it. */
export async function readUpTo(maxBytes: number, response: Response): Promise<Bytes> {
  const parts: Bytes[] = [];
  let sizeBytes = 0;
  for await (const part of contentOf(response)) {
    sizeBytes += part.length;
    if (sizeBytes > maxBytes) throw new ProtocolError('too-large', `more than ${maxBytes} bytes`);
    parts.push(part);
  }
  return concatBytes(parts);
}

async function problemOf(response: Response): Promise<unknown> {
  const isProblem = response.headers.get('content-type')?.startsWith('application/problem+json');
  try {
    if (isProblem) return JSON.parse(String.fromCharCode(...(await readUpTo(PROBLEM_MAX_BYTES, response))));
    discard(response);
  } catch {
    // An unreadable refusal is a refusal all the same.
  }
  return undefined;
}

/** The error of a message that stays unanswered. */
export function unansweredError(unanswered: Unanswered, what: string | URL, mayHaveRun: boolean): RelayClientError {
  const { kind, cause, status, outerCode, retryAfterMs } = unanswered;
  if (kind === 'refused') {
    const said = outerCode ? `${status} ${outerCode}` : `${status}`;
    return new RelayClientError('relay-refused', `${what} was refused outside the seal with ${said}`, {
      status,
      outerCode,
      retryAfterMs,
      mayHaveRun,
    });
  }
  if (kind === 'failed') return new RelayClientError('unreachable', `${what} had no answer`, { cause, mayHaveRun });
  return new RelayClientError('response-unopenable', `the answer to ${what} was not sealed for it`, {
    cause,
    mayHaveRun,
  });
}
