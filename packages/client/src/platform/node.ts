// Node: crypto by OpenSSL, uploads streamed by fetch (undici), no page and no cookies of its own.
import { nodeSuite } from '@mte-relay/protocol/node';
import type { OuterPost } from '../outer/hop.ts';
import type { Platform } from './platform.ts';
import { streamOfBytes } from './uploads/stream.ts';
import { platform as web } from './web.ts';

export const platform: Platform = { ...web, makeSuite: nodeSuite, makeRequest: undefined, fetchInit: sendOnce };

/**
 * Fetch sends bytes a second time when the response is 421, and shows the second failure alone, which may be one to
 * connect. It sends no stream twice.
 */
function sendOnce({ body, contentType }: OuterPost): object {
  const once = { duplex: 'half', keepalive: false }; // Node's fetch takes no stream with keepalive, which has no effect
  if (!(body instanceof Uint8Array)) return once;
  const headers = { 'content-type': contentType, 'content-length': `${body.length}` };
  return { ...once, body: streamOfBytes(body), headers };
}
