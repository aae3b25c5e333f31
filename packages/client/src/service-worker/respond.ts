// One request of a page, in the order its bytes travel: find who caused it, read its body, record it, send it sealed, pass
// on the response. The worker seals it or fails: it never falls back to sending the request unsealed.
import { isIdempotent } from '@mte-relay/protocol';
import { pause } from '../abort.ts';
import { RelayClientError } from '../api/errors.ts';
import type { InitiatedFetch } from '../call/fetch.ts';
import type { Initiator } from '../call/initiator.ts';
import { REDIRECT_STATUSES } from '../call/redirect.ts';
import { targetOf } from '../platform/target.ts';
import { initiatorOf } from './initiator.ts';
import type { Journal } from './journal.ts';
import type { Routes } from './routes.ts';
import { hasNoBody } from './scope.ts';

/** A record outlives its response by this much, until the browser has certainly received it. */
const RECORD_OUTLIVES_RESPONSE_MS = 1_000;

/** The dependencies of {@link respondSealed}. */
export interface RespondContext {
  readonly fetch: InitiatedFetch;
  readonly journal: Journal;
  readonly routes: Routes;
  readonly relayOrigin: string;
  readonly pageOrigin: string;
}

/** A response in progress. */
export interface PendingResponse {
  /** For the page. */
  readonly response: Promise<Response>;
  /**
   * Resolves when the event that brought the request may end. That of an event stream ends with the head: Chromium ends a
   * worker, with all of its requests, whose event lasts more than five minutes, and delays an update until its events end.
   */
  readonly event: Promise<void>;
  /** Resolves when the body too has been passed on or abandoned. */
  readonly done: Promise<void>;
}

/** Responds to a request of a listed route. The response rejects with RelayClientError, or the reason of an abort. */
export function respondSealed(context: RespondContext, clientId: string, request: Request): PendingResponse {
  const { promise: done, resolve: end } = Promise.withResolvers<void>();
  const { promise: streams, resolve: streaming } = Promise.withResolvers<void>();
  const response = exchange(context, clientId, request, end);
  response.then(({ headers }) => {
    if (headers.get('content-type')?.startsWith('text/event-stream')) streaming();
  }, end);
  return { response, event: Promise.race([done, streams]), done };
}

/** A request of the app's own worker, whose redirects nobody else follows. Rejects as {@link respondSealed}. */
export async function fetchSealed(context: RespondContext, request: Request): Promise<Response> {
  const init = { ...initOf(context, request, await bodyOf(request)), redirect: request.redirect };
  return await context.fetch(sealedUrl(context, request.url), init, initiatorOf(request, context.pageOrigin));
}

async function exchange(
  context: RespondContext,
  clientId: string,
  request: Request,
  end: (last: Promise<void> | void) => void,
): Promise<Response> {
  const arrivedAtMs = performance.now();
  const initiator = initiatorOf(request, context.pageOrigin);
  if (!initiator) throw initiatorRefused(request);
  if (request.cache === 'only-if-cached') {
    end(); // as a browser does that has nothing cached
    return Response.error();
  }
  const body = await bodyOf(request);
  const forget = isIdempotent(request.method)
    ? undefined
    : await context.journal.begin(clientId, request, body, arrivedAtMs);
  const ended = (): void => end(forget && pause(RECORD_OUTLIVES_RESPONSE_MS, undefined).then(forget));
  try {
    const inner = await send(context, request, body, initiator);
    return watched(redirectOf(context, request, inner) ?? inner, isEventSource(request), ended);
  } catch (error) {
    ended();
    throw error;
  }
}

/**
 * The browser follows redirects itself, by the page's own mode, with a new fetch event. So the page sees its true URL, as
 * does the address bar after a form post.
 */
function send(
  context: RespondContext,
  request: Request,
  body: Blob | undefined,
  initiator: Initiator,
): Promise<Response> {
  const init = { ...initOf(context, request, body), redirect: 'manual' } as const;
  return context.fetch(sealedUrl(context, request.url), init, initiator);
}

/** Without `keepalive`: the worker outlives the page by itself, and browsers limit what is sent so to 64 KiB. */
function initOf(context: RespondContext, request: Request, body: Blob | undefined) {
  return {
    method: request.method,
    headers: request.headers,
    body: body ?? null,
    cache: request.cache,
    credentials: credentialsOf(context, request),
    signal: request.signal,
  } satisfies RequestInit;
}

/** Undefined for a request without a body, which differs from an empty one. A Blob may lie outside the script's memory. */
async function bodyOf(request: Request): Promise<Blob | undefined> {
  if (hasNoBody(request)) return undefined;
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
  if (mustStaySealed(request, inner.status) && !context.routes.lists(href)) {
    throw refused(`to ${target.origin}, which is not on a listed route`);
  }
  return Response.redirect(href, inner.status);
}

/**
 * True when the browser would repeat the request at the new URL by itself. A navigation may lead to any page, such as the
 * one after a login or logout, unless the browser would repeat a form's body there.
 */
function mustStaySealed(request: Request, status: number): boolean {
  if (request.mode === 'navigate') return !hasNoBody(request) && (status === 307 || status === 308);
  return request.redirect === 'follow';
}

function refused(why: string): RelayClientError {
  return new RelayClientError('redirect-refused', `redirect refused: ${why}`, { mayHaveRun: true });
}

function initiatorRefused({ method, url }: Request): RelayClientError {
  return new RelayClientError(
    'initiator-refused',
    `${method} ${new URL(url).pathname} was not sent: a form of another site, or of a page that does not show its origin`,
  );
}

/** True for the platform's EventSource (HTML §9.2.3), or for a fetch that nothing tells apart from it. */
function isEventSource({ method, cache, headers }: Request): boolean {
  return method === 'GET' && cache === 'no-store' && headers.get('accept') === 'text/event-stream';
}

/**
 * The response, with a callback when its body ends, fails or is cancelled.
 * @param endsWhenCut true to end a body that was cut off: Chromium's EventSource reconnects after an end, and does not
 *   after an error of a worker's body. It drops an event that is not complete.
 */
function watched(response: Response, endsWhenCut: boolean, onEnd: () => void): Response {
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
          if (endsWhenCut) controller.close();
          else controller.error(error);
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
