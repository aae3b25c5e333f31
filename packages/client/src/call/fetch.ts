// fetch's life of a call, in order: 1 take the arguments apart (request.ts), 2 send sealed until answered (retry.ts,
// exchange.ts), 3 follow redirects, 4 hand out a Response.
import { ignore } from '../abort.ts';
import type { RelayFetch, RelayRequestInit } from '../api/types.ts';
import type { ClientCore } from '../core.ts';
import { send } from '../send/retry.ts';
import { type Hop, nextHop } from './redirect.ts';
import { takeCall } from './request.ts';
import { toResponse } from './response.ts';

/** The client's fetch; works detached. */
export function makeFetch(core: ClientCore): RelayFetch {
  return async (input, init) => {
    core.checkOpen();
    try {
      return await relayFetch(core, input, init);
    } catch (error) {
      if ((init?.signal ?? (input as Request).signal)?.aborted) abandon(init?.body ?? (input as Request).body, error);
      throw error;
    }
  };
}

/** Cancels a stream that is not sent any more, as fetch does. One that is being sent is locked, and ends with its upload. */
function abandon(body: BodyInit | null, reason: unknown): void {
  (body as Partial<ReadableStream> | null)?.cancel?.(reason).catch(ignore); // nothing else that can be a body has one
}

async function relayFetch(
  { context }: ClientCore,
  input: string | URL | Request,
  init: RelayRequestInit | undefined,
): Promise<Response> {
  const { platform, relayOrigin } = context;
  const { url, request, redirect, sameOrigin, signal } = await takeCall(platform, relayOrigin, input, init);
  let hop: Hop = { url, request, redirects: 0 };
  for (;;) {
    const answer = await send(context, hop.request, signal, hop.redirects > 0);
    let next: Hop | undefined;
    try {
      next = nextHop(hop, answer.head, redirect, relayOrigin);
    } catch (error) {
      answer.cancel(error);
      throw error;
    }
    if (!next) {
      return (platform.makeResponse ?? toResponse)(answer, {
        method: hop.request.head.method,
        url: hop.url.href.replace(/#.*/, ''),
        redirected: hop.redirects > 0,
        type: sameOrigin ? 'basic' : 'cors',
        onDownloadProgress: init?.onDownloadProgress,
      });
    }
    await answer.skip();
    hop = next;
  }
}
