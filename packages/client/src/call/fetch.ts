// One call of fetch, in order: 1 read the arguments (request.ts), 2 send sealed until a response arrives (retry.ts,
// exchange.ts), 3 follow redirects, 4 return a Response.
import { ignore } from '../abort.ts';
import type { RelayRequestInit } from '../api/types.ts';
import type { ClientCore } from '../core.ts';
import { send } from '../send/retry.ts';
import type { Initiator } from './initiator.ts';
import { type Hop, nextHop } from './redirect.ts';
import { takeCall } from './request.ts';
import { toResponse } from './response.ts';

/** RelayFetch, with the cause of the call where it is not the page or program itself. */
export type InitiatedFetch = (
  input: string | URL | Request,
  init?: RelayRequestInit,
  initiator?: Initiator,
) => Promise<Response>;

/** The client's fetch; works detached. */
export function makeFetch(core: ClientCore): InitiatedFetch {
  return async (input, init, initiator) => {
    core.checkOpen();
    try {
      return await relayFetch(core, input, init, initiator);
    } catch (error) {
      if ((init?.signal ?? (input as Request).signal)?.aborted) abandon(init?.body ?? (input as Request).body, error);
      throw error;
    }
  };
}

/** Cancels the body's stream, as fetch does. A stream in transfer is locked and ends with its upload. */
function abandon(body: BodyInit | null, reason: unknown): void {
  (body as Partial<ReadableStream> | null)?.cancel?.(reason).catch(ignore); // no other type of body has `cancel`
}

async function relayFetch(
  { context }: ClientCore,
  input: string | URL | Request,
  init: RelayRequestInit | undefined,
  initiator: Initiator | undefined,
): Promise<Response> {
  const { platform, relayOrigin } = context;
  const { url, request, redirect, sameOrigin, signal } = await takeCall(platform, relayOrigin, input, init, initiator);
  let hop: Hop = { url, request, redirects: 0 };
  for (;;) {
    const response = await send(context, hop.request, signal, hop.redirects > 0);
    let next: Hop | undefined;
    try {
      next = nextHop(hop, response.head, redirect, relayOrigin);
    } catch (error) {
      response.cancel(error);
      throw error;
    }
    if (!next) {
      return (platform.makeResponse ?? toResponse)(response, {
        method: hop.request.head.method,
        url: hop.url.href.replace(/#.*/, ''),
        redirected: hop.redirects > 0,
        type: sameOrigin ? 'basic' : 'cors',
        onDownloadProgress: init?.onDownloadProgress,
      });
    }
    await response.skip();
    hop = next;
  }
}
