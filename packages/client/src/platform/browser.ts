// Browsers: crypto by WebCrypto and noble, cookies as records, upload progress by XMLHttpRequest.
import { FLAG_COOKIE_RECORDS } from '@mte-relay/protocol';
import { webcryptoSuite } from '@mte-relay/protocol/webcrypto';
import type { OuterPost } from '../outer/hop.ts';
import { keeper } from './keeper.ts';
import type { Platform } from './platform.ts';
import { NULL_BODY_STATUSES } from './response-parts.ts';
import { scriptCookies } from './script-cookies.ts';
import { streamlessRequest } from './strict-request.ts';
import { blobOf } from './uploads/blob.ts';

export const platform: Platform = {
  makeSuite: webcryptoSuite,
  pairingFlags: FLAG_COOKIE_RECORDS,
  uploads: { gather: blobOf }, // Chromium streams request bodies over HTTP/2 only, other browsers never
  baseUrl: () => globalThis.document?.baseURI ?? globalThis.location.href,
  defaultFields(withOrigin) {
    const fields: [string, string][] = [['user-agent', navigator.userAgent]];
    if (navigator.languages?.length) fields.push(['accept-language', navigator.languages.join(',')]);
    if (withOrigin) fields.push(['origin', globalThis.location.origin]);
    return fields;
  },
  keeper,
  scriptCookies,
  alone,
  neverSent: () => false, // browsers do not report it
  postWithProgress: globalThis.XMLHttpRequest ? postByXhr : undefined,
  makeRequest: 'duplex' in Request.prototype ? undefined : streamlessRequest, // Firefox, Safari
};

/** How long a page waits for another one, which the browser may have suspended. */
const ALONE_WAIT_MAX_MS = 2_000;

async function alone<T>(name: string, work: () => Promise<T>): Promise<T> {
  const { locks } = navigator; // undefined outside of secure contexts
  if (!locks) return await work();
  let began = false;
  const begin = (): Promise<T> => {
    began = true;
    return work();
  };
  try {
    return await locks.request(`mte-relay ${name}`, { signal: AbortSignal.timeout(ALONE_WAIT_MAX_MS) }, begin);
  } catch (error) {
    if (began) throw error;
    return await work();
  }
}

async function postByXhr(post: OuterPost, onSent: (bytes: number) => void): Promise<Response> {
  const { signal } = post;
  signal.throwIfAborted();
  const xhr = new XMLHttpRequest();
  const abort = (): void => xhr.abort();
  await new Promise<void>((resolve, reject) => {
    xhr.open('POST', post.url);
    xhr.responseType = 'blob';
    xhr.withCredentials = post.credentials === 'include';
    xhr.setRequestHeader('content-type', post.contentType);
    xhr.upload.onprogress = (event) => onSent(event.loaded);
    // XMLHttpRequest follows a redirect and cannot be kept from it; a response from there is not accepted.
    xhr.onload = () => (xhr.responseURL === post.url ? resolve() : reject(new TypeError('the upload was redirected')));
    xhr.onerror = () => reject(new TypeError('network error'));
    xhr.onabort = () => reject(signal.reason);
    signal.addEventListener('abort', abort);
    xhr.send(post.body as Blob);
  }).finally(() => signal.removeEventListener('abort', abort));
  const headers = new Headers();
  for (const name of ['content-type', 'retry-after']) {
    const value = xhr.getResponseHeader(name);
    if (value !== null) headers.set(name, value);
  }
  const { status } = xhr;
  const content = NULL_BODY_STATUSES.has(status) ? null : (xhr.response as Blob);
  return new Response(content, { status, headers }); // throws for an invalid status
}
