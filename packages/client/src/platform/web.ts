// Programs outside of browsers on runtimes with the web's interfaces (Deno, Bun): crypto by WebCrypto and noble, uploads
// streamed by fetch, no page and no cookies of their own.
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
  keepClientId: async (_relayOrigin, token) => token, // a program that wants one identity keeps one client
  fetchInit: sendOnce,
  neverSent: failedBeforeSending,
  postWithProgress: undefined,
  makeRequest: strictRequest,
};

/**
 * fetch sends bytes a second time by itself, on a new connection, and shows the failure of that one alone: Node's when the
 * response is 421 (Fetch), Deno's when a kept connection ends without a response. It sends no stream twice.
 */
function sendOnce({ body, contentType }: OuterPost): object {
  const once = { duplex: 'half', keepalive: undefined }; // Node's fetch takes no stream with keepalive
  if (!(body instanceof Uint8Array)) return once;
  const headers = { 'content-type': contentType, 'content-length': `${body.length}` }; // Deno sends chunks all the same
  return { ...once, body: streamOfBytes(body), headers };
}
