// Frames the body of an opened request for the upstream: by its length, or in chunks followed by trailers.
import type { RequestHead } from '@mte-relay/protocol';
import { InnerRefusal } from '../failure/planes.ts';
import { announcedTrailers, arrivedTrailers, type IsOthers, type Trailers } from '../http/trailers.ts';
import type { Inbound } from './inbound.ts';

/**
 * The `content-length` to send upstream. That of a stream is the one that the client announced, and Inbound enforces it:
 * undici does so for some methods alone.
 * For a whole body undici sets it, and an announced one must not contradict the body.
 * @throws InnerRefusal
 */
export function contentLength(head: RequestHead, inbound: Inbound, maxBytes: number): string | undefined {
  const announced = new Set(head.headers.filter(([name]) => name === 'content-length').map(([, value]) => value));
  if (announced.size > 1) throw new InnerRefusal('request-malformed');
  const [length] = announced;
  if (length !== undefined && !/^\d{1,15}$/.test(length)) throw new InnerRefusal('request-malformed');
  if (Number(length ?? 0) > maxBytes) throw new InnerRefusal('request-too-large');
  if (!inbound.complete) return length;
  if (length !== undefined && Number(length) !== inbound.bodyBytes) throw new InnerRefusal('request-malformed');
  return undefined;
}

/**
 * The trailers to send. A stream announces them and has no length: in HTTP/1.1 only chunked bodies have trailers.
 */
export function trailersOf(
  head: RequestHead,
  inbound: Inbound,
  length: string | undefined,
  isOthers: IsOthers,
): Trailers | undefined {
  if (inbound.complete) return inbound.trailers.length > 0 ? arrivedTrailers(inbound.trailers, isOthers) : undefined;
  return length === undefined ? announcedTrailers(head.headers, isOthers, () => inbound.trailers) : undefined;
}
