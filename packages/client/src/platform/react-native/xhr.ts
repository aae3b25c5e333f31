// The outer hop by XMLHttpRequest, the only way to read bytes in every version of React Native: its fetch reads binary
// responses through Blobs. Responses are not streamed.
import { concatBytes } from '@mte-relay/protocol';
import type { OuterPost } from '../../outer/hop.ts';
import { textOf } from './utf8.ts';

/** The part of fetch that outer requests need. */
export const fetchByXhr = ((input: string | URL, init: RequestInit = {}) =>
  send({
    method: init.method ?? 'GET',
    url: `${input}`,
    headers: init.headers as Readonly<Record<string, string>> | undefined,
    body: init.body as Uint8Array<ArrayBuffer> | undefined,
    signal: init.signal ?? undefined,
    credentials: init.credentials,
  })) as typeof globalThis.fetch;

/** Posts with progress of the upload. */
export function postByXhr(post: OuterPost, onSent: (bytes: number) => void): Promise<Response> {
  const { url, contentType, body, signal, credentials } = post;
  const headers = { 'content-type': contentType };
  return send({ method: 'POST', url, headers, body: body as Uint8Array<ArrayBuffer>, signal, credentials }, onSent);
}

interface Outer {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>> | undefined;
  readonly body: Uint8Array<ArrayBuffer> | undefined;
  readonly signal: AbortSignal | undefined;
  readonly credentials: RequestCredentials | undefined;
}

function send(
  { method, url, headers, body, signal, credentials }: Outer,
  onSent?: (bytes: number) => void,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const xhr = new XMLHttpRequest();
    const abort = (): void => xhr.abort();
    const settle = (): void => signal?.removeEventListener('abort', abort);
    const fail = (error: unknown): void => {
      settle();
      reject(error);
    };
    xhr.open(method, url);
    xhr.responseType = 'arraybuffer';
    xhr.withCredentials = credentials !== 'omit';
    for (const [name, value] of Object.entries(headers ?? {})) xhr.setRequestHeader(name, value);
    if (onSent) xhr.upload.onprogress = (event) => onSent(event.loaded);
    xhr.onload = () => {
      // React Native follows redirects and cannot be kept from it; a response from there is not accepted.
      if (xhr.responseURL && xhr.responseURL !== url) return fail(new TypeError('the request was redirected'));
      settle();
      resolve(arrived(xhr));
    };
    xhr.onerror = () => fail(new TypeError('network error'));
    xhr.ontimeout = () => fail(new TypeError('network timeout'));
    xhr.onabort = () => fail(signal?.reason);
    signal?.addEventListener('abort', abort);
    xhr.send(body ? concatBytes([body]) : null);
  });
}

/** The part of an outer Response that the client uses. React Native's own would decode bytes as text one by one. */
function arrived(xhr: XMLHttpRequest): Response {
  const bytes = xhr.response ? new Uint8Array(xhr.response as ArrayBuffer) : new Uint8Array(0);
  const outer = {
    status: xhr.status,
    ok: xhr.status >= 200 && xhr.status <= 299,
    headers: { get: (name: string) => xhr.getResponseHeader(name) },
    arrayBuffer: async () => bytes.slice().buffer,
    json: async () => JSON.parse(textOf(bytes)) as unknown,
  };
  return outer as unknown as Response;
}
