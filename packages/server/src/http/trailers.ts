// Which trailers cross the relay, in both directions (RFC 9110 §6.5).
import type { Fields } from '@mte-relay/protocol';
import { isDropped, listItems } from './fields.ts';
import { REQUEST_ID_FIELD } from './request-id.ts';

/** Fields that frame or route a message, authenticate its sender, or change how the rest of it is parsed. */
const TRAILER_REFUSED =
  /^(?:authorization|cookie|set-cookie|www-authenticate|content-(?:encoding|type|range|length|location)|location|range|if-.*|cache-control|pragma|max-forwards|expires|date|age|vary|retry-after|origin|traceparent|tracestate|via|proxy-.*|sec-.*|access-control-.*|mte-relay-.*)$/;

/** True if a trailer of this name may cross the relay (RFC 9110 §6.5.1). */
function isTrailer(name: string): boolean {
  const plain = name.replaceAll('_', '-');
  return !isDropped(plain) && !TRAILER_REFUSED.test(plain) && plain !== REQUEST_ID_FIELD;
}

/** True for a name that somebody else than the sender of a trailer sets. */
export type IsOthers = (name: string) => boolean;

/** The trailers that cross the relay, in either direction. */
export function trailerFields(trailers: Fields, isOthers: IsOthers): Fields {
  return trailers.filter(([name]) => isTrailer(name) && !isOthers(name));
}

/** Trailers on their way upstream. */
export interface Trailers {
  /** Announced in `trailer` before the body (RFC 9110 §6.6.2). */
  readonly names: readonly string[];
  /** Known once the body has ended. */
  fields(): Fields;
}

/** Trailers that `trailer` announces before their body has arrived; undefined if none may cross. */
export function announcedTrailers(fields: Fields, isOthers: IsOthers, arrived: () => Fields): Trailers | undefined {
  const announced = listItems(fields, 'trailer').map((name): [string, string] => [name.toLowerCase(), '']);
  const names = trailerFields(announced, isOthers).map(([name]) => name);
  return names.length > 0 ? { names, fields: () => trailerFields(arrived(), isOthers) } : undefined;
}

/** Trailers that have arrived; undefined if none may cross. */
export function arrivedTrailers(arrived: Fields, isOthers: IsOthers): Trailers | undefined {
  const fields = trailerFields(arrived, isOthers);
  return fields.length > 0 ? { names: [...new Set(fields.map(([name]) => name))], fields: () => fields } : undefined;
}
