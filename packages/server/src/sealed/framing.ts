// How the body of an opened request is framed toward the upstream: by its length, or in chunks with trailers behind them.
import type { RequestHead } from '@mte-relay/protocol';
import { InnerRefusal } from '../failure/planes.ts';
import { announcedTrailers, arrivedTrailers, type Trailers } from '../http/trailers.ts';
import type { Inbound } from './inbound.ts';

/**
 * The body's length to say upstream. A stream carries the length that the client announced, which undici then holds it
 * to; a whole body has its own, which undici says itself, and must not contradict what was announced.
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
 * The trailers to send. A stream says ahead that it has some, and no length: HTTP/1.1 has room for trailers in chunked
 * bodies alone.
 */
export function trailersOf(
  head: RequestHead,
  inbound: Inbound,
  length: string | undefined,
  own: RequestHead['headers'],
): Trailers | undefined {
  if (inbound.complete) return inbound.trailers.length > 0 ? arrivedTrailers(inbound.trailers, own) : undefined;
  return length === undefined ? announcedTrailers(head.headers, own, () => inbound.trailers) : undefined;
}
