// A Request as the standard checks and completes it (Fetch §5.4), on platforms whose own leaves some of that out.
import { TOKEN } from '@mte-relay/protocol';

type Init = RequestInit & { duplex?: string };

/**
 * These members, and those of `init` as it gives them itself: it may be a Request, whose getters answer to it alone. Its own
 * members can be listed too, for a Request that something else has put in place and that copies them.
 */
export function overlaid(init: RequestInit | undefined, members: RequestInit): Init {
  const given = init as Readonly<Record<PropertyKey, unknown>> | undefined;
  return new Proxy(
    { ...init, ...members },
    { get: (own, name) => (name in own ? own[name as keyof RequestInit] : given?.[name]) },
  );
}

/**
 * For a Request that takes no stream as body: a stream counts as one, and stays the caller's to read.
 * @throws TypeError as fetch does.
 */
export function streamlessRequest(input: URL | Request, init: Init): Request {
  const { body } = init;
  if (!isStream(body)) return new Request(input, overlaid(init, { signal: null }));
  if (init.duplex === undefined) throw new TypeError("a stream as body needs duplex: 'half'");
  const type = new Request(input, { headers: init.headers ?? {} }).headers.get('content-type');
  const request = new Request(input, overlaid(init, { body: '', signal: null }));
  if (type === null) request.headers.delete('content-type'); // that of the empty string
  return request;
}

const FORBIDDEN_METHODS = new Set(['CONNECT', 'TRACE', 'TRACK']);
const NORMALISED_METHODS = new Set(['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT']);
const TEXT = 'text/plain;charset=UTF-8';

/** @throws TypeError as fetch does. */
export function strictRequest(input: URL | Request, init: Init): Request {
  const { body } = init;
  const method = checkedMethod(init.method ?? ('method' in input ? input.method : 'GET'));
  if (body !== undefined && body !== null && (method === 'GET' || method === 'HEAD')) {
    throw new TypeError(`${method} has no body`);
  }
  if (isStream(body)) return streamlessRequest(input, overlaid(init, { method }));
  const request = new Request(input, overlaid(init, { method, signal: null }));
  // Asked for even where it is not needed: Bun makes the type of a form only while its body is unread.
  if (!request.headers.has('content-type') && typeof body === 'string') request.headers.set('content-type', TEXT);
  return request;
}

/** A method as it is sent. Throws TypeError for what is none, and for those that fetch forbids. */
export function checkedMethod(method: string): string {
  const upper = method.toUpperCase();
  if (!TOKEN.test(method) || FORBIDDEN_METHODS.has(upper)) {
    throw new TypeError(`${JSON.stringify(method)} is not a method for fetch`);
  }
  return NORMALISED_METHODS.has(upper) ? upper : method;
}

function isStream(body: unknown): boolean {
  return typeof ReadableStream !== 'undefined' && body instanceof ReadableStream;
}
