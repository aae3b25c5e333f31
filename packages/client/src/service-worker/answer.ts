// One request of a page, in the order its bytes travel: take its body, note it, send it sealed, hand out the answer. It
// is sealed or it fails: nothing here ever falls back to sending it as it is.
import { isIdempotent } from '@mte-relay/protocol';
import { pause } from '../abort.ts';
import { RelayClientError } from '../api/errors.ts';
import type { RelayFetch } from '../api/types.ts';
import { REDIRECT_STATUSES } from '../call/redirect.ts';
import { targetOf } from '../platform/target.ts';
import type { Journal } from './journal.ts';
import type { Routes } from './routes.ts';

/** How long a note outlives its answer: until the browser has certainly taken that over. */
const NOTE_OUTLIVES_ANSWER_MS = 1_000;

/** What answering needs. */
export interface AnswerContext {
  readonly fetch: RelayFetch;
  readonly journal: Journal;
  readonly routes: Routes;
  readonly relayOrigin: string;
  readonly pageOrigin: string;
}

/** An answer under way. */
export interface Answering {
  /** For the page. */
  readonly response: Promise<Response>;
  /** Resolves when the body has been handed out too, or was given up. */
  readonly done: Promise<void>;
}

/** Answers a request of a listed route. The response rejects with RelayClientError, or the reason of an abort. */
export function answerSealed(context: AnswerContext, clientId: string, request: Request): Answering {
  const { promise: done, resolve: end } = Promise.withResolvers<void>();
  const response = exchange(context, clientId, request, end);
  response.catch(end);
  return { response, done };
}

async function exchange(
  context: AnswerContext,
  clientId: string,
  request: Request,
  end: (last: Promise<void> | void) => void,
): Promise<Response> {
  const arrivedAtMs = performance.now();
  const body = await bodyOf(request);
  const forget = isIdempotent(request.method)
    ? undefined
    : await context.journal.begin(clientId, request, body, arrivedAtMs);
  const ended = (): void => end(forget && pause(NOTE_OUTLIVES_ANSWER_MS, undefined).then(forget));
  try {
    const answer = await context.fetch(sealedUrl(context, request.url), {
      method: request.method,
      headers: request.headers,
      body: body ?? null,
      credentials: credentialsOf(context, request),
      keepalive: request.keepalive,
      // The browser follows redirects itself, by the page's own mode, and asks this worker again: so that the page sees
      // its true URL, and the address bar of a posted form too.
      redirect: 'manual',
      signal: request.signal,
    });
    const response = redirectOf(context, request, answer) ?? answer;
    return watched(response, ended);
  } catch (error) {
    ended();
    throw error;
  }
}

/** Undefined when there is none, which is not an empty one. Large ones are Blobs outside of the script's memory. */
async function bodyOf(request: Request): Promise<Blob | undefined> {
  if (request.method === 'GET' || request.method === 'HEAD') return undefined;
  const body = await request.blob();
  return body.size > 0 || request.headers.has('content-type') ? body : undefined;
}

/** The same path and query at the relay. */
function sealedUrl({ relayOrigin }: AnswerContext, href: string): string {
  return relayOrigin + targetOf(new URL(href));
}

/** A request to the page's own origin carries its cookies, also when the relay that answers it is elsewhere. */
function credentialsOf({ pageOrigin }: AnswerContext, { url, credentials }: Request): RequestCredentials {
  return credentials === 'same-origin' && new URL(url).origin === pageOrigin ? 'include' : credentials;
}

/**
 * The redirect as the browser is to follow it; undefined when the answer is none.
 * @throws RelayClientError `redirect-refused` when following it would send the request unsealed.
 */
function redirectOf(context: AnswerContext, request: Request, answer: Response): Response | undefined {
  const location = answer.headers.get('location');
  if (!REDIRECT_STATUSES.has(answer.status) || location === null) return undefined;
  const sealedAt = sealedUrl(context, request.url);
  if (!URL.canParse(location, sealedAt)) throw refused('Location is not a URL');
  const target = new URL(location, sealedAt);
  const { origin } = new URL(request.url);
  const href = target.origin === context.relayOrigin ? origin + target.href.slice(target.origin.length) : target.href;
  if (isFollowedByItself(request, answer.status) && !context.routes.lists(href)) {
    throw refused(`to ${target.origin}, on no listed route`);
  }
  return Response.redirect(href, answer.status);
}

/**
 * True where the browser will send the same kind of request to the new place. A posted form that becomes a navigation by
 * GET has nothing left to seal but its URL, and navigations pass by.
 */
function isFollowedByItself({ mode, redirect }: Request, status: number): boolean {
  return mode === 'navigate' ? status === 307 || status === 308 : redirect === 'follow';
}

function refused(why: string): RelayClientError {
  return new RelayClientError('redirect-refused', `redirect refused: ${why}`, { mayHaveRun: true });
}

/** The response with a call at the end of its body, however that comes. */
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
