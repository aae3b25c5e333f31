// From fetch's arguments to the inner request. The platform's Request, or a stricter one, checks methods, fields, used
// bodies, and streams without `duplex`.
import { type Fields, OWN_FIELDS, type RequestHead } from '@mte-relay/protocol';
import { URL } from '#url';
import { orAborted } from '../abort.ts';
import { notRelayed, RelayClientError } from '../api/errors.ts';
import type { RelayRequestInit } from '../api/types.ts';
import { type RequestBody, takeBody } from '../platform/body.ts';
import type { Platform } from '../platform/platform.ts';
import { overlaid } from '../platform/strict-request.ts';
import { targetOf } from '../platform/target.ts';
import type { InnerRequest } from '../send/seal.ts';
import type { Initiator } from './initiator.ts';

/** Fields of one hop, or set by this client. Browsers forbid most of them to scripts. */
const NOT_FORWARDED = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  ...OWN_FIELDS,
]);

/** The parts of a call. */
export interface Call {
  readonly url: URL;
  readonly request: InnerRequest;
  readonly redirect: RequestRedirect;
  /** True when the page has the relay's origin, or when there is no page. */
  readonly sameOrigin: boolean;
  readonly signal: AbortSignal | undefined;
}

/** Throws TypeError as fetch does, RelayClientError `origin-not-relayed` or `option-unsupported`, or the signal's reason. */
export async function takeCall(
  platform: Platform,
  relayOrigin: string,
  input: string | URL | Request,
  init: RelayRequestInit | undefined,
  initiator?: Initiator,
): Promise<Call> {
  const given = input instanceof Request ? input : new URL(input, platform.baseUrl(relayOrigin));
  const url = new URL(given instanceof URL ? given : given.url);
  if (url.origin !== relayOrigin) throw notRelayed(url, relayOrigin);
  // Without the signal: a Request would leave a listener on it.
  const request = platform.makeRequest
    ? platform.makeRequest(given, init ?? {})
    : new Request(given, overlaid(init, { signal: null }));
  const sameOrigin = new URL(platform.baseUrl(relayOrigin)).origin === relayOrigin;
  refuseOptions(request, init, sameOrigin);
  const signal = init?.signal === undefined ? (input instanceof Request ? input.signal : undefined) : init.signal;
  signal?.throwIfAborted();
  const taking = platform.takeBody
    ? platform.takeBody(request, init?.body)
    : takeBody(request, init?.body, 'stream' in platform.uploads);
  const body = await orAborted(taking, signal ?? undefined);
  return {
    url,
    request: {
      head: headOf(platform, request, url, body, sameOrigin, initiator),
      body,
      onUploadProgress: init?.onUploadProgress,
      credentials: request.credentials,
      hasCredentials: request.credentials === 'include' || (request.credentials === 'same-origin' && sameOrigin),
      keepalive: request.keepalive,
      sameSite: initiator?.sameSite ?? 'strict',
      priority: init?.priority,
    },
    redirect: request.redirect,
    sameOrigin,
    signal: signal ?? undefined,
  };
}

/**
 * Options of single runtimes that set where or how to send a request, or what to learn from it. Ignoring them would
 * contradict the caller. docs/fetch.md lists every option.
 */
export const REFUSED_OPTIONS = [
  'dispatcher',
  'client',
  'proxy',
  'tls',
  'unix',
  'attributionReporting',
  'browsingTopics',
  'privateToken',
  'sharedStorageWritable',
  'adAuctionHeaders',
] as const;

/** Throws `option-unsupported` for options that cannot be sealed, TypeError as fetch does. */
function refuseOptions(request: Request, init: RelayRequestInit | undefined, sameOrigin: boolean): void {
  const { cache, mode } = request;
  const integrity = init?.integrity || request.integrity; // some platforms' Request drops it
  const named = REFUSED_OPTIONS.find((name) => (init as Readonly<Record<string, unknown>> | undefined)?.[name]);
  const refused =
    (integrity && 'integrity') ||
    (cache === 'only-if-cached' && `cache: '${cache}'`) ||
    (mode === 'no-cors' && !sameOrigin && `mode: '${mode}'`) ||
    named;
  if (refused) throw new RelayClientError('option-unsupported', `fetch option ${refused} cannot be sealed`);
  if (mode === 'same-origin' && !sameOrigin)
    throw new TypeError("mode is 'same-origin', but the relay's origin differs");
}

function headOf(
  platform: Platform,
  request: Request,
  url: URL,
  body: RequestBody | undefined,
  sameOrigin: boolean,
  initiator: Initiator | undefined,
): RequestHead {
  const { method } = request;
  const withOrigin = !initiator && (!sameOrigin || (method !== 'GET' && method !== 'HEAD'));
  return {
    method,
    scheme: url.protocol.slice(0, -1),
    authority: url.host,
    path: targetOf(url),
    headers: fieldsOf(request, body, [...(initiator?.fields ?? []), ...platform.defaultFields(withOrigin)]),
  };
}

function fieldsOf({ headers, method, cache }: Request, body: RequestBody | undefined, defaults: Fields): Fields {
  const fields: [string, string][] = [];
  for (const [name, value] of headers) if (!NOT_FORWARDED.has(name)) fields.push([name, value]);
  const own: (readonly [string, string])[] = [
    ['accept', '*/*'],
    ['accept-encoding', acceptedCodings(headers)],
    ...cacheFields(cache),
    ...defaults,
  ];
  for (const field of own) if (!fields.some(([name]) => name === field[0])) fields.push([...field]);
  // Fetch §4.6: an empty body has a content-length; a missing body has one only with POST and PUT.
  const length = body ? body.sizeBytes : method === 'POST' || method === 'PUT' ? 0 : undefined;
  if (length !== undefined) fields.push(['content-length', `${length}`]);
  return fields;
}

/** The fields that fetch sends for a cache mode (Fetch §4.6). The client itself does not cache. */
function cacheFields(cache: RequestCache): Fields {
  if (cache === 'no-cache') return [['cache-control', 'max-age=0']];
  if (cache !== 'no-store' && cache !== 'reload') return [];
  return [
    ['pragma', 'no-cache'],
    ['cache-control', 'no-cache'],
  ];
}

/** A range request asks for uncoded bytes (Fetch §4.6). */
function acceptedCodings(headers: Headers): string {
  return headers.has('range') || !globalThis.DecompressionStream ? 'identity' : 'gzip, deflate';
}
