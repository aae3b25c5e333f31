// From fetch's arguments to the request inside the seal. The platform's own Request does the checking: methods, fields,
// bodies already used, streams without `duplex`.
import { CLIENT_ID_FIELD, type Fields, type RequestHead } from '@mte-relay/protocol';
import { type RequestBody, takeBody } from './body.ts';
import { RelayClientError } from './errors.ts';
import type { RelayRequestInit } from './options.ts';
import type { Platform } from './platform/platform.ts';
import type { InnerRequest } from './seal.ts';

/** The inner field by which a later session carries the first one's client identity (SPEC §3.5). */

/** Fields of one hop, or made by this client; a browser forbids most of them to scripts anyway. */
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
  CLIENT_ID_FIELD,
]);

/** A call, taken apart. */
export interface Call {
  readonly url: URL;
  readonly request: InnerRequest;
  readonly redirect: RequestRedirect;
  readonly signal: AbortSignal | undefined;
}

/** Throws TypeError as fetch does, RelayClientError `origin-not-relayed` or `option-unsupported`, or the signal's reason. */
export async function takeCall(
  platform: Platform,
  relayOrigin: string,
  input: string | URL | Request,
  init: RelayRequestInit | undefined,
): Promise<Call> {
  const given = input instanceof Request ? input : new URL(input, platform.baseUrl(relayOrigin));
  const url = new URL(given instanceof URL ? given : given.url);
  if (url.origin !== relayOrigin) {
    throw new RelayClientError('origin-not-relayed', `${url.origin} is not the relay's origin ${relayOrigin}`);
  }
  // The signal stays with the caller: a Request that follows it would leave a listener on it.
  const request = new Request(given, Object.create(init ?? null, { signal: { value: null } }));
  if (request.integrity) {
    throw new RelayClientError(
      'option-unsupported',
      'integrity is not supported: the seal already protects the answer',
    );
  }
  const signal = init?.signal === undefined ? (input instanceof Request ? input.signal : undefined) : init.signal;
  signal?.throwIfAborted();
  const body = await takeBody(request, init?.body, platform.streamsUploads);
  return {
    url,
    request: {
      head: headOf(platform, request, url, body),
      body,
      onUploadProgress: init?.onUploadProgress,
      credentials: request.credentials,
      keepalive: request.keepalive,
    },
    redirect: request.redirect,
    signal: signal ?? undefined,
  };
}

function headOf(platform: Platform, request: Request, url: URL, body: RequestBody | undefined): RequestHead {
  const { method, headers } = request;
  return {
    method,
    scheme: url.protocol.slice(0, -1),
    authority: url.host,
    path: url.pathname + url.search,
    headers: fieldsOf(headers, method, body, platform.defaultFields(request)),
  };
}

function fieldsOf(headers: Headers, method: string, body: RequestBody | undefined, defaults: Fields): Fields {
  const fields: [string, string][] = [];
  for (const [name, value] of headers) if (!NOT_FORWARDED.has(name)) fields.push([name, value]);
  if (!headers.has('accept')) fields.push(['accept', '*/*']);
  if (!headers.has('accept-encoding')) fields.push(['accept-encoding', acceptedCodings(headers)]);
  for (const [name, value] of defaults) if (!headers.has(name)) fields.push([name, value]);
  // As Fetch §4.6 has it: an empty body is announced, a missing one only where the method expects one.
  const length = body ? body.sizeBytes : method === 'POST' || method === 'PUT' ? 0 : undefined;
  if (length !== undefined) fields.push(['content-length', `${length}`]);
  return fields;
}

/** A range is of the bytes as they are stored, so it is asked for without coding (Fetch §4.6). */
function acceptedCodings(headers: Headers): string {
  return headers.has('range') || !globalThis.DecompressionStream ? 'identity' : 'gzip, deflate';
}
