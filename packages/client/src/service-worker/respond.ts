// One request of a page, in the order its bytes travel: read its body, record it, send it sealed, pass on the response.
// The worker seals it or fails: it never falls back to sending the request unsealed.
import { isIdempotent } from '@mte-relay/protocol';
import { pause } from '../abort.ts';
import { RelayClientError } from '../api/errors.ts';
import type { RelayFetch } from '../api/types.ts';
import { REDIRECT_STATUSES } from '../call/redirect.ts';
import { targetOf } from '../platform/target.ts';
import type { Journal } from './journal.ts';
import type { Routes } from './routes.ts';

/** A record outlives its response by this much, until the browser has certainly received it. */
const RECORD_OUTLIVES_RESPONSE_MS = 1_000;

/** The dependencies of {@link respondSealed}. */
export interface RespondContext {
  readonly fetch: RelayFetch;
  readonly journal: Journal;
  readonly routes: Routes;
  readonly relayOrigin: string;
  readonly pageOrigin: string;
}

/** A response in progress. */
export interface PendingResponse {
  /** For the page. */
  readonly response: Promise<Response>;
  /** Resolves when the body too has been passed on or abandoned. */
  readonly done: Promise<void>;
}

/** Responds to a request of a listed route. The response rejects with RelayClientError, or the reason of an abort. */
export function respondSealed(context: RespondContext, clientId: string, request: Request): PendingResponse {
  const { promise: done, resolve: end } = Promise.withResolvers<void>();
  const response = exchange(context, clientId, request, end);
  response.catch(end);
  return { response, done };
}

async function exchange(
  context: RespondContext,
  clientId: string,
  request: Request,
  end: (last: Promise<void> | void) => void,
): Promise<Response> {
  const arrivedAtMs = performance.now();
  const body = await bodyOf(request);
  const forget = isIdempotent(request.method)
    ? undefined
    : await context.journal.begin(clientId, request, body, arrivedAtMs);
  const ended = (): void => end(forget && pause(RECORD_OUTLIVES_RESPONSE_MS, undefined).then(forget));
  try {
    const inner = await context.fetch(sealedUrl(context, request.url), {
      method: request.method,
      headers: request.headers,
      body: body ?? null,
      credentials: credentialsOf(context, request),
      keepalive: request.keepalive,
      // The browser follows redirects itself, by the page's own mode, with a new fetch event. So the page sees its true
      // URL, as does the address bar after a form post.
      redirect: 'manual',
      signal: request.signal,
    });
    return watched(redirectOf(context, request, inner) ?? inner, ended);
  } catch (error) {
    ended();
    throw error;
  }
}

/** Undefined for a request without a body, which differs from an empty one. A Blob may lie outside the script's memory. */
async function bodyOf(request: Request): Promise<Blob | undefined> {
  if (request.method === 'GET' || request.method === 'HEAD') return undefined;
  const body = await request.blob();
  return body.size > 0 || request.headers.has('content-type') ? body : undefined;
}

/** The same path and query at the relay. */
function sealedUrl({ relayOrigin }: RespondContext, href: string): string {
  return relayOrigin + targetOf(new URL(href));
}

/** A request to the page's own origin carries its cookies, even to a relay of another origin. */
function credentialsOf({ pageOrigin }: RespondContext, { url, credentials }: Request): RequestCredentials {
  return credentials === 'same-origin' && new URL(url).origin === pageOrigin ? 'include' : credentials;
}

/**
 * The redirect for the browser to follow; undefined when the response is not a redirect.
 * @throws RelayClientError `redirect-refused` when following it would send the request unsealed.
 */
function redirectOf(context: RespondContext, request: Request, inner: Response): Response | undefined {
  const location = inner.headers.get('location');
  if (!REDIRECT_STATUSES.has(inner.status) || location === null) return undefined;
  const sealedAt = sealedUrl(context, request.url);
  if (!URL.canParse(location, sealedAt)) throw refused('Location is not a URL');
  const target = new URL(location, sealedAt);
  const { origin } = new URL(request.url);
  const href = target.origin === context.relayOrigin ? origin + target.href.slice(target.origin.length) : target.href;
  if (isFollowed(request, inner.status) && !context.routes.lists(href)) {
    throw refused(`to ${target.origin}, which is not on a listed route`);
  }
  return Response.redirect(href, inner.status);
}

/**
 * True when the browser will send the same kind of request to the new URL. A form post that becomes a GET navigation is
 * not sealed, as all navigations are not.
 */
function isFollowed({ mode, redirect }: Request, status: number): boolean {
  return mode === 'navigate' ? status === 307 || status === 308 : redirect === 'follow';
}

function refused(why: string): RelayClientError {
  return new RelayClientError('redirect-refused', `redirect refused: ${why}`, { mayHaveRun: true });
}

/** The response, with a callback when its body ends, fails or is cancelled. */
function watched(response: Response, onEnd: () => void): Response {
  if (!response.body) {
    onEnd();
    return response;
  }
  const reader = response.body.getReader();
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          if (!done) return controller.enqueue(value);
          controller.close();
        } catch (error) {
          controller.error(error);
        }
        onEnd();
      },
      cancel(reason) {
        onEnd();
        return reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(body, { status: response.status, headers: response.headers });
}
