// The outer hop: one POST to the relay, and its response classified as sealed bytes, a refusal, or a failure. An unsealed
// response is unauthenticated: the client may retry or give up, and never trusts it.
import { type Bytes, CONTENT_TYPE_MESSAGE, concatBytes, ProtocolError } from '@mte-relay/protocol';
import { ignore } from '../abort.ts';
import { outerCodeIn, RelayClientError } from '../api/errors.ts';
import type { OuterHop, OuterPost } from './hop.ts';
import { contentOf } from './streams.ts';

/** Why a message has no authenticated response. */
export interface OuterFailure {
  /** `refused`: an outer status; `failed`: no response; `unopenable`: bytes that are not a response to this message. */
  readonly kind: 'refused' | 'failed' | 'unopenable';
  readonly cause?: unknown;
  readonly status?: number;
  readonly outerCode?: string | undefined;
  readonly retryAfterMs?: number | undefined;
  /** True when no byte of the message left this machine. */
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

  /** The fetch of the time of the call, so that instrumentation installed later applies. */
  get fetch(): typeof globalThis.fetch {
    return this.#fetch ?? this.#hop.fetch ?? globalThis.fetch;
  }

  /** Posts. Throws the signal's reason when aborted. */
  async post(post: OuterPost, onSent?: (bytes: number) => void): Promise<{ response: Response } | OuterFailure> {
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
    // Without a cache mode: caches do not store a POST, and with 'no-store' Chromium would repeat the preflight.
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

/** True for a response that claims to be sealed. */
export function isSealed(response: Response): boolean {
  return response.status === 200 && response.headers.get('content-type') === CONTENT_TYPE_MESSAGE;
}

/** The client ignores the code of a longer refusal. */
const PROBLEM_MAX_BYTES = 4096;

/** Reads a response that is not sealed. */
export async function readRefusal(response: Response): Promise<OuterFailure> {
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

/** Abandons a response. The cancel may fail because the connection has closed, which does not matter. */
export function discard(response: Response): void {
  response.body?.cancel().catch(ignore);
}

/** Reads an unauthenticated response whole. Throws ProtocolError `too-large` rather than fill memory. */
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
    // An unreadable refusal is still a refusal.
  }
  return undefined;
}

/** The error to throw for a message without an authenticated response. @param what names the message. */
export function outerError(failure: OuterFailure, what: string | URL, mayHaveRun: boolean): RelayClientError {
  const { kind, cause, status, outerCode, retryAfterMs } = failure;
  if (kind === 'refused') {
    const refusal = outerCode ? `${status} ${outerCode}` : `${status}`;
    return new RelayClientError('relay-refused', `${what} was refused outside the seal with ${refusal}`, {
      status,
      outerCode,
      retryAfterMs,
      mayHaveRun,
    });
  }
  if (kind === 'failed') return new RelayClientError('unreachable', `${what} had no response`, { cause, mayHaveRun });
  return new RelayClientError('response-unopenable', `the response to ${what} was not sealed for it`, {
    cause,
    mayHaveRun,
  });
}
