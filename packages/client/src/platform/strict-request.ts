// A Request checked and completed by the standard (Fetch §5.4), for platforms whose own Request skips some steps.
import { TOKEN } from '@mte-relay/protocol';

type Init = RequestInit & { duplex?: string };

/**
 * `init` overlaid with `members`. `init` may be a Request, whose getters work only on itself. Its own members stay
 * enumerable, for a replaced Request class that copies them.
 */
export function overlaid(init: RequestInit | undefined, members: RequestInit): Init {
  const given = init as Readonly<Record<PropertyKey, unknown>> | undefined;
  return new Proxy(
    { ...init, ...members },
    { get: (own, name) => (name in own ? own[name as keyof RequestInit] : given?.[name]) },
  );
}

/**
 * For platforms whose Request does not take a stream as body: a stream counts as a body, and the caller reads it.
 * @throws TypeError as fetch does.
 */
export function streamlessRequest(input: URL | Request, init: Init): Request {
  const { body } = init;
  if (!isStream(body)) return new Request(input, overlaid(init, { signal: null }));
  if (init.duplex === undefined) throw new TypeError("a stream as body needs duplex: 'half'");
  const type = new Request(input, { headers: init.headers ?? {} }).headers.get('content-type');
  const request = new Request(input, overlaid(init, { body: '', signal: null }));
  if (type === null) request.headers.delete('content-type'); // it belongs to the empty string
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
    throw new TypeError(`${method} cannot have a body`);
  }
  if (isStream(body)) return streamlessRequest(input, overlaid(init, { method }));
  const request = new Request(input, overlaid(init, { method, signal: null }));
  // Also read for forms: Bun sets the type of a form only while its body is unread.
  if (!request.headers.has('content-type') && typeof body === 'string') request.headers.set('content-type', TEXT);
  return request;
}

/** The normalised method. Throws TypeError for an invalid method and for those that fetch forbids. */
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
