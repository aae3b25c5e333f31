// The parts of a Request that the client needs, checked and completed by the standard (Fetch §5.4). React Native's own
// Request takes an object's inherited names for fields and drops most options.
import { TOKEN } from '@mte-relay/protocol';
import { checkedMethod } from '../strict-request.ts';

/** React Native's Request keeps its body here. Every other way to read it needs a Blob. */
interface MadeWith {
  readonly _bodyInit?: unknown;
}

/** The request that this platform's `takeBody` takes. */
export interface PlainRequest {
  readonly method: string;
  readonly headers: PlainHeaders;
  /** Body of the Request that was the input. */
  readonly inherited: unknown;
}

/** @throws TypeError as fetch does. */
export function plainRequest(input: URL | Request, init: RequestInit): Request {
  const request = 'method' in input ? input : undefined;
  if (request?.bodyUsed) throw new TypeError('the body of this Request has been read');
  if (!request && /^\w+:\/\/[^/]*@/.test((input as URL).href))
    throw new TypeError('a URL for fetch cannot have credentials');
  const method = checkedMethod(init.method ?? request?.method ?? 'GET');
  const inherited = (request as MadeWith | undefined)?._bodyInit;
  const body = init.body ?? inherited ?? undefined;
  if (body !== undefined && (method === 'GET' || method === 'HEAD'))
    throw new TypeError(`${method} cannot have a body`);
  const headers = new PlainHeaders(init.headers ?? request?.headers);
  const type = typeOf(body);
  if (type !== undefined && !headers.has('content-type')) headers.set('content-type', type);
  const made = {
    url: request?.url ?? (input as URL).href,
    method,
    headers,
    inherited,
    redirect: init.redirect ?? 'follow',
    cache: init.cache ?? 'default',
    mode: init.mode ?? request?.mode ?? 'cors',
    credentials: init.credentials ?? request?.credentials ?? 'same-origin',
    integrity: init.integrity ?? '',
    keepalive: init.keepalive ?? false,
  };
  return made as unknown as Request;
}

function typeOf(body: unknown): string | undefined {
  if (typeof body === 'string') return 'text/plain;charset=UTF-8';
  if (body instanceof URLSearchParams) return 'application/x-www-form-urlencoded;charset=UTF-8';
  return body instanceof Blob && body.type ? body.type : undefined;
}

const NO_VALUE = /[\0\r\n]|[^\0-\xff]/;

/** Fields of a request (Fetch §5.1), as far as the client uses them. */
export class PlainHeaders {
  readonly #fields = new Map<string, string>();

  constructor(given: HeadersInit | undefined) {
    for (const [name, value] of pairsOf(given)) {
      const lower = name.toLowerCase();
      const trimmed = value.replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, '');
      if (!TOKEN.test(name) || NO_VALUE.test(trimmed))
        throw new TypeError(`field ${JSON.stringify(name)} cannot be sent`);
      const present = this.#fields.get(lower);
      this.#fields.set(lower, present === undefined ? trimmed : `${present}, ${trimmed}`);
    }
  }

  has(name: string): boolean {
    return this.#fields.has(name);
  }

  get(name: string): string | null {
    return this.#fields.get(name) ?? null;
  }

  set(name: string, value: string): void {
    this.#fields.set(name, value);
  }

  [Symbol.iterator](): Iterator<[string, string]> {
    return this.#fields.entries();
  }
}

function pairsOf(given: HeadersInit | undefined): [string, string][] {
  if (!given) return [];
  if (Array.isArray(given)) return given.map(([name, value]) => [String(name), String(value)]);
  const pairs: [string, string][] = [];
  if (typeof given.forEach === 'function') {
    (given as Headers).forEach((value, name) => {
      pairs.push([name, value]);
    });
    return pairs;
  }
  for (const [name, value] of Object.entries(given)) pairs.push([name, String(value)]);
  return pairs;
}
