// Browsers: crypto by WebCrypto and noble, cookies on the outer hop, upload progress by XMLHttpRequest.
import { FLAG_OUTER_COOKIES } from '@mte-relay/protocol';
import { webcryptoSuite } from '@mte-relay/protocol/webcrypto';
import type { OuterPost, Platform } from './platform.ts';

/** Key of the client's identity in localStorage, by relay. */
const STORAGE_PREFIX = 'mte-relay client-id ';

export const platform: Platform = {
  makeSuite: webcryptoSuite,
  pairingFlags: FLAG_OUTER_COOKIES,
  streamsUploads: false, // Chromium streams request bodies over HTTP/2 only, others not at all
  baseUrl: () => globalThis.document?.baseURI ?? globalThis.location.href,
  defaultFields(request) {
    const fields: [string, string][] = [['user-agent', navigator.userAgent]];
    if (navigator.languages?.length) fields.push(['accept-language', navigator.languages.join(',')]);
    if (request.method !== 'GET' && request.method !== 'HEAD') fields.push(['origin', globalThis.location.origin]);
    return fields;
  },
  loadClientId(relayOrigin) {
    try {
      return globalThis.localStorage?.getItem(STORAGE_PREFIX + relayOrigin) ?? undefined;
    } catch {
      return undefined; // storage is blocked: the identity lasts as long as the page
    }
  },
  saveClientId(relayOrigin, token) {
    try {
      globalThis.localStorage?.setItem(STORAGE_PREFIX + relayOrigin, token);
    } catch {
      // as above
    }
  },
  neverSent: () => false, // a page is not told
  postWithProgress: globalThis.XMLHttpRequest ? postByXhr : undefined,
};

function postByXhr(post: OuterPost, onSent: (bytes: number) => void): Promise<Response> {
  return new Promise((resolve, reject) => {
    post.signal.throwIfAborted();
    const xhr = new XMLHttpRequest();
    const abort = (): void => xhr.abort();
    const settle = (): void => post.signal.removeEventListener('abort', abort);
    xhr.open('POST', post.url);
    xhr.responseType = 'blob';
    xhr.withCredentials = post.credentials === 'include';
    xhr.setRequestHeader('content-type', post.contentType);
    xhr.upload.onprogress = (event) => onSent(event.loaded);
    xhr.onload = () => {
      settle();
      const headers = new Headers();
      for (const name of ['content-type', 'retry-after']) {
        const value = xhr.getResponseHeader(name);
        if (value !== null) headers.set(name, value);
      }
      resolve(new Response(xhr.response as Blob, { status: xhr.status, headers }));
    };
    xhr.onerror = () => {
      settle();
      reject(new TypeError('network error'));
    };
    xhr.onabort = () => {
      settle();
      reject(post.signal.reason);
    };
    post.signal.addEventListener('abort', abort);
    xhr.send(post.body as Blob);
  });
}
