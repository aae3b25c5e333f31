// Runtimes outside of browsers with the web's interfaces (Deno, Bun): crypto by WebCrypto and noble, uploads streamed by
// fetch, without a page and without cookies.
import { webcryptoSuite } from '@mte-relay/protocol/webcrypto';
import type { OuterPost } from '../outer/hop.ts';
import { failedBeforeSending } from './never-sent.ts';
import type { Platform } from './platform.ts';
import { strictRequest } from './strict-request.ts';
import { streamOf, streamOfBytes } from './uploads/stream.ts';

export const platform: Platform = {
  makeSuite: webcryptoSuite,
  pairingFlags: 0,
  uploads: { stream: streamOf },
  baseUrl: (relayOrigin) => relayOrigin,
  defaultFields: () => [['user-agent', 'mte-relay']],
  keeper: undefined, // a program that needs one identity uses one client
  scriptCookies: undefined,
  fetchInit: sendOnce,
  neverSent: failedBeforeSending,
  postWithProgress: undefined,
  makeRequest: strictRequest,
};

/**
 * fetch may resend bytes by itself on a new connection and then reports the failure of that one alone: Node's fetch after
 * a 421 (Fetch), Deno's when a kept connection closes without a response. fetch never resends a stream.
 */
function sendOnce({ body, contentType }: OuterPost): object {
  const once = { duplex: 'half', keepalive: undefined }; // Node's fetch rejects a stream with keepalive
  if (!(body instanceof Uint8Array)) return once;
  const headers = { 'content-type': contentType, 'content-length': `${body.length}` }; // Deno sends it chunked regardless
  return { ...once, body: streamOfBytes(body), headers };
}
