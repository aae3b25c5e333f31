// Browsers: crypto by WebCrypto and noble, cookies on the outer hop, upload progress by XMLHttpRequest.
import { FLAG_OUTER_COOKIES } from '@mte-relay/protocol';
import { webcryptoSuite } from '@mte-relay/protocol/webcrypto';
import type { OuterPost } from '../outer/hop.ts';
import { transact } from './database.ts';
import type { Platform } from './platform.ts';
import { NULL_BODY_STATUSES } from './response-parts.ts';
import { streamlessRequest } from './strict-request.ts';
import { blobOf } from './uploads/blob.ts';

export const platform: Platform = {
  makeSuite: webcryptoSuite,
  pairingFlags: FLAG_OUTER_COOKIES,
  uploads: { gather: blobOf }, // Chromium streams request bodies over HTTP/2 only, other browsers never
  baseUrl: () => globalThis.document?.baseURI ?? globalThis.location.href,
  defaultFields(withOrigin) {
    const fields: [string, string][] = [['user-agent', navigator.userAgent]];
    if (navigator.languages?.length) fields.push(['accept-language', navigator.languages.join(',')]);
    if (withOrigin) fields.push(['origin', globalThis.location.origin]);
    return fields;
  },
  async keepClientId(relayOrigin, token, refused) {
    let kept = token;
    try {
      // In one transaction, so that all pages and the service worker share the first one's identity.
      await transact('identities', 'readwrite', (store) => {
        const present = store.get(relayOrigin);
        present.onsuccess = () => {
          if (typeof present.result === 'string' && present.result !== refused) kept = present.result;
          else store.put(token, relayOrigin);
        };
        return present;
      });
    } catch {
      // Storage is blocked or full: the identity lasts as long as the page.
    }
    return kept;
  },
  neverSent: () => false, // browsers do not report it
  postWithProgress: globalThis.XMLHttpRequest ? postByXhr : undefined,
  makeRequest: 'duplex' in Request.prototype ? undefined : streamlessRequest, // Firefox, Safari
};

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
    xhr.onload = () => resolve();
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
