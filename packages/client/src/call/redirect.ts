// Redirects of the inner response (Fetch §4.4). Each hop is a new sealed request to the same relay.
import type { ResponseHead } from '@mte-relay/protocol';
import { URL } from '#url';
import { RelayClientError } from '../api/errors.ts';
import { fieldOf } from '../platform/response-parts.ts';
import { targetOf } from '../platform/target.ts';
import type { InnerRequest } from '../send/seal.ts';

/** Fetch §2.2.3. */
export const REDIRECT_STATUSES: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const REDIRECTS_MAX = 20; // Fetch §4.4
/** Fields to drop when a redirect drops the body (Fetch §4.4, request-body-header names). */
const BODY_FIELDS = new Set([
  'content-encoding',
  'content-language',
  'content-location',
  'content-type',
  'content-length',
]);

/** One request's path through redirects. */
export interface Hop {
  readonly url: URL;
  readonly request: InnerRequest;
  readonly redirects: number;
}

/**
 * The next hop, or undefined when this response is the last one.
 * @throws RelayClientError `redirect-refused`.
 */
export function nextHop(hop: Hop, head: ResponseHead, mode: RequestRedirect, relayOrigin: string): Hop | undefined {
  if (!REDIRECT_STATUSES.has(head.status) || mode === 'manual') return undefined;
  if (mode === 'error') throw refused(`status ${head.status}, and redirect is 'error'`);
  const location = fieldOf(head.headers, 'location');
  if (location === undefined) return undefined;
  if (hop.redirects >= REDIRECTS_MAX) throw refused(`more than ${REDIRECTS_MAX} redirects`);
  if (!URL.canParse(location, hop.url.href)) throw refused('Location is not a URL');
  const url = new URL(location, hop.url);
  if (url.origin !== relayOrigin) throw refused(`to ${url.origin}, which is not the relay's origin`);
  if (url.username || url.password) throw refused('Location has credentials'); // they would be dropped
  if (!url.hash) url.hash = hop.url.hash;
  return { url, request: rewritten(hop.request, head.status, url), redirects: hop.redirects + 1 };
}

function rewritten(request: InnerRequest, status: number, url: URL): InnerRequest {
  const head = { ...request.head, path: targetOf(url) };
  const { method } = head;
  const becomesGet =
    ((status === 301 || status === 302) && method === 'POST') ||
    (status === 303 && method !== 'GET' && method !== 'HEAD');
  if (becomesGet) {
    const headers = head.headers.filter(([name]) => !BODY_FIELDS.has(name));
    return { ...request, head: { ...head, method: 'GET', headers }, body: undefined, onUploadProgress: undefined };
  }
  if (request.body && !request.body.replayable) throw refused(`status ${status} after a body that cannot be resent`);
  return { ...request, head };
}

function refused(why: string): RelayClientError {
  return new RelayClientError('redirect-refused', `redirect refused: ${why}`, { mayHaveRun: true });
}
